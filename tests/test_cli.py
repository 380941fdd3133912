"""The command line: bad input, help, what is imported, and how it ends."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import click
import pytest

from clouder.cli.root import MODULES, root
from clouder.errors import ClouderError, Interrupted, RemoteError
from tests import goldens
from tests.cli import COMMAND, commands, run, start

HEAVY = ("azure", "boto3", "fabric", "invoke", "jinja2", "paramiko", "pydantic", "rich", "yaml")
MAX_CPU = 0.080  # seconds


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


WRONG_WORDS = [
    ("k8s lss", 2, "there is no command `clouder k8s lss`; did you mean `clouder k8s ls`?"),
    ("kubeadmn setup x", 2, "there is no command `clouder kubeadmn`; did you mean `clouder kubeadm`?"),
    ("zzz", 2, "there is no command `clouder zzz`"),
    ("--verison", 2, "--verison"),
    ("k8s create demo --worker-cuont 2", 2, "--worker-cuont"),
    ("k8s create demo --worker-count two", 2, "'two' is not a valid integer"),
    ("k8s create demo --output xml", 2, "'xml' is not one of 'table', 'json', 'yaml'"),
    ("k8s create demo extra", 2, "unexpected extra argument"),
    ("k8s create", 2, "the name of the cluster is missing"),
    ("kubeadm vm-create", 2, "the name of the cluster is missing"),
    ("k8s status", 2, "Missing argument 'NAME'"),
    ("completion powershell", 2, "'powershell' is not one of"),
    ("k8s create Demo", 3, "the spec: name: use 1 to 40 of a-z, 0-9 and -"),
    ("k8s create ../../etc", 3, "name: use 1 to 40"),
    ("k8s create -- --help", 3, "name: use 1 to 40"),
    ("k8s create default", 3, "default is a reserved word"),
    ("k8s create demo --worker-count -1", 3, "pools.0.desired"),
    ("k8s create demo --worker-count 100000", 3, "pools.0.desired"),
    ("k8s create demo --kubernetes-version 1.36.3", 3, 'write it as "v1.36.3"'),
    ("k8s create demo --kubernetes-version v1.99.0", 3, "v1.99.0 is not supported"),
    ("k8s create demo --provider moon", 3, "provider: moon is unknown; choose one of local"),
    ("k8s create demo --provider ../x", 3, "provider"),
    ("k8s create demo --cni calico", 3, "network.cni"),
    ("k8s create demo --pod-cidr 10.0.0.0", 3, "network.podCidr"),
    ("k8s create demo --pod-cidr 10.96.0.0/16", 3, "podCidr and serviceCidr overlap"),
    ("k8s create demo --allowed-cidr 0.0.0.0/0", 3, "allowedCidrs.0: would let in the whole internet"),
    ("k8s create demo --allowed-cidr 10.0.0.1/8", 3, "allowedCidrs.0: 10.0.0.1/8 has host bits set"),
    ("k8s create demo --worker-size big", 3, "pools.workers.size: big is not a size of the local provider"),
    ("k8s create demo --control-plane-size ;reboot", 3, "controlPlane.size"),
    ("k8s create demo --region mars", 3, "region: the local provider has one region"),
    ("k8s create demo --dry-run --provider moon", 3, "provider: moon is unknown"),
    ("k8s create -f nothing.yaml", 3, "cannot read nothing.yaml: No such file or directory"),
    ("k8s create -f .", 3, "cannot read .: Is a directory"),
    ("ctx set moon", 3, "provider: moon is unknown"),
    ("spec show demo --worker-count -1", 3, "pools.0.desired"),
    ("k8s status demo", 4, "there is no cluster 'demo'"),
    ("k8s status ../..", 4, "there is no cluster"),
    ("k8s delete demo --yes", 4, "there is no cluster 'demo'"),
    ("k8s kubeconfig demo", 4, "there is no cluster 'demo'"),
    ("k8s use demo", 4, "there is no cluster 'demo'"),
    ("k8s logs demo", 4, "there is no cluster 'demo'"),
    ("kubeadm setup demo", 4, "there is no cluster 'demo'"),
    ("Kubeadm Get-Config demo", 4, "there is no cluster 'demo'"),
    ("criu doctor demo", 4, "there is no cluster 'demo'"),
    ("checkpoint create demo pod", 4, "there is no cluster 'demo'"),
    ("checkpoint ls demo", 4, "there is no cluster 'demo'"),
    ("checkpoint show nothing", 4, "there is no checkpoint nothing"),
    ("checkpoint rm ../nothing", 4, "there is no checkpoint ../nothing"),
    ("terraform export demo", 2, "Missing argument 'DIR'"),
    ("terraform export demo out", 4, "there is no cluster 'demo'"),
    ("terraform lint demo", 4, "there is no cluster 'demo'"),
    ("bundle verify nothing", 4, "there is no bundle nothing"),
    ("bundle build --kubernetes-version v9.9.9", 4, "v9.9.9"),
    ("bundle build --source ftp", 2, "--source: ftp is not one of auto, "),
]


@pytest.mark.parametrize(("line", "code", "words"), WRONG_WORDS, ids=[row[0] for row in WRONG_WORDS])
def test_wrong_words_get_one_block_and_create_nothing(line: str, code: int, words: str, home: Path) -> None:
    result = run(*line.split())
    assert words in result.stderr
    assert result.exit_code == code
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("error: ") == 1
    assert "fix: " in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert not home.exists()


WRONG_FILES = [
    (b"", "must be a map of fields"),
    (b"[1, 2]", "must be a map of fields"),
    (b"name: demo\nnam: demo\n", "nam: is not a known field"),
    (b"name: demo\nname: other\n", "name is there twice"),
    (b"name: [demo\n", "not valid YAML"),
    (b"name: \xff\n", "not UTF-8"),
    (b"name: &a demo\nregion: *a\n", "anchors and aliases are not allowed"),
    (b"name: !!python/object/apply:os.system [id]\n", "tags such as"),
    (b"name: " + b"[" * 200 + b"]" * 200, "nested deeper than 32 levels"),
    (b"name: demo\n" + b"#" * (1 << 20), "larger than 1 MiB"),
    (b"name: 1\n", "must be text"),
    (b"name: demo\nkubernetesVersion: 1.36\n", "must be text"),
    (b"name: demo\npools: 3\n", "pools"),
    (b"name: demo\npools: [{desired: 2.5}]\n", "pools.0.desired"),
    (b"name: demo\npools: [{name: a}, {name: a}]\n", "a is there twice"),
    (b"name: demo\nnetwork: no\n", "network"),
    (b"name: demo\napiVersion: v2\n", "apiVersion"),
]


@pytest.mark.parametrize(
    ("content", "words"), WRONG_FILES, ids=[row[1] + repr(row[0][:20]) for row in WRONG_FILES]
)
@pytest.mark.parametrize("source", ["file", "stdin"])
def test_a_wrong_file_is_refused(content: bytes, words: str, source: str, tmp_path: Path, home: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_bytes(content)
    name = str(path) if source == "file" else "-"
    result = run("k8s", "create", "-f", name, stdin=content if source == "stdin" else None)
    assert words in result.stderr
    assert result.exit_code == 3
    assert len(result.stderr) < 400
    assert result.stdout == ""
    assert not home.exists()


def test_a_flag_for_a_pool_that_the_file_lacks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text("name: demo\npools: [{name: gpu}]\n")
    result = run("k8s", "create", "-f", str(path), "--worker-count", "3")
    assert result.exit_code == 2
    assert "--worker-count is for the pool `workers`" in result.stderr


def test_a_name_that_is_not_the_files_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text("name: other\n")
    result = run("k8s", "create", "demo", "-f", str(path))
    assert (result.exit_code, "says other" in result.stderr) == (2, True)


SAME_SPECS = [
    ("--worker-count 3", "pools: [{desired: 3}]"),
    ("--workers 0", "pools: [{desired: 0}]"),
    ("--no-criu", "criu: false"),
    ("--enable-criu", "criu: true"),
    ("--kubernetes-version v1.37.2", "kubernetesVersion: v1.37.2"),
    (
        "--pod-cidr 10.8.0.0/16 --service-cidr 10.9.0.0/16",
        "network: {podCidr: 10.8.0.0/16, serviceCidr: 10.9.0.0/16}",
    ),
    (
        "--worker-size 2x4096 --control-plane-size 1x2048",
        "{pools: [{size: 2x4096}], controlPlane: {size: 1x2048}}",
    ),
    ("--cni flannel --provider local", "network: {cni: flannel}"),
]


@pytest.mark.parametrize(("flags", "text"), SAME_SPECS, ids=[row[0] for row in SAME_SPECS])
def test_flags_and_file_give_the_same_spec(flags: str, text: str) -> None:
    body = text[1:-1].replace(", controlPlane", "\ncontrolPlane") if text.startswith("{") else text
    by_flags = run("spec", "show", "demo", *flags.split(), "-o", "json")
    by_file = run("spec", "show", "-f", "-", "-o", "json", stdin=f"name: demo\n{body}\n")
    assert by_flags.exit_code == by_file.exit_code == 0
    assert json.loads(by_flags.stdout) == json.loads(by_file.stdout)


def test_a_flag_is_laid_over_the_file() -> None:
    result = run(
        "spec", "show", "-f", "-", "--workers", "5", stdin="name: demo\npools: [{desired: 1, size: 1x512}]\n"
    )
    assert "desired: 5" in result.stdout
    assert "size: 1x512" in result.stdout


def test_the_shown_spec_can_be_fed_back() -> None:
    first = run("spec", "show", "demo", "--workers", "4").stdout
    assert run("spec", "show", "-f", "-", stdin=first).stdout == first


def test_an_empty_list_has_stable_forms() -> None:
    assert run("k8s", "ls", "-o", "json").stdout == "[]\n"
    assert run("k8s", "ls", "-o", "yaml").stdout == "[]\n"
    assert run("k8s", "ls").stdout.split() == ["NAME", "PROVIDER", "KUBERNETES", "NODES", "STATE"]


PAGES = [path for path, _ in commands()]


@pytest.mark.parametrize("page", PAGES)
def test_golden_help(page: str) -> None:
    result = run(*page.split()[1:], "--help")
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80
    goldens.check(f"cli/{page.replace(' ', '-')}.txt", result.stdout)


@pytest.mark.parametrize(("path", "command"), list(commands()), ids=PAGES)
def test_every_command_has_an_example(path: str, command: click.Command) -> None:
    if not isinstance(command, click.Group):
        assert path in (command.epilog or "")


@pytest.mark.parametrize("name", MODULES)
def test_the_table_of_groups_is_their_help(name: str) -> None:
    command = root.get_command(click.Context(root), name)
    assert command is not None
    assert (command.help, command.name) == (MODULES[name], name)


LIGHT = ["--help", "--version", "k8s --help", "k8s create --help", "completion zsh", "K8S LSS"]


@pytest.mark.parametrize("line", LIGHT)
def test_help_imports_nothing_heavy(line: str) -> None:
    script = f"""
import sys, atexit
heavy = {HEAVY}
atexit.register(lambda: print("HEAVY", sorted(set(heavy) & {{name.split(".")[0] for name in sys.modules}})))
sys.argv = ["clouder", *{line.split()}]
from clouder.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_completion_imports_nothing_heavy_and_names_clusters(home: Path) -> None:
    for name in ("alpha", "beta"):
        (home / "clusters" / name).mkdir(parents=True)
    words = {"_CLOUDER_COMPLETE": "bash_complete", "COMP_WORDS": "clouder k8s status a", "COMP_CWORD": "3"}
    assert start(**words).stdout.split() == ["plain,alpha"]


@pytest.mark.parametrize("line", ["--help", "--version", "completion bash"])
def test_start_takes_at_most_80_ms_of_cpu(line: str) -> None:
    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*COMMAND, *line.split()], stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # The least of several: the others hold what else the machine was doing.
    assert min(once() for _ in range(7)) <= MAX_CPU


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_whole(shell: str) -> None:
    script = run("completion", shell).stdout
    assert "_CLOUDER_COMPLETE" in script
    if shell == "bash":
        assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_the_bash_script_completes(tmp_path: Path) -> None:
    (tmp_path / "clouder").write_text(f'#!/bin/sh\nexec {sys.executable} -m clouder.cli "$@"\n')
    (tmp_path / "clouder").chmod(0o755)
    script = run("completion", "bash").stdout + (
        'COMP_WORDS=(clouder k8s st); COMP_CWORD=2; _clouder_completion clouder; echo "${COMPREPLY[@]}"\n'
    )
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
    )
    assert done.stdout == "status\n"


def test_a_closed_pipe_is_silent() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, "k8s", "ls", "-o", "json"], stdout=writer, stderr=subprocess.PIPE, check=False, text=True
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def raising(error: BaseException) -> click.testing.Result:
    @click.command("raises")
    def command() -> None:
        raise error

    from clouder.cli.groups import Root

    group = Root("clouder", modules={})
    group.get_command = lambda ctx, name: command  # type: ignore[method-assign]
    return click.testing.CliRunner().invoke(group, ["raises"], prog_name="clouder")


def test_a_bug_gives_two_lines_and_a_file_with_the_traceback(home: Path) -> None:
    result = raising(ZeroDivisionError("of a bug"))
    [crash] = (home / "crash").iterdir()
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "error: Clouder has a bug: ZeroDivisionError: of a bug",
        f"fix: please report it with the traceback in {crash}",
    ]
    assert "Traceback" in crash.read_text()
    assert crash.stat().st_mode & 0o777 == 0o600


ENDS = [
    (
        RemoteError("n1: Join failed\nmore", fix="type this", details="last line\n\nlog: /runs/1"),
        8,
        ["error: n1: Join failed", "  more", "  | last line", "fix: type this", "log: /runs/1"],
    ),
    (Interrupted("stopped; nothing is lost", fix="go on"), 130, ["stopped; nothing is lost", "fix: go on"]),
    (KeyboardInterrupt(), 130, ["", "stopped"]),
    (ClouderError("short"), 1, ["error: short"]),
]


@pytest.mark.parametrize(("error", "code", "lines"), ENDS, ids=lambda value: type(value).__name__)
def test_an_error_is_one_block(error: BaseException, code: int, lines: list[str]) -> None:
    result = raising(error)
    assert (result.exit_code, result.stderr.splitlines()) == (code, lines)


@pytest.mark.parametrize(
    "line", ["--log-format json k8s status demo", "--log-format json kubeadm setup demo"]
)
def test_an_error_is_one_more_event_in_json(line: str) -> None:
    [event] = [json.loads(text) for text in run(*line.split()).stderr.splitlines()]
    assert event.keys() == {"host", "step", "title", "state", "seconds", "note", "fix", "exitCode"}
    assert (event["step"], event["exitCode"]) == ("error", 4)
