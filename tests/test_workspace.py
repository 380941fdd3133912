"""The directory of a cluster: finding, making, locking and removing it; terraform in plain words."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from clouder import plan, terraform_process
from clouder.errors import (
    Aborted,
    AccessError,
    NotFoundError,
    RemoteError,
    SpecError,
    TerraformError,
    UsageError,
)
from clouder.plan import Change, Plan
from clouder.providers.local import LOCAL
from clouder.providers.local_errors import FAULTS
from clouder.spec import parse
from clouder.store import home
from clouder.terraform import clean_environment
from clouder.terraform_dir import heal_state
from clouder.terraform_errors import Diagnostic, explain, node_of
from clouder.terraform_process import forget_unfinished, settle, unfinished, was_cut_off
from clouder.workspace import Outputs, Workspace


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path / "home"))


def spec_of(name: str = "demo", workers: int = 1) -> Any:
    return parse({"name": name, "pools": [{"name": "workers", "desired": workers}]})


def test_a_new_workspace_holds_the_spec_and_is_found_by_name() -> None:
    assert Workspace.names() == []
    workspace = Workspace.create(spec_of())
    Workspace.create(spec_of("another"))
    assert workspace.path == home() / "clusters" / "demo"
    assert [path.name for path in workspace.path.iterdir()] == ["cluster.yaml"]
    assert Workspace.names() == ["another", "demo"]
    assert Workspace.open("demo").spec() == spec_of()
    Workspace.open("demo").save_spec(spec_of(workers=3))
    assert workspace.spec() == spec_of(workers=3)


def test_a_name_that_is_taken_is_refused_and_the_spec_stays() -> None:
    workspace = Workspace.create(spec_of())
    with pytest.raises(UsageError, match="there is a cluster demo already") as refused:
        Workspace.create(spec_of(workers=9))
    assert "clouder k8s status demo" in refused.value.fix
    assert workspace.spec() == spec_of()
    assert [path.name for path in workspace.path.iterdir()] == ["cluster.yaml"]


@pytest.mark.parametrize("name", ["missing", "..", "../demo", "demo/", "", "Demo", "demo\n", ".removed-demo"])
def test_a_cluster_that_does_not_exist_is_told_with_those_that_do(name: str) -> None:
    Workspace.create(spec_of())
    with pytest.raises(NotFoundError, match="there are: demo"):
        Workspace.open(name)


def test_without_any_cluster_the_message_says_so() -> None:
    with pytest.raises(NotFoundError, match="there is no cluster 'demo'; there are: none yet"):
        Workspace.open("demo")


def test_a_symbolic_link_is_no_workspace(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (home() / "clusters").mkdir(parents=True)
    (home() / "clusters" / "demo").symlink_to(elsewhere)
    with pytest.raises(AccessError, match="symbolic link"):
        Workspace.create(spec_of())
    (elsewhere / "cluster.yaml").write_text("name: demo")
    with pytest.raises(AccessError, match="symbolic link"):
        Workspace.open("demo")


def test_a_damaged_spec_is_named() -> None:
    workspace = Workspace.create(spec_of())
    (workspace.path / "cluster.yaml").write_text("name: [")
    with pytest.raises(SpecError, match=r"demo/cluster\.yaml"):
        workspace.spec()


def test_a_home_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(AccessError, match="cannot write") as refused:
        Workspace.create(spec_of())
    assert "CLOUDER_HOME" in refused.value.fix


def test_the_second_worker_on_a_cluster_learns_who_is_first_and_other_clusters_are_free() -> None:
    demo, other = Workspace.create(spec_of()), Workspace.create(spec_of("other"))
    told = "cluster demo is being worked on by `clouder k8s create demo`"
    with (
        demo.lock("clouder k8s create demo"),
        other.lock("clouder k8s create other"),
        pytest.raises(Aborted, match=told),
    ):
        demo.lock("clouder k8s delete demo").__enter__()
    with demo.lock("clouder k8s delete demo"):
        pass


def test_host_keys_are_made_once_for_each_node_and_names_cannot_lead_away() -> None:
    workspace = Workspace.create(spec_of())
    with pytest.raises(NotFoundError, match="no host key of demo-master is pinned yet"):
        workspace.host_key("demo-master")
    workspace.prepare(LOCAL, spec_of())
    first = workspace.host_key("demo-master")
    assert first.startswith("ssh-ed25519 ")
    workspace.prepare(LOCAL, spec_of())
    assert workspace.host_key("demo-master") == first
    assert workspace.host_key("demo-node-1") != first
    for name in ("../../ssh_key", "a/b", "", "-x"):
        with pytest.raises(NotFoundError, match="is not the name of a node"):
            workspace.host_key(name)


def test_the_log_of_a_run_and_the_journal_know_the_keys() -> None:
    workspace = Workspace.create(spec_of())
    workspace.prepare(LOCAL, spec_of())
    secret = (workspace.path / "keys" / "hosts" / "demo-master").read_text().splitlines()[2]
    workspace.journal("early")
    with workspace.run_log("k8s create") as log:
        workspace.journal("begin", command="k8s create", leak=secret)
        log.terraform(secret)
    lines = [json.loads(line) for line in (workspace.path / "journal.jsonl").read_text().splitlines()]
    assert [(line["event"], line.get("leak")) for line in lines] == [("early", None), ("begin", "***")]
    assert (log.path / "terraform.jsonl").read_text() == "***\n"


ADMIN_CONF = """
apiVersion: v1
kind: Config
clusters: [{name: kubernetes, cluster: {certificate-authority-data: Q0E=, server: "https://10.213.0.2:6443"}}]
users: [{name: kubernetes-admin, user: {client-certificate-data: Q0VSVA==, client-key-data: S0VZ}}]
contexts: [{name: kubernetes-admin@kubernetes, context: {cluster: kubernetes, user: kubernetes-admin}}]
current-context: kubernetes-admin@kubernetes
"""


def test_the_kubeconfig_reaches_the_api_from_here_under_names_of_its_own() -> None:
    workspace = Workspace.create(spec_of())
    workspace.save_kubeconfig(ADMIN_CONF, "127.0.0.1:20000")
    config = yaml.safe_load(workspace.kubeconfig.read_text())
    assert config["clusters"] == [
        {
            "name": "clouder-demo",
            "cluster": {"certificate-authority-data": "Q0E=", "server": "https://127.0.0.1:20000"},
        }
    ]
    assert config["contexts"] == [
        {"name": "clouder-demo", "context": {"cluster": "clouder-demo", "user": "clouder-demo"}}
    ]
    assert config["users"][0]["name"] == config["current-context"] == "clouder-demo"
    assert workspace.admin_conf.read_text() == ADMIN_CONF
    assert stat.S_IMODE(workspace.kubeconfig.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["clusters: []\nusers: []", "a: 1", "clusters: {}\nusers: {}"])
def test_what_is_no_admin_conf_is_refused(text: str) -> None:
    workspace = Workspace.create(spec_of())
    with pytest.raises(RemoteError, match="not a kubeconfig"):
        workspace.save_kubeconfig(text, "127.0.0.1:20000")
    assert not workspace.kubeconfig.exists()


def test_a_workspace_without_machines_can_be_destroyed_and_removed() -> None:
    from clouder.providers import PROVIDERS

    workspace = Workspace.create(spec_of())
    with workspace.lock("clouder k8s delete demo"):
        workspace.destroy(PROVIDERS["local"])
        workspace.remove()
    assert Workspace.names() == []
    assert list((home() / "clusters").iterdir()) == []


def test_a_removal_that_was_killed_is_finished_by_the_next(tmp_path: Path) -> None:
    left = home() / "clusters" / f".removed-old-{os.getpid()}"
    (left / "keys").mkdir(parents=True)
    (left / "cluster.yaml").touch()
    assert Workspace.names() == []
    Workspace.create(spec_of()).remove()
    assert list((home() / "clusters").iterdir()) == []


def test_there_are_no_outputs_before_the_first_apply() -> None:
    assert Workspace.create(spec_of()).outputs() is None


# Plans

MASTER, WORKER = (
    'module.cluster.terraform_data.node["demo-master"]',
    'module.cluster.terraform_data.node["demo-node-1"]',
)


def shown(*changes: tuple[str, list[str], str], outputs: str = "no-op") -> dict[str, Any]:
    return {
        "resource_changes": [
            {"address": address, "change": {"actions": actions}, "action_reason": reason}
            for address, actions, reason in changes
        ],
        "output_changes": {"hosts": {"actions": [outputs]}},
    }


@pytest.mark.parametrize(
    ("given", "starts", "wanted"),
    [
        (shown(), (), {"empty": True, "for_terraform": False}),
        (shown((WORKER, ["no-op"], ""), (MASTER, ["read"], "")), (), {"empty": True}),
        (shown((WORKER, ["create"], "")), (), {"creates": ("demo-node-1",), "empty": False}),
        (shown((WORKER, ["delete", "create"], "")), (), {"replaces": ("demo-node-1",)}),
        (shown((WORKER, ["create", "delete"], "")), (), {"replaces": ("demo-node-1",)}),
        (shown((WORKER, ["delete"], "")), ("demo-node-1", "demo-master"), {"starts": ("demo-master",)}),
        (shown((WORKER, ["update"], "")), (), {"updates": ("demo-node-1",), "for_terraform": True}),
        (shown(outputs="update"), (), {"empty": False, "for_terraform": True}),
        (shown(), ("demo-master",), {"empty": False, "for_terraform": False}),
    ],
)
def test_a_plan_is_read(given: dict[str, Any], starts: tuple[str, ...], wanted: dict[str, Any]) -> None:
    made = plan.read(Path("plan"), given, starts=starts)
    assert {name: getattr(made, name) for name in wanted} == wanted


LB, NETWORK = "module.cluster.terraform_data.lb", "module.cluster.terraform_data.network"


@pytest.mark.parametrize(
    ("address", "action", "reason", "initialised", "refused"),
    [
        (WORKER, "delete", "", True, False),
        (WORKER, "replace", "", True, False),
        (MASTER, "create", "", False, False),
        (MASTER, "create", "", True, True),  # Terraform has forgotten it
        (MASTER, "update", "", True, False),
        (MASTER, "delete", "", False, True),
        (MASTER, "replace", "", False, True),
        (MASTER, "replace", "replace_by_triggers", False, True),
        (MASTER, "replace", "replace_because_tainted", True, False),  # it never came to be
        (MASTER, "replace", "replace_by_request", False, False),  # it is gone, and was empty
        (MASTER, "replace", "replace_by_request", True, True),  # it is gone, and etcd with it
        (LB, "delete", "", False, True),
        (LB, "replace", "", False, True),
        (LB, "replace", "replace_by_request", True, False),
        (NETWORK, "replace", "", False, True),
        ("module.cluster.terraform_data.lb_config", "replace", "", True, False),
    ],
)
def test_a_plan_that_loses_the_cluster_is_refused(
    address: str, action: Any, reason: str, initialised: bool, refused: bool
) -> None:
    made = Plan(Path("plan"), (Change(address, node_of(address), action, reason),))
    names = {"demo-master"}
    facts: dict[str, Any] = {"control_planes": names, "living": names, "initialised": initialised}
    plan.check(made, **facts, force=True)
    if not refused:
        plan.check(made, **facts, force=False)
        return
    name = node_of(address)
    told = f"state does not hold {name}" if action == "create" else f"the plan would {action} {name}"
    if reason == "replace_by_request":
        told = f"{name} is gone"
    with pytest.raises(TerraformError, match=f"refused: .*{told}") as error:
        plan.check(made, **facts, force=False)
    assert "delete" in error.value.fix


def test_what_a_killed_terraform_began_and_did_not_finish_is_known(tmp_path: Path) -> None:
    events = [
        ("apply_start", "a", "create"),
        ("apply_start", "b", "create"),
        ("apply_start", "c", "create"),
        ("apply_start", "d", "update"),
        ("apply_start", "e", "delete"),
        ("provision_start", "f", ""),
        ("apply_complete", "a", "create"),
        ("apply_errored", "b", "create"),
    ]
    lines = [
        json.dumps({"type": kind, "hook": {"resource": {"addr": address}, "action": action}})
        for kind, address, action in events
    ]
    (tmp_path / "stdout").write_text(
        "\n".join([*lines, "text", "[]", '{"type": "log"}', '{"type": "apply_st'])
    )
    settle(tmp_path, pytest.fail)
    assert unfinished(tmp_path) == []  # no record: nothing was killed
    assert not was_cut_off(tmp_path)
    (tmp_path / "process.json").write_text('{"pid": 1, "start": "0", "command": "apply"}')
    settle(tmp_path, pytest.fail)
    (tmp_path / "stdout").unlink()
    settle(tmp_path, pytest.fail)
    assert unfinished(tmp_path) == ["c"]
    forget_unfinished(tmp_path)
    assert unfinished(tmp_path) == []
    assert not was_cut_off(tmp_path)


@pytest.mark.parametrize(("seconds", "patience"), [(0.5, 60), (1000, 0.2)])
def test_what_a_killed_terraform_left_running_is_waited_for_or_killed(
    seconds: float, patience: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terraform_process, "PLUGIN_SECONDS", patience)
    left = f"(sleep {seconds}; touch made) &"
    done = subprocess.Popen(["sh", "-c", left], cwd=tmp_path, start_new_session=True)
    done.wait()
    record = {"pid": done.pid, "start": "0", "command": "apply"}
    (tmp_path / "process.json").write_text(json.dumps(record))
    settle(tmp_path, pytest.fail)
    assert (tmp_path / "made").exists() == (seconds < patience)
    assert terraform_process._members(done.pid, tmp_path) == set()


def test_one_that_was_killed_may_have_lost_what_it_said_was_done(tmp_path: Path) -> None:
    lines = [
        json.dumps({"type": kind, "hook": {"resource": {"addr": "a"}, "action": "create"}})
        for kind in ("apply_start", "apply_complete")
    ]
    (tmp_path / "stdout").write_text("\n".join(lines))
    (tmp_path / "process.json").write_text('{"pid": 1, "start": "0", "command": "apply"}')
    settle(tmp_path, pytest.fail)
    assert unfinished(tmp_path) == []
    assert was_cut_off(tmp_path)


def test_a_control_plane_that_left_the_spec_is_still_protected() -> None:
    workspace = Workspace.create(spec_of())
    host = {"name": "demo-master-2", "role": "master"}
    saved = Outputs((host,), "10.213.0.2:6443", "127.0.0.1:20000", {})
    (workspace.path / "outputs.json").write_text(json.dumps(saved.__dict__))
    assert workspace.outputs() == saved
    address = 'module.cluster.terraform_data.node["demo-master-2"]'
    with pytest.raises(TerraformError, match="delete demo-master-2"):
        workspace.check(Plan(Path("plan"), (Change(address, "demo-master-2", "delete"),)))


WHOLE = '{"version": 4, "serial": 1}'
OLDER = '{"version": 4, "serial": 0}'


@pytest.mark.parametrize(
    ("state", "backup", "healed"),
    [
        (None, None, None),
        (None, OLDER, None),  # destroyed, or never applied
        (WHOLE, OLDER, WHOLE),
        ("", OLDER, OLDER),
        (WHOLE[:9], OLDER, OLDER),
        ("\0" * 9, OLDER, OLDER),
        ("", None, None),
        ("", "", None),
    ],
)
def test_a_state_that_was_cut_off_is_put_back(
    state: str | None, backup: str | None, healed: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "terraform.tfstate"
    for file, text in ((path, state), (tmp_path / "terraform.tfstate.backup", backup)):
        if text is not None:
            file.write_text(text)
    heal_state(tmp_path)
    assert (path.read_text() if path.exists() else None) == healed


# Terraform's surroundings


def test_what_would_change_the_run_of_terraform_does_not_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "terraform.rc"
    for name in ("TF_CLI_ARGS", "TF_CLI_ARGS_plan", "TF_WORKSPACE", "TF_DATA_DIR", "TF_VAR_region"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(config))
    assert {name for name in clean_environment({}) if name.startswith("TF_")} == {
        "TF_IN_AUTOMATION",
        "TF_INPUT",
    }
    config.touch()
    assert clean_environment({"TF_VAR_x": "1"}).keys() >= {"TF_CLI_CONFIG_FILE", "TF_VAR_x"}


# Terraform's words


@pytest.mark.parametrize(
    ("summary", "detail", "kind", "told", "fix"),
    [
        (
            "local-exec provisioner error",
            "Output: Bind for 127.0.0.1:20002 failed: port is already allocated\n",
            TerraformError,
            "demo-node-1: port 20002 on 127.0.0.1 is taken by another program",
            "20002",
        ),
        (
            "local-exec provisioner error",
            "Error starting userland proxy: listen tcp4 127.0.0.1:20002: bind: address already in use",
            TerraformError,
            "demo-node-1: port 20002 on 127.0.0.1 is taken by another program",
            "another port",
        ),
        (
            "local-exec provisioner error",
            "Output: Error response from daemon: Pool overlaps with other one on this address space",
            TerraformError,
            "demo-node-1: the network range of the cluster was taken by another Docker network just now",
            "another range",
        ),
        (
            "Failed to persist state",
            "write terraform.tfstate: no space left on device",
            AccessError,
            "demo-node-1: the disk is full",
            "free some space",
        ),
        (
            "Error acquiring the state lock",
            "resource temporarily unavailable",
            TerraformError,
            "the state of the cluster is locked",
            "wait",
        ),
        (
            "local-exec provisioner error",
            "Output: Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?",
            AccessError,
            "demo-node-1: the Docker engine does not answer",
            "systemctl start docker",
        ),
        (
            "local-exec provisioner error",
            "Output: Got permission denied while trying to connect to the Docker daemon socket",
            AccessError,
            "demo-node-1: you may not use Docker's socket",
            "usermod",
        ),
        (
            "local-exec provisioner error",
            "Error running command 'x': exit status 1. Output: clouder: something of our own\n\n",
            TerraformError,
            "demo-node-1: something of our own",
            "again",
        ),
        (
            "Unsupported attribute",
            "There is none.",
            TerraformError,
            "demo-node-1: Unsupported attribute",
            "again",
        ),
    ],
)
def test_a_diagnostic_becomes_a_cause_and_a_fix(
    summary: str, detail: str, kind: type[Exception], told: str, fix: str
) -> None:
    error = explain([Diagnostic(summary, detail, WORKER)], FAULTS)
    assert type(error) is kind
    assert error.message == told
    assert fix in error.fix
    assert detail in error.details


def test_a_known_cause_is_told_before_the_first_one() -> None:
    unknown = Diagnostic("Unsupported attribute", "", MASTER)
    full = Diagnostic("x", "no space left on device", "")
    assert explain([unknown, full]).message == "the disk is full"
    assert explain([unknown, unknown]).message == "demo-master: Unsupported attribute"


@pytest.mark.parametrize(
    ("address", "name"),
    [(WORKER, "demo-node-1"), (LB, "lb"), ('module.cluster.aws_instance.node["a-1"]', "a-1"), ("x", "x")],
)
def test_an_address_is_about_a_node_or_a_thing(address: str, name: str) -> None:
    assert node_of(address) == name
