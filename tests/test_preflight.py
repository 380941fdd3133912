"""What must hold before anything is installed: a table of faults, and that a fault stops all hosts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clouder import engine
from clouder.errors import ConnectionFailed, RemoteError
from clouder.preflight import judge
from clouder.runlog import RunLog
from clouder.step import Check, Event, Fault, Step, Target, Todo, Workflow
from tests.sshd import Sshd
from tests.test_engine import OK, Script, Site
from tests.test_steps import _bundle, cluster  # noqa: F401 (the fixture gives every cluster a bundle)

if TYPE_CHECKING:
    from collections.abc import Mapping

MASTER, NODE = "demo-master", "demo-node-1"
FINE = {
    "os": "debian-13",
    "arch": "x86_64",
    "clock_off": "0",
    "cpus": "2",
    "memory": "1700",
    "disk": "5120",
}
FRESH = Todo({name: frozenset({"packages", "init"}) for name in (MASTER, NODE)})
PREPARED = Todo({name: frozenset({"init"}) for name in (MASTER, NODE)})
FINISHED = Todo({MASTER: frozenset(), NODE: frozenset()})


def judged(todo: Todo, **facts: Mapping[str, str]) -> list[Fault]:
    """What is told where `master` and `node` say other things than what is fine."""
    here = cluster()
    targets = []
    for name, key in ((MASTER, "master"), (NODE, "node")):
        unique = {"machine_id": f"id-{name}", "hostname": name, "mac": f"mac-{name}"}
        targets.append(Target(here, here.inventory.get(name), {**FINE, **unique, **facts.get(key, {})}))
    return judge(tuple(targets), todo)


def test_what_is_just_enough_is_fine() -> None:
    assert judged(FRESH, node={"cpus": "1", "memory": "900", "clock_off": "-30"}) == []


FAULTS: list[tuple[dict[str, dict[str, str]], str]] = [
    ({"node": {"os": "debian-12"}}, f"{NODE} runs debian-12; the bundle is for Debian 13"),
    ({"master": {"os": "ubuntu-24.04"}}, f"{MASTER} runs ubuntu-24.04; the bundle is for Debian 13"),
    ({"node": {"arch": "aarch64"}}, f"{NODE} is arm64; the bundle is for amd64"),
    ({"node": {"arch": "riscv64"}}, f"{NODE} is riscv64; the bundle is for amd64"),
    ({"node": {"clock_off": "60"}}, f"the clock of {NODE} is 60 s ahead of this machine's"),
    ({"node": {"clock_off": "-31"}}, f"the clock of {NODE} is 31 s behind this machine's"),
    ({"master": {"cpus": "1"}}, f"{MASTER} has 1 CPU; a control plane needs 2"),
    ({"master": {"memory": "1699"}}, f"{MASTER} has 1699 MiB of memory; a control plane needs 1700"),
    ({"node": {"disk": "5119"}}, f"{NODE} has 5119 MiB free in /var/lib; 5120 are needed"),
    (
        {"master": {"machine_id": "7"}, "node": {"machine_id": "7"}},
        f"{NODE} has the same machine-id as {MASTER}: 7",
    ),
    (
        {"master": {"hostname": "debian"}, "node": {"hostname": "debian"}},
        f"{NODE} has the same hostname as {MASTER}: debian",
    ),
    (
        {"master": {"mac": "00:11"}, "node": {"mac": "00:11"}},
        f"{NODE} has the same MAC address as {MASTER}: 00:11",
    ),
]


@pytest.mark.parametrize(("facts", "told"), FAULTS)
def test_what_is_wrong_is_told_in_one_line(facts: dict[str, dict[str, str]], told: str) -> None:
    [fault] = judged(FRESH, **facts)
    assert fault.problem == told
    assert fault.fix
    assert "\n" not in fault.problem + fault.fix


@pytest.mark.parametrize(("facts", "told"), FAULTS)
def test_a_finished_machine_is_let_be(facts: dict[str, dict[str, str]], told: str) -> None:
    assert judged(FINISHED, **facts) == []


def test_the_disk_counts_before_the_packages_alone() -> None:
    assert judged(PREPARED, node={"disk": "10"}) == []


def test_a_machine_without_a_default_route_has_no_double() -> None:
    assert judged(FRESH, master={"mac": ""}, node={"mac": ""}) == []


# The engine


def refuse(targets: tuple[Target, ...], _: Todo) -> list[Fault]:
    return [
        Fault(target.host.name, f"{target.host.name} is round", "make it square") for target in targets[1:]
    ]


def run(site: Site, check: Check, folder: Path, text: str) -> list[Event]:
    events: list[Event] = []
    work: list[Check | Step] = [check, Script("work", "Work", lambda _: site.inventory.hosts, text=text)]
    log = RunLog(folder / "run-log")
    engine.run(site, Workflow("w", tuple(work)), report=events.append, log=log, patience=2)  # type: ignore[arg-type]
    return events


@pytest.fixture
def site(tmp_path: Path) -> Any:
    with Sshd(tmp_path, ("127.0.0.1", "127.0.0.2")) as server:
        yield Site(server)


def ran(site: Site) -> list[bool]:
    return [(site.sshd.run_dir(index) / "steps" / "work").exists() for index in range(2)]


def test_one_fault_stops_all_hosts_before_the_first_step(site: Site, tmp_path: Path) -> None:
    with pytest.raises(RemoteError) as refused:
        run(site, Check("check", "Look", refuse), tmp_path, OK)
    assert refused.value.message == "nothing was changed on the machines\nnode-2 is round; make it square"
    assert refused.value.fix == "mend it and go on with: clouder kubeadm setup demo"
    assert ran(site) == [False, False]


def test_without_a_fault_it_is_told_once_and_the_steps_run(site: Site, tmp_path: Path) -> None:
    events = run(site, Check("check", "Look", lambda targets, todo: []), tmp_path, OK)
    assert [event.state for event in events if event.step == "check"] == ["ok"]
    assert ran(site) == [True, True]


@pytest.mark.parametrize("installed", [False, True])
def test_a_host_that_is_off_stops_the_others_only_while_nothing_is_installed(
    installed: bool, tmp_path: Path
) -> None:
    text = OK if not installed else OK.replace("[ -e ../../done-$STEP ]", "true")
    with Sshd(tmp_path, ("127.0.0.1", "127.0.0.2")) as server:
        site = Site(server)
        if installed:
            run(site, Check("check", "Look", lambda targets, todo: []), tmp_path, text)
        off = Site(server)
        object.__setattr__(off, "sshd", _WithDeadHost(server))
        with pytest.raises(ConnectionFailed) as failed:
            run(off, Check("check", "Look", lambda targets, todo: []), tmp_path, text)
        assert ("nothing was changed on the machines" in failed.value.message) is not installed
        assert ran(site) == [installed, installed]


class _WithDeadHost:
    """The same sshd, but nobody listens where its second host is said to be."""

    def __init__(self, server: Sshd) -> None:
        from dataclasses import replace

        first, second = server.hosts
        self.hosts = (first, replace(second, ssh=replace(second.ssh, port=1)))
        self.key_file, self.host_key = server.key_file, server.host_key
