import json

import pytest

from clouder.checkpoint import reasons
from clouder.checkpoint.checkpointing import Subject, archive_path, refusal
from clouder.checkpoint.remote import Answer, read_answer
from clouder.checkpoint.restoring import why_not_ready
from clouder.errors import ConnectionFailed, NotReadyError, RemoteError
from clouder.inventory import Address, Host

IO_URING = [
    "(00.004112) Warn  (criu/cr-dump.c:1): something to know",
    "(00.02) Error (criu/files-ext.c:9): Can't dump file 5 of that type [600] (an anon_inode:[io_uring])",
    "(00.021402) Error (criu/cr-dump.c:1669): Dump files (pid: 812) failed with -1",
    "(00.031022) Error (criu/cr-dump.c:2111): Dumping FAILED.",
]


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        (IO_URING[1], "UV_USE_IO_URING=0"),
        (
            "(00.01) Error (criu/cr-dump.c:300): Can't get rlimit 0: Operation not permitted",
            "CAP_SYS_RESOURCE",
        ),
        (
            "(00.01) Error (criu/sk-inet.c:191): inet: Connected TCP socket, consider using --tcp-est",
            "tcp-close",
        ),
        ("(00.02) Error (criu/vdso.c:500): vdso: Unexpected rt vDSO area bounds", "CRIU 4.1"),
        ("(00.02)      1: Error (criu/mount-v2.c:9): mnt-v2: Failed to make mount 5 slave", "CRIU 4.1.1"),
        (
            "(00.02) Error (criu/mount.c:1): mnt: Can't lookup mount=29 for fd=1 path=/log",
            "outside of the container",
        ),
        ("(00.02)     12: Error (criu/lsm.c:90): can't write lsm profile -2", "AppArmor"),
        ("(00.02) Error (criu/files-reg.c:1): Can't dump ghost file /x of 9 size", "ghost-limit"),
        (
            "(00.02) Error (criu/file-lock.c:1): Some file locks are hold by dumping tasks! ... --file-locks",
            "file-locks",
        ),
        ("(00.02) Error (criu/cpu.c:1): cpu: CPU capabilities do not match run time", "processor"),
        ("(00.02) Error (criu/image.c:1): write: No space left on device", "disk is full"),
        ("(00.02) Error (criu/tty.c:1): something nobody has seen", ""),
    ],
)
def test_a_line_of_criu_gets_its_advice(line, advice):
    found = reasons.explain([line])
    assert found
    assert found.words in line
    assert not found.words.startswith("Error")
    assert advice in found.advice
    assert bool(found.advice) == bool(advice)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (IO_URING, "Can't dump file 5 of that type [600] (an anon_inode:[io_uring])"),
        (list(reversed(IO_URING)), "Can't dump file 5 of that type [600] (an anon_inode:[io_uring])"),
        (["Error (criu/a.c:1): first", "Error (criu/b.c:2): second"], "first"),
    ],
)
def test_the_line_that_explains_wins(lines, words):
    assert reasons.explain(lines).words == words


@pytest.mark.parametrize("lines", [[], ["(00.1) Warn  (criu/a.c:1): x"], ["nothing of the kind"]])
def test_no_error_is_no_reason(lines):
    assert reasons.explain(lines) is None


HOST = Host("demo-node-1", "node", "workers", Address("127.0.0.1", 22, "root"), "10.0.0.2")
SUBJECT = Subject({"metadata": {"name": "web", "namespace": "shop"}}, "c", "4f1e", HOST)


@pytest.mark.parametrize(
    ("given", "log", "message", "fix"),
    [
        (
            {"status": "500", "body": "criu failed: type DUMP errno 0"},
            "\n".join(IO_URING),
            r"shop/web was not checkpointed: CRIU says: .*io_uring",
            "UV_USE_IO_URING=0",
        ),
        (
            {"status": "403", "body": "Forbidden (user=...)"},
            "",
            "does not let the API server",
            "kubeadm setup",
        ),
        ({"status": "404", "body": "404"}, "", "no such container", "doctor"),
        ({"status": "500", "body": "criu binary not found"}, "", "criu binary not found", "doctor"),
        ({"status": "000", "error": "curl: (60) SSL"}, "", "does not answer", "doctor"),
        ({"status": "418", "body": ""}, "", "status 418", "doctor"),
    ],
)
def test_a_refused_checkpoint_says_why(given, log, message, fix):
    error = refusal(SUBJECT, Answer(0, given, ""), log)
    assert isinstance(error, RemoteError)
    import re

    assert re.search(message, error.message)
    assert fix in error.fix


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (
            '{"items":["/var/lib/kubelet/checkpoints/checkpoint-web_shop-c-2026-11-24T13:22:15Z.tar"]}',
            "/var/lib/kubelet/checkpoints/checkpoint-web_shop-c-2026-11-24T13:22:15Z.tar",
        ),
        (
            '{"items":["/data/kubelet/checkpoints/checkpoint-web_shop-c-2026-11-24T13:22:15+01:00.tar"]}',
            "/data/kubelet/checkpoints/checkpoint-web_shop-c-2026-11-24T13:22:15+01:00.tar",
        ),
    ],
)
def test_the_kubelet_names_the_archive(body, path):
    assert archive_path(body) == path


@pytest.mark.parametrize(
    "path",
    [
        "/etc/shadow",
        "checkpoints/checkpoint-a.tar",
        "/var/lib/kubelet/checkpoints/../checkpoints/checkpoint-a.tar",
        "/var/lib/kubelet/checkpoints/checkpoint-a.tar\n",
        "/var/lib/kubelet/checkpoints/checkpoint-a b.tar",
        "/var/lib/kubelet/checkpoints/checkpoint-$(id).tar",
    ],
)
def test_another_path_is_not_taken_from_a_kubelet(path):
    with pytest.raises(RemoteError, match="no checkpoint archive"):
        archive_path(json.dumps({"items": [path]}))


@pytest.mark.parametrize("body", ["", "404", "{}", '{"items":[]}', "[]", '{"items":null}'])
def test_an_answer_without_an_archive_is_an_error(body):
    with pytest.raises(RemoteError, match="names no archive"):
        archive_path(body)


def pod_status(**status):
    return json.dumps({"status": status})


@pytest.mark.parametrize(
    ("given", "log", "words"),
    [
        (
            {
                "pod-web-restored": pod_status(
                    containerStatuses=[
                        {
                            "name": "c",
                            "state": {
                                "waiting": {
                                    "reason": "RunContainerError",
                                    "message": "criu failed: type NOTIFY",
                                }
                            },
                        }
                    ]
                )
            },
            "(00.02)     12: Error (criu/lsm.c:90): can't write lsm profile -2",
            [
                "container c: RunContainerError: criu failed: type NOTIFY",
                "CRIU says: can't write lsm profile",
            ],
        ),
        (
            {
                "pod-web-restored": pod_status(
                    containerStatuses=[
                        {"name": "c", "state": {"terminated": {"exitCode": 137, "reason": "Error"}}}
                    ]
                )
            },
            "",
            ["container c: Error with exit code 137"],
        ),
        ({"pod-web-restored": pod_status(message="Pod was rejected: OutOfcpu")}, "", ["OutOfcpu"]),
        (
            {"pod-web-restored": pod_status(), "events-web-restored": "first\nImage is not present\n"},
            "",
            ["Image is not present"],
        ),
        ({"pod-web-restored": pod_status()}, "", ["not Ready within"]),
        ({}, "", ["not Ready within"]),
    ],
)
def test_a_restored_pod_that_is_not_ready_says_why(given, log, words):
    error = why_not_ready("web-restored", Answer(0, given, ""), log)
    assert isinstance(error, NotReadyError)
    for part in words:
        assert part in error.message


def test_an_answer_is_joined_from_its_lines():
    lines = ["hello", "::ab pod eyJh", "::ab pod Ijox", "::ab pod fQ==", "::cd pod AAAA", "world"]
    answer = read_answer("demo-node-1", 3, lines, "ab")
    assert answer.get("pod") == '{"a":1}'
    assert answer.output == "hello\n::cd pod AAAA\nworld"
    assert (answer.code, answer.get("nothing")) == (3, "")


@pytest.mark.parametrize("piece", ["ey", "%%%%", "eyJh cut"])
def test_a_damaged_answer_is_noticed(piece):
    with pytest.raises(ConnectionFailed, match="demo-node-1 gave a damaged answer"):
        read_answer("demo-node-1", 0, [f"::ab pod {piece}"], "ab")
