"""The local module and the workspace against the real engine and the real terraform."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clouder.cluster import open_cluster
from clouder.errors import AccessError, Interrupted, TerraformError
from clouder.steps.machines import CREATE_MACHINES
from clouder.store import home
from clouder.terraform_process import settle
from clouder.workspace import TerraformEvent, Workspace
from tests import tinynodes
from tests.tinynodes import TINY, apply, cluster_name, containers, delete, leftovers, spec_of, volumes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(120)]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The engine is found before CLOUDER_HOME moves: a private one may live in the real home.
    for name, value in tinynodes.engine().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path / "home"))


@pytest.fixture
def name() -> Iterator[str]:
    with cluster_name() as free:
        yield free


def inspect(container: str, template: str) -> str:
    return tinynodes.run("container", "inspect", "--format", template, container)


def test_nodes_have_labels_loopback_ports_fixed_addresses_and_keys(name: str) -> None:
    _, outputs = apply(spec_of(name))
    assert [(host["name"], host["role"], host["pool"]) for host in outputs.hosts] == [
        (f"{name}-master", "master", "control-plane"),
        (f"{name}-node-1", "node", "workers"),
    ]
    assert set(containers(name, all_states=False)) == {f"{name}-lb", f"{name}-master", f"{name}-node-1"}
    for host in outputs.hosts:
        ports = json.loads(inspect(host["name"], "{{json .NetworkSettings.Ports}}"))
        assert ports == {"22/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(host["ssh"]["port"])}]}
        networks = json.loads(inspect(host["name"], "{{json .NetworkSettings.Networks}}"))
        assert networks[f"clouder-{name}"]["IPAddress"] == host["private_ip"]
        labels = json.loads(inspect(host["name"], "{{json .Config.Labels}}"))
        assert (labels["clouder-cluster"], labels["clouder-role"]) == (name, host["role"])
        assert inspect(host["name"], "{{.HostConfig.RestartPolicy.Name}}") == "unless-stopped"
        for path, wanted in {
            "/etc/ssh/ssh_host_ed25519_key": "600 0",
            "/root/.ssh/authorized_keys": "600 0",
            "/root/.ssh": "700 0",
            "/etc/ssh": "755 0",
        }.items():
            assert tinynodes.run("exec", host["name"], "stat", "-c", "%a %u", path) == wanted
        key = tinynodes.run("exec", host["name"], "cat", "/etc/ssh/ssh_host_ed25519_key")
        kept = Workspace.open(name).path / "keys" / "hosts" / host["name"]
        assert key.strip() == kept.read_text().strip()
    lb = json.loads(inspect(f"{name}-lb", "{{json .NetworkSettings.Networks}}"))
    assert outputs.api_endpoint == f"{lb[f'clouder-{name}']['IPAddress']}:6443"
    assert outputs.api_access.startswith("127.0.0.1:")
    assert Workspace.open(name).outputs() == outputs


def test_a_home_may_be_a_relative_path(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOUDER_HOME", "home")
    assert len(apply(spec_of(name, 0))[1].hosts) == 1
    delete(name)
    assert leftovers(name, set()) == []


def test_a_second_plan_is_empty_and_scaling_touches_one_node_alone(name: str) -> None:
    _, before = apply(spec_of(name, 1))
    ids = containers(name)
    assert apply(spec_of(name, 1))[0].empty

    plan, more = apply(spec_of(name, 2))
    assert (plan.creates, plan.updates, plan.replaces, plan.deletes) == ((f"{name}-node-2",), (), (), ())
    assert more.hosts[:2] == before.hosts
    assert {**ids, f"{name}-node-2": containers(name)[f"{name}-node-2"]} == containers(name)

    gone = volumes([f"{name}-node-2"])
    plan, less = apply(spec_of(name, 1))
    assert (plan.creates, plan.updates, plan.replaces, plan.deletes) == ((), (), (), (f"{name}-node-2",))
    assert less == before
    assert containers(name) == ids
    assert gone
    assert leftovers(name, gone) == [*ids, f"clouder-{name}"]


def test_what_a_kill_after_the_apply_left_unsaid_is_told_by_the_next_run(name: str) -> None:
    apply(spec_of(name, 1))
    workspace = Workspace.open(name)
    (workspace.path / "outputs.json").unlink()
    cluster = open_cluster(name)
    with workspace.lock("create"), workspace.run_log("create"):
        made = CREATE_MACHINES.run(cluster, lambda _: None)
    assert [host.name for host in made.inventory.hosts] == [f"{name}-master", f"{name}-node-1"]
    assert workspace.outputs() == made.outputs


def test_delete_leaves_nothing(name: str) -> None:
    apply(spec_of(name))
    had = volumes(list(containers(name)))
    assert len(had) == 6
    delete(name)
    assert leftovers(name, had) == []
    assert list((home() / "clusters").iterdir()) == []


def test_a_removed_worker_is_made_again_with_its_key_and_a_stopped_one_is_started(name: str) -> None:
    _, before = apply(spec_of(name, 2))
    workspace = Workspace.open(name)
    key = workspace.host_key(f"{name}-node-1")
    ids = containers(name)
    tinynodes.run("rm", "--force", "--volumes", f"{name}-node-1")
    tinynodes.run("stop", "--time", "1", f"{name}-node-2", f"{name}-master")

    plan, after = apply(spec_of(name, 2))
    assert plan.replaces == (f"{name}-node-1",)
    assert plan.starts == (f"{name}-master", f"{name}-node-2")
    assert after == before
    assert workspace.host_key(f"{name}-node-1") == key
    now = containers(name, all_states=False)
    assert now.pop(f"{name}-node-1") != ids.pop(f"{name}-node-1")
    assert now == ids


def test_stopped_nodes_alone_need_no_terraform(name: str) -> None:
    apply(spec_of(name))
    tinynodes.run("stop", "--time", "1", f"{name}-node-1")
    plan, _ = apply(spec_of(name))
    assert (plan.empty, plan.for_terraform, plan.starts) == (False, False, (f"{name}-node-1",))
    assert f"{name}-node-1" in containers(name, all_states=False)


def test_a_removed_load_balancer_comes_back_where_it_was(name: str) -> None:
    _, before = apply(spec_of(name))
    ids = containers(name)
    tinynodes.run("rm", "--force", f"{name}-lb")
    plan, after = apply(spec_of(name))
    assert (plan.replaces, plan.creates, plan.deletes) == (("lb", "lb_config"), (), ())
    assert after == before
    now = containers(name, all_states=False)
    assert now.pop(f"{name}-lb") != ids.pop(f"{name}-lb")
    assert now == ids


def test_a_control_plane_that_is_gone_is_replaced_without_asking_only_before_it_was_initialised(
    name: str,
) -> None:
    apply(spec_of(name))
    tinynodes.run("rm", "--force", "--volumes", f"{name}-master")
    assert apply(spec_of(name))[0].replaces == (f"{name}-master",)

    Workspace.open(name).kubeconfig.touch()
    tinynodes.run("rm", "--force", "--volumes", f"{name}-master")
    with pytest.raises(TerraformError, match=f"refused: {name}-master is gone, and the data") as refused:
        apply(spec_of(name))
    assert "clouder k8s delete" in refused.value.fix
    assert f"{name}-master" not in containers(name)
    assert apply(spec_of(name), force=True)[0].replaces == (f"{name}-master",)


def test_a_plan_that_would_replace_a_living_control_plane_is_refused(name: str) -> None:
    apply(spec_of(name))
    ids = containers(name)
    with pytest.raises(TerraformError, match=f"replace {name}-master"):
        apply(spec_of(name, controlPlane={"count": 1, "size": "1x512"}))
    assert containers(name) == ids


def test_a_size_limits_the_node(name: str) -> None:
    apply(spec_of(name, pools=[{"name": "workers", "desired": 1, "size": "1x256"}]))
    assert inspect(f"{name}-node-1", "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}}") == (
        f"{10**9} {256 * 2**20}"
    )
    assert inspect(f"{name}-master", "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}}") == "0 0"


def test_the_load_balancer_follows_the_control_planes_without_a_restart(name: str) -> None:
    _, outputs = apply(spec_of(name))
    started = inspect(f"{name}-lb", "{{.Id}} {{.State.StartedAt}}")
    workspace = Workspace.open(name)
    values = workspace.directory / "terraform.tfvars.json"
    changed = json.loads(values.read_text())
    changed["nodes"][f"{name}-node-1"]["role"] = "master"
    values.write_text(json.dumps(changed))

    workspace.apply(workspace.plan())
    config = tinynodes.run("exec", f"{name}-lb", "cat", "/etc/haproxy/haproxy.cfg")
    wanted = [f"server {host['name']} {host['private_ip']}:6443" for host in outputs.hosts]
    assert [line.strip() for line in config.splitlines() if line.startswith("  server ")] == wanted
    assert inspect(f"{name}-lb", "{{.Id}} {{.State.StartedAt}}") == started
    assert tinynodes.run("logs", f"{name}-lb") == "reloaded"
    assert workspace.outputs() is not None
    assert workspace.outputs().api_endpoint == outputs.api_endpoint  # type: ignore[union-attr]


def test_a_taken_port_is_named_and_the_next_run_takes_another(name: str) -> None:
    workspace = Workspace.create(spec_of(name))
    workspace.prepare(TINY, spec_of(name))
    nodes = json.loads((workspace.directory / "terraform.tfvars.json").read_text())["nodes"]
    port = nodes[f"{name}-node-1"]["ssh_port"]
    with socket.create_server(("127.0.0.1", port)):
        plan = workspace.plan()
        with pytest.raises(
            TerraformError, match=f"{name}-node-1: port {port} on 127.0.0.1 is taken"
        ) as taken:
            workspace.apply(plan)
        assert str(port) in taken.value.fix
        _, outputs = apply(spec_of(name))
    ports = {host["name"]: host["ssh"]["port"] for host in outputs.hosts}
    assert ports == {
        f"{name}-master": nodes[f"{name}-master"]["ssh_port"],
        f"{name}-node-1": port + 1,
    }
    assert apply(spec_of(name))[0].empty


def test_a_taken_network_range_is_named_and_the_next_run_takes_another(name: str) -> None:
    workspace = Workspace.create(spec_of(name))
    workspace.prepare(TINY, spec_of(name))
    before = json.loads((workspace.directory / "terraform.tfvars.json").read_text())["options"]
    plan = workspace.plan()
    tinynodes.run("network", "create", "--subnet", before["network_cidr"], f"{name}-stranger")
    try:
        with pytest.raises(TerraformError, match="network range of the cluster was taken"):
            workspace.apply(plan)
        _, outputs = apply(spec_of(name))
    finally:
        tinynodes.run("network", "rm", f"{name}-stranger")
    assert outputs.api_access != f"127.0.0.1:{before['api_port']}"


def test_two_clusters_share_nothing(name: str) -> None:
    with cluster_name() as other:
        _, first = apply(spec_of(name))
        _, second = apply(spec_of(other))
        taken = [
            {outputs.api_access, outputs.api_endpoint, *(host["private_ip"] for host in outputs.hosts)}
            | {str(host["ssh"]["port"]) for host in outputs.hosts}
            for outputs in (first, second)
        ]
        assert not taken[0] & taken[1]


def test_a_strangers_container_of_the_same_name_is_named_and_left_alone(name: str) -> None:
    stranger = tinynodes.run("create", "--name", f"{name}-node-1", tinynodes.IMAGE)
    try:
        with pytest.raises(TerraformError, match=f"a container named {name}-node-1 exists already"):
            apply(spec_of(name))
        delete(name)
        assert inspect(f"{name}-node-1", "{{.Id}}") == stranger
    finally:
        tinynodes.run("rm", "--force", stranger)


def test_another_homes_cluster_of_the_same_name_is_left_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(spec_of(name))
    ids = containers(name)
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path / "second"))
    with pytest.raises(TerraformError, match=f"a Docker network named clouder-{name} exists already"):
        apply(spec_of(name))
    delete(name)
    assert containers(name) == ids


def test_an_image_that_is_not_there_is_named_before_anything_is_made(name: str) -> None:
    workspace = Workspace.create(spec_of(name))
    workspace.prepare(TINY, spec_of(name))
    values = workspace.directory / "terraform.tfvars.json"
    values.write_text(values.read_text().replace(tinynodes.IMAGE, "clouder-node:none"))
    with pytest.raises(AccessError, match="the node image clouder-node:none is not on this engine"):
        workspace.apply(workspace.plan())
    assert leftovers(name, set()) == []


def test_an_engine_that_goes_away_is_reported(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace.create(spec_of(name))
    workspace.prepare(TINY, spec_of(name))
    plan = workspace.plan()
    monkeypatch.setattr(
        "clouder.workspace.Workspace._provider",
        lambda _: _with_environment({"DOCKER_HOST": "unix:///nonexistent/docker.sock"}),
    )
    with pytest.raises(AccessError, match="the Docker engine does not answer"):
        workspace.apply(plan)


def _with_environment(values: dict[str, str]):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(TINY, environment=lambda _: values)


# Interruptions


def interrupt_at(
    kind: str, word: str, times: int = 1
) -> tuple[list[TerraformEvent], Callable[[TerraformEvent], None]]:
    """Press Ctrl-C when an event of this kind, about this word, comes; the list fills with all events."""
    seen: list[TerraformEvent] = []

    def tell(event: TerraformEvent) -> None:
        seen.append(event)
        presses = sum(1 for item in seen if item.kind == "warning")
        if (presses == 0 and event.kind == kind and word in event.address) or 0 < presses < times:
            os.kill(os.getpid(), signal.SIGINT)

    return seen, tell


def test_ctrl_c_stops_cleanly_and_the_next_run_goes_on(name: str) -> None:
    seen, tell = interrupt_at("apply_complete", "network")
    with pytest.raises(Interrupted, match="terraform apply was stopped"):
        apply(spec_of(name, 3), on_event=tell)
    assert [event.message for event in seen if event.kind == "warning"] == [
        "stopping: terraform finishes what it has begun; this may take a while"
    ]
    workspace = Workspace.open(name)
    state = json.loads((workspace.directory / "terraform.tfstate").read_text())
    assert {item["name"] for item in state["resources"]} >= {"cluster", "network"}
    assert not (workspace.path / "process" / "process.json").exists()

    _, outputs = apply(spec_of(name, 3))
    assert len(outputs.hosts) == 4
    assert len(containers(name, all_states=False)) == 5
    assert apply(spec_of(name, 3))[0].empty


def test_a_second_ctrl_c_warns_and_the_third_kills(name: str) -> None:
    seen, tell = interrupt_at("apply_start", "network", times=3)
    with pytest.raises(Interrupted):
        apply(spec_of(name, 2), on_event=tell)
    assert (Workspace.open(name).path / "process" / "process.json").exists()
    assert [event.message.split(";")[0] for event in seen if event.kind == "warning"] == [
        "stopping: terraform finishes what it has begun",
        "terraform is stopping",
        "terraform was killed",
    ]
    assert len(apply(spec_of(name, 2))[1].hosts) == 3
    had = volumes(list(containers(name)))
    delete(name)
    assert leftovers(name, had) == []


KILLED_RUN = """
import os, signal, sys
from contextlib import suppress
from pathlib import Path
from tests.tinynodes import apply, spec_of
from clouder.workspace import Workspace

def tell(event):
    if event.kind == sys.argv[2] and sys.argv[3] in event.address:
        if sys.argv[4] == "both":
            import json
            record = json.loads((Workspace.open(sys.argv[1]).path / "process" / "process.json").read_text())
            with suppress(ProcessLookupError):  # it was at its end
                os.killpg(record["pid"], signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

apply(spec_of(sys.argv[1], 2), on_event=tell)
"""


def killed_run(name: str, kind: str, word: str, who: str) -> None:
    """A run in a process of its own that kills itself, or terraform as well, at an event."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED_RUN, name, kind, word, who],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_after_a_kill_the_next_run_waits_for_the_terraform_that_still_works(name: str) -> None:
    killed_run(name, "apply_start", "terraform_data.cluster", "clouder alone")
    record = Workspace.open(name).path / "process" / "process.json"
    pid = json.loads(record.read_text())["pid"]
    os.kill(pid, signal.SIGSTOP)
    events: list[TerraformEvent] = []

    def tell(event: TerraformEvent) -> None:
        events.append(event)
        if event.kind == "waiting":
            os.kill(pid, signal.SIGCONT)

    plan, outputs = apply(spec_of(name, 2), on_event=tell)
    assert events[0].kind == "waiting"
    assert f"pid {pid}" in events[0].message
    assert plan.empty  # the terraform that was left alone did it all, and wrote it down
    assert len(outputs.hosts) == 3
    assert len(containers(name, all_states=False)) == 4


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("version", ""),
        ("apply_start", "terraform_data.cluster"),
        ("apply_start", "network"),
        ("apply_complete", "network"),
        ("apply_start", "node"),
        ("provision_start", "node"),
        ("apply_complete", "node"),
        ("apply_start", "lb_config"),
        ("apply_complete", "lb_config"),
    ],
)
@pytest.mark.parametrize("then", ["create", "delete"])
def test_after_a_kill_of_everything_one_run_converges(name: str, kind: str, word: str, then: str) -> None:
    killed_run(name, kind, word, "both")
    had = volumes(list(containers(name)))
    if then == "create":
        _, outputs = apply(spec_of(name, 2))
        assert len(outputs.hosts) == 3
        assert set(containers(name, all_states=False)) == set(containers(name))
        assert len(containers(name)) == 4
        assert apply(spec_of(name, 2))[0].empty
        had |= volumes(list(containers(name)))
    delete(name)
    assert leftovers(name, had) == []
    assert Workspace.names() == []


def cut_state(name: str) -> None:
    path = Workspace.open(name).directory / "terraform.tfstate"
    path.write_bytes(path.read_bytes()[:1000])


def test_delete_finds_everything_without_a_state(name: str) -> None:
    apply(spec_of(name))
    had = volumes(list(containers(name)))
    cut_state(name)
    delete(name)
    assert leftovers(name, had) == []


def test_a_state_that_was_cut_off_while_scaling_costs_the_new_node_alone(name: str) -> None:
    apply(spec_of(name, 1))
    Workspace.open(name).kubeconfig.touch()
    ids = containers(name)
    apply(spec_of(name, 2))
    cut_state(name)
    plan, outputs = apply(spec_of(name, 2))
    assert (plan.creates, plan.replaces, plan.deletes) == ((f"{name}-node-2",), (), ())
    assert len(outputs.hosts) == 3
    now = containers(name, all_states=False)
    now.pop(f"{name}-node-2")
    assert now == ids


def test_a_lost_state_never_costs_an_initialised_cluster(name: str) -> None:
    apply(spec_of(name))
    Workspace.open(name).kubeconfig.touch()
    ids = containers(name)
    (Workspace.open(name).directory / "terraform.tfstate").unlink()
    with pytest.raises(TerraformError, match=f"state does not hold {name}-master any more"):
        apply(spec_of(name))
    assert containers(name, all_states=False) == ids


def test_waiting_for_an_orphan_ends_with_ctrl_c(tmp_path: Path) -> None:
    from clouder.terraform_process import Process

    process = Process(["sleep", "60"], cwd=tmp_path, environment=os.environ, folder=tmp_path / "process")
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        with pytest.raises(Interrupted, match="which goes on"):
            settle(tmp_path / "process", lambda _: None)
        assert process.exit_code is None
    finally:
        process.kill()
        process.wait_a_moment()


def test_cancel_from_another_thread_stops_cleanly(name: str) -> None:
    spec = spec_of(name, 2)
    workspace = Workspace.create(spec)
    workspace.prepare(TINY, spec)
    plan = workspace.plan()

    def tell(event: TerraformEvent) -> None:
        if event.kind == "apply_complete" and "network" in event.address:
            thread = threading.Thread(target=workspace.cancel)
            thread.start()
            thread.join()

    with pytest.raises(Interrupted):
        workspace.apply(plan, on_event=tell)


def test_a_failure_to_tell_stops_terraform_first(name: str) -> None:
    spec = spec_of(name, 2)
    workspace = Workspace.create(spec)
    workspace.prepare(TINY, spec)
    plan = workspace.plan()

    def tell(event: TerraformEvent) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        workspace.apply(plan, on_event=tell)
    assert not (workspace.path / "process" / "process.json").exists()
    assert len(apply(spec)[1].hosts) == 3


def test_output_that_is_taken_away_ends_the_run_when_terraform_ends(name: str) -> None:
    spec = spec_of(name)
    workspace = Workspace.create(spec)
    workspace.prepare(TINY, spec)
    plan = workspace.plan()
    with pytest.raises(FileNotFoundError):
        workspace.apply(plan, on_event=lambda _: (workspace.path / "process" / "stdout").unlink())


# Files


def test_no_file_has_group_or_other_bits_whatever_the_umask(name: str) -> None:
    before = os.umask(0)
    try:
        apply(spec_of(name))
    finally:
        os.umask(before)
    open_ones = [
        str(path)
        for path in [home(), *home().rglob("*")]
        if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    assert open_ones == []


def test_private_keys_stand_in_the_keys_folder_alone_and_in_no_argument(name: str) -> None:
    arguments: set[str] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.01):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    arguments.add(path.read_text(errors="replace"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        apply(spec_of(name))
    finally:
        stop.set()
        watcher.join()
    workspace = Workspace.open(name)
    secrets = [
        line
        for path in (workspace.path / "keys").rglob("*")
        if path.is_file() and path.suffix != ".pub"
        for line in path.read_text().splitlines()
        # The first line of every OpenSSH key says the same: its form and its cipher.
        if not line.startswith(("-----", "b3BlbnNzaC1rZXktdjEA"))
    ]
    assert len(secrets) >= 9
    elsewhere = [path for path in workspace.path.rglob("*") if path.is_file() and "keys" not in path.parts]
    assert any("terraform.tfstate" in path.name for path in elsewhere)
    for secret in secrets:
        assert [path for path in elsewhere if secret in path.read_text(errors="replace")] == []
        assert [line for line in arguments if secret in line] == []
    assert any("node-files.sh" in line for line in arguments)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small tmpfs, which root alone may")
@pytest.mark.parametrize("kilobytes", [8, 64, 128, 160])
def test_a_full_disk_is_said_and_more_space_heals(
    name: str, kilobytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(small)], check=True)
    try:
        monkeypatch.setenv("CLOUDER_HOME", str(small / "home"))
        with pytest.raises(AccessError, match=r"the disk is full|No space left on device"):
            apply(spec_of(name))
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        assert len(apply(spec_of(name))[1].hosts) == 2
        had = volumes(list(containers(name)))
        delete(name)
        assert leftovers(name, had) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize("command", [["fmt", "-check", "-recursive"], ["validate"]])
def test_the_directory_is_formatted_and_valid(name: str, command: list[str]) -> None:
    workspace = Workspace.create(spec_of(name))
    workspace.prepare(TINY, spec_of(name))
    subprocess.run(
        ["terraform", "init", "-backend=false"], cwd=workspace.directory, check=True, capture_output=True
    )
    subprocess.run(["terraform", *command], cwd=workspace.directory, check=True)


def test_rendering_again_changes_no_file(name: str) -> None:
    spec = spec_of(name)
    workspace = Workspace.create(spec)
    workspace.prepare(TINY, spec)
    stale = workspace.directory / "modules" / "local" / "old.tf"
    before = {path: path.stat().st_mtime_ns for path in workspace.directory.rglob("*") if path.is_file()}
    stale.write_text("")
    workspace.prepare(TINY, spec)
    assert before == {
        path: path.stat().st_mtime_ns for path in workspace.directory.rglob("*") if path.is_file()
    }


# The binary


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("Terraform v1.4.6", "is v1.4.6, which is too old"),
        ("OpenTofu", "does not say its version"),
    ],
)
def test_a_useless_terraform_is_refused(
    says: str, told: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "terraform"
    fake.write_text(f"#!/bin/sh\necho '{says}'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("CLOUDER_TERRAFORM", str(fake))
    with pytest.raises(AccessError, match=told) as refused:
        apply(spec_of(name))
    assert "1.5 or newer" in refused.value.fix


def test_a_missing_terraform_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDER_TERRAFORM", "terraform-that-is-not-there")
    with pytest.raises(AccessError, match="terraform-that-is-not-there is not installed"):
        apply(spec_of(name))


def test_a_typing_error_runs_no_terraform(tmp_path: Path) -> None:
    from clouder.terraform import Terraform

    terraform = Terraform(tmp_path, folder=tmp_path / "process", environment={})
    with pytest.raises(AttributeError):
        terraform.state_list()
