import json
from dataclasses import replace

import pytest

from clouder.checkpoint import checks
from clouder.checkpoint.checks import CHECKS, Look
from clouder.checkpoint.facts import NodeFacts
from clouder.checkpoint.probing import LAST, Pair, judge
from clouder.checkpoint.remote import Answer
from clouder.inventory import Address, Host
from clouder.render import asset
from tests.checkpoints import CHECKPOINT, MACHINE

RUNC_CONF = asset("templates/node/runc.conf").read_text()
RUNTIME = {
    "config": {
        "enableCRIU": True,
        "enableExperimentalRestoreViaCreate": True,
        "containerd": {"defaultRuntimeName": "runc"},
    }
}
RAW = {
    "check": "Looks good.\n",
    "containerd_criu": "/usr/sbin/criu\n",
    "containerd_path": "/usr/sbin:/usr/bin",
    "runc_conf": RUNC_CONF,
    "capabilities": "000001ffffffffff\n",
    "foreign": "",
    "listening": "0016\n280A\n",
    "kubelet_config": "kind: KubeletConfiguration\nseccompDefault: true\n",
    "checkpoints_mode": "700 root\n",
    "archives": "",
    "free": "50000000000\n",
    "memory_used": "2000000000\n",
    "busybox": "localhost/clouder/busybox:1.37.0\n",
}


def look(*, machine=None, runtime=RUNTIME, criu_check="", **raw):
    facts = NodeFacts(
        replace(MACHINE, **(machine or {})),
        since="1",
        certificate="",
        runtime=runtime,
        criu_check=criu_check,
    )
    return Look("demo-node-1", facts, {**RAW, **raw})


def findings(seen):
    return {item.check: item for item in (check(seen) for check in CHECKS)}


def test_a_good_node_has_only_good_findings():
    found = findings(look()).values()
    assert {(item.state, item.fix) for item in found} == {("ok", "")}
    assert all(item.found and item.node == "demo-node-1" for item in found)


@pytest.mark.parametrize(
    ("seen", "check", "state", "words"),
    [
        (look(machine={"kernel": "5.4.0-200"}), "kernel", "fail", "older than 5.9"),
        (look(machine={"criu": ""}), "criu check", "fail", "no criu"),
        (look(criu_check="Error: vdso\nmore"), "criu check", "fail", "Error: vdso"),
        (look(machine={"kernel": "7.1.0", "criu": "4.2"}), "criu version", "fail", "needs 4.2.1"),
        (look(machine={"kernel": "6.18.4", "criu": "4.1.1"}), "criu version", "fail", "needs 4.2"),
        (look(machine={"kernel": "6.13.0", "criu": "3.17.1"}), "criu version", "fail", "needs 4.1"),
        (look(machine={"kernel": "6.1.0", "criu": "3.15"}), "criu version", "fail", "needs 3.16"),
        (
            look(containerd_criu=""),
            "criu for containerd",
            "fail",
            "not in containerd's PATH (/usr/sbin:/usr/bin)",
        ),
        (look(machine={"containerd": "2.4.0"}), "containerd", "fail", "2.4.0 cannot restore"),
        (look(machine={"containerd": "2.3.1"}), "containerd", "warn", "known holes"),
        (look(machine={"runc": "1.1.15"}), "runtime", "fail", "1.2 or newer"),
        (
            look(runtime={"config": {**RUNTIME["config"], "containerd": {"defaultRuntimeName": "crun"}}}),
            "runtime",
            "fail",
            "the default is crun",
        ),
        (look(runc_conf="tcp-close\n"), "cgroup", "fail", "v2 without `manage-cgroups ignore`"),
        (look(runc_conf="# manage-cgroups ignore\n"), "cgroup", "fail", "v2 without"),
        (look(runc_conf=""), "criu options", "fail", "runc.conf is missing"),
        (
            look(runc_conf=RUNC_CONF.replace("tcp-close", "tcp-established")),
            "criu options",
            "warn",
            "lacks: tcp-close",
        ),
        (look(default_conf="tcp-established\n"), "criu options", "warn", "default.conf may contradict"),
        (
            look(capabilities="000001fffeffffff", foreign="coredns\nnginx\n"),
            "capabilities",
            "warn",
            "(coredns, nginx)",
        ),
        (look(capabilities="000001fffeffffff"), "capabilities", "warn", "(none now)"),
        (look(capabilities=""), "capabilities", "warn", "cannot be read"),
        (look(listening="2807\n280A"), "kubelet", "fail", "read-only port 10255"),
        (look(listening="0016"), "kubelet", "fail", "does not listen on 10250"),
        (look(kubelet_config="featureGates:\n  ContainerCheckpoint: false\n"), "kubelet", "fail", "gate"),
        (look(kubelet_config="seccompDefault: false\n"), "kubelet", "warn", "io_uring"),
        (look(checkpoints_mode="755 root"), "archives", "fail", "hold secrets"),
        (look(archives="checkpoint-a.tar\ncheckpoint-b.tar\n"), "archives", "warn", "2 left"),
        (look(free="1000000000"), "disk", "warn", "0.9 GiB free, 1.9 GiB of memory in use"),
        (look(free=""), "disk", "warn", "cannot be read"),
        (look(busybox=""), "probe image", "fail", "this node is not probed"),
    ],
)
def test_a_fault_is_found_with_its_fix(seen, check, state, words):
    found = findings(seen)[check]
    assert found.state == state
    assert words in found.found
    assert found.fix


@pytest.mark.parametrize(
    ("seen", "check"),
    [
        (look(machine={"cgroup": "v1"}, runc_conf="tcp-close\n"), "cgroup"),
        (look(runc_conf=RUNC_CONF + "log-file /var/log/criu.log\n"), "criu options"),
        (look(default_conf="# nothing\n"), "criu options"),
        (look(checkpoints_mode=""), "archives"),
        (look(runtime={"config": {**RUNTIME["config"], "containerd": None}}), "runtime"),
    ],
)
def test_what_is_only_different_is_no_fault(seen, check):
    assert findings(seen)[check].state == "ok"


def test_an_option_more_than_ours_is_named():
    found = findings(look(runc_conf=RUNC_CONF + "orphan-pts-master\n"))["criu options"]
    assert "orphan-pts-master" in found.found


def test_processors_are_compared_with_each_other():
    old = replace(look(machine={"cpu_flags": ("sse4_2",), "cpu_model": "Old"}), node="old")
    new = replace(look(machine={"cpu_flags": ("sse4_2", "avx2"), "cpu_model": "New"}), node="new")
    found = checks.compare_processors([old, new])
    assert [(item.node, item.state, item.found) for item in found] == [
        ("old", "warn", "Old lacks avx2 of other nodes"),
        ("new", "ok", "New"),
    ]


def host(name):
    return Host(name, "node", "workers", Address("127.0.0.1", 22, "root"), "10.0.0.2")


PAIR = Pair(host("a"), host("b"), CHECKPOINT, "probe-to-1")


def pod(restarts, **state):
    status = {"name": "counter", "restartCount": restarts, "state": state}
    return json.dumps({"status": {"containerStatuses": [status]}})


@pytest.mark.parametrize(
    ("given", "state", "words"),
    [
        (
            {"state-probe-to-1": "counted", "pod-probe-to-1": pod(0, running={})},
            "ok",
            f"counted on to {LAST}",
        ),
        ({"state-probe-to-1": "counted", "pod-probe-to-1": pod(1, running={})}, "fail", "restarts: 1"),
        (
            {
                "state-probe-to-1": "unready",
                "pod-probe-to-1": pod(0, waiting={"reason": "RunContainerError", "message": "criu failed"}),
                "log-probe-to-1": "counter 7\ncounter 8\n",
            },
            "fail",
            "RunContainerError: criu failed; it printed counter 7; counter 8 (restarts: 0)",
        ),
        (
            {
                "state-probe-to-1": "silent",
                "pod-probe-to-1": pod(0, running={}),
                "log-probe-to-1": "error: too many open files\ncounter 8\n",
            },
            "fail",
            "did not count on within 25 s: error: too many open files; counter 8 (restarts: 0)",
        ),
        ({}, "fail", "(no status; not even scheduled); it printed nothing"),
    ],
)
def test_a_probe_passes_only_when_the_counter_went_on(given, state, words):
    found = judge(PAIR, Answer(0, given, ""))
    assert (found.node, found.check, found.state) == ("b", "restore from a", state)
    assert words in found.found
