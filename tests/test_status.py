"""What is known of a cluster, healthy or not, over real SSH."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clouder import status
from clouder.spec import parse
from clouder.workspace import Workspace
from tests.cli import run
from tests.sshd import Sshd, keygen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result

MASTER, NODE = "demo-master", "demo-node-1"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def workspace() -> Workspace:
    return Workspace.create(parse({"name": "demo", "pools": [{"desired": 1}]}))


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    (tmp_path / "sshd").mkdir()
    with Sshd(tmp_path / "sshd", ("127.0.0.1", "127.0.0.2")) as server:
        yield server


def give_machines(workspace: Workspace, sshd: Sshd) -> None:
    """The outputs and keys that a create leaves."""
    keys = workspace.path / "keys" / "hosts"
    keys.mkdir(parents=True)
    shutil.copy(sshd.key_file, workspace.key_file)
    hosts = []
    for index, (name, role) in enumerate([(MASTER, "master"), (NODE, "node")]):
        shutil.copy(sshd.directory / "host", keys / name)
        shutil.copy(sshd.directory / "host.pub", keys / f"{name}.pub")
        address = sshd.host(index).ssh
        ssh = {"host": address.host, "port": address.port, "user": address.user}
        hosts.append({"name": name, "role": role, "pool": "workers", "ssh": ssh, "private_ip": address.host})
    outputs = {"hosts": hosts, "api_endpoint": "x:1", "api_access": "x:1", "addon_values": {}}
    (workspace.path / "outputs.json").write_text(json.dumps(outputs))


def shown() -> tuple[Result, dict[str, Any]]:
    result = run("k8s", "status", "demo", "-o", "json")
    return result, json.loads(result.stdout)


def test_a_cluster_without_machines(workspace: Workspace) -> None:
    result, found = shown()
    assert result.exit_code == 9
    assert (found["state"], found["healthy"], found["machines"]) == ("new", False, [])
    assert result.stderr.splitlines() == [
        "✗ there are no machines",
        "fix: clouder k8s create demo goes on; clouder k8s delete demo removes it",
    ]


def test_machines_without_kubernetes(workspace: Workspace, sshd: Sshd) -> None:
    give_machines(workspace, sshd)
    result, found = shown()
    assert [(item["name"], item["reachable"], item["node"]) for item in found["machines"]] == [
        (MASTER, True, ""),
        (NODE, True, ""),
    ]
    assert (found["state"], found["problems"]) == ("machines", ["Kubernetes is not set up"])
    assert result.exit_code == 9


def test_an_api_that_does_not_answer(workspace: Workspace, sshd: Sshd) -> None:
    give_machines(workspace, sshd)
    workspace.kubeconfig.write_text("there")
    _, found = shown()
    [problem] = found["problems"]
    assert problem.startswith("the API server does not answer: ")
    assert found["state"] == "created"


def test_machines_that_are_off_do_not_hold_it_up(workspace: Workspace, sshd: Sshd) -> None:
    give_machines(workspace, sshd)
    workspace.kubeconfig.write_text("there")
    sshd.stop()
    started = time.monotonic()
    _, found = shown()
    assert time.monotonic() - started < 3 * status.REACH_SECONDS
    assert [item["reachable"] for item in found["machines"]] == [False, False]
    assert [problem.split()[:4] for problem in found["problems"]] == [
        [MASTER, "does", "not", "answer"],
        [NODE, "does", "not", "answer"],
    ]


def test_a_machine_with_another_host_key_is_not_spoken_to(workspace: Workspace, sshd: Sshd) -> None:
    give_machines(workspace, sshd)
    (workspace.path / "keys" / "hosts" / NODE).unlink()
    keygen(workspace.path / "keys" / "hosts" / NODE)
    _, found = shown()
    assert [item["reachable"] for item in found["machines"]] == [True, False]
    assert "shows another host key" in found["machines"][1]["problem"]


def test_a_machine_that_was_not_made_is_missed(workspace: Workspace, sshd: Sshd) -> None:
    give_machines(workspace, sshd)
    workspace.save_spec(parse({"name": "demo", "pools": [{"desired": 2}]}))
    assert "demo-node-2 was not made" in shown()[1]["problems"]


NODES = [
    (
        ["node a v1.36.3 True", "node b v1.36.3 False"],
        {"a": ("v1.36.3", "Ready"), "b": ("v1.36.3", "NotReady")},
    ),
    (["node a v1.36.3 Unknown"], {"a": ("v1.36.3", "NotReady")}),
    (["node a v1.36.3 "], {"a": ("v1.36.3", "NotReady")}),
    (["Warning: something", "node", ""], {}),
]


@pytest.mark.parametrize(("lines", "found"), NODES)
def test_answers_of_kubectl(lines: list[str], found: dict[str, tuple[str, str]]) -> None:
    assert dict(status._nodes(lines)) == found


STATES = [
    ([], "new"),
    ([("begin", "k8s create")], "new (k8s create killed)"),
    ([("begin", "k8s create"), ("end", "k8s create")], "new"),
    ([("begin", "k8s create"), ("failed", "k8s create")], "new (k8s create failed)"),
    ([("begin", "kubeadm setup"), ("interrupted", "kubeadm setup")], "new (kubeadm setup stopped)"),
    ([("failed", "k8s create"), ("begin", "checkpoint create")], "new (k8s create failed)"),
]


@pytest.mark.parametrize(("events", "state"), STATES)
def test_the_list_says_how_the_last_run_went(
    events: list[tuple[str, str]], state: str, workspace: Workspace
) -> None:
    for event, command in events:
        workspace.journal(event, command=command)
    [row] = json.loads(run("k8s", "ls", "-o", "json").stdout)
    assert row == {
        "name": "demo",
        "provider": "local",
        "kubernetesVersion": "v1.36.3",
        "nodes": 2,
        "state": state,
    }


def test_the_list_knows_a_run_that_is_going_on(workspace: Workspace) -> None:
    with workspace.lock("clouder k8s create demo"):
        workspace.journal("begin", command="k8s create")
        assert status.state(workspace) == "new (k8s create running)"


def test_a_torn_journal_is_read_as_far_as_it_goes(workspace: Workspace) -> None:
    workspace.journal("failed", command="k8s create")
    with (workspace.path / "journal.jsonl").open("a") as journal:
        journal.write('{"event": "beg')
    assert status.state(workspace) == "new (k8s create failed)"


def test_a_damaged_cluster_is_listed_and_named(workspace: Workspace) -> None:
    (workspace.path / "cluster.yaml").write_text("name: [")
    [row] = json.loads(run("k8s", "ls", "-o", "json").stdout)
    assert row["state"].startswith("damaged: ")
    result = run("k8s", "status", "demo")
    assert (result.exit_code, str(workspace.path / "cluster.yaml") in result.stderr) == (3, True)


def test_delete_removes_what_half_a_create_left(workspace: Workspace) -> None:
    refused = run("k8s", "delete", "demo")
    assert (refused.exit_code, refused.stderr.splitlines()[1]) == (2, "fix: clouder k8s delete demo --yes")
    assert workspace.path.exists()
    assert run("k8s", "delete", "demo", "--yes").exit_code == 0
    assert list(workspace.path.parent.iterdir()) == []


def test_only_one_works_on_a_cluster(workspace: Workspace) -> None:
    with workspace.lock("clouder k8s create demo"):
        result = run("k8s", "delete", "demo", "--yes")
    assert result.exit_code == 10
    assert "cluster demo is being worked on by `clouder k8s create demo`" in result.stderr
    assert workspace.path.exists()


def test_logs_lists_and_prints_runs(workspace: Workspace) -> None:
    log = workspace.run_log("k8s create")
    log.terraform('{"type": "version"}')
    log.script("demo-master", "echo hello")
    log.close()
    [row] = json.loads(run("k8s", "logs", "demo", "-o", "json").stdout)
    assert (row["number"], row["command"], row["path"]) == (1, "k8s-create", str(log.path))
    for wanted in ("1", "last"):
        printed = run("k8s", "logs", "demo", "--run", wanted).stdout
        assert '==> terraform.jsonl <==\n{"type": "version"}' in printed
        assert f"{log.path}/scripts/demo-master-1.sh" in printed
    for wanted in ("0", "2", "-1", "x", "../../x"):
        assert run("k8s", "logs", "demo", "--run", wanted).exit_code == 4


def test_another_spec_is_refused_field_by_field(workspace: Workspace) -> None:
    result = run("k8s", "create", "demo", "--workers", "5", "--no-criu", "--dry-run")
    assert result.exit_code == 3
    assert result.stderr.splitlines()[:3] == [
        "error: cluster demo exists with another spec",
        "  criu: True is stored, False is asked",
        "  pools.0.desired: 1 is stored, 5 is asked",
    ]
