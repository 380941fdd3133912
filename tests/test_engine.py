"""The engine against real sshds: lanes, markers, failures, outputs, redaction."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from clouder import connections, engine
from clouder.connections import Connections
from clouder.errors import ClouderError, ConnectionFailed, RemoteError
from clouder.inventory import Host, Inventory
from clouder.lanes import Lanes
from clouder.runlog import RunLog
from clouder.step import Action, Event, Step, Workflow
from clouder.survey import survey
from tests.sshd import Sshd

OK = "probe() { [ -e ../../done-$STEP ]; }\napply() { :; }\nverify() { :; }\n"


@dataclass(frozen=True)
class Script(Step):
    """A step whose script stands in the test."""

    text: str = ""

    def script(self) -> bytes:
        return self.text.encode()


@dataclass(frozen=True)
class Site:
    """What the engine needs of a cluster: hosts, and how to reach them."""

    sshd: Sshd
    name: str = "demo"

    @property
    def inventory(self) -> Inventory:
        first, *others = self.sshd.hosts
        return Inventory((Host(**{**vars(first), "role": "master"}), *others))

    @property
    def workspace(self) -> Any:
        return self

    @property
    def key_file(self) -> Path:
        return self.sshd.key_file

    def host_key(self, _: str) -> str:
        return self.sshd.host_key


@dataclass
class Runner:
    site: Site
    log: RunLog
    events: list[Event] = field(default_factory=list)

    def run(self, *parts: Step | Action) -> None:
        self.events.clear()
        engine.run(self.site, Workflow("test", parts), report=self.events.append, log=self.log)  # type: ignore[arg-type]

    def states(self, step: str) -> dict[str, str]:
        return {event.host: event.state for event in self.events if event.step == step}

    def order(self, state: str) -> list[tuple[str, str]]:
        return [(event.host, event.step) for event in self.events if event.state == state]


@pytest.fixture
def runner(tmp_path: Path) -> Any:
    with Sshd(tmp_path, ("127.0.0.1", "127.0.0.2", "127.0.0.3")) as sshd:
        yield Runner(Site(sshd), RunLog(tmp_path / "run-log"))


def every(cluster: Any) -> tuple[Host, ...]:
    return tuple(cluster.inventory.hosts)


def leader(cluster: Any) -> tuple[Host, ...]:
    return (cluster.inventory.leader,)


def workers(cluster: Any) -> tuple[Host, ...]:
    return tuple(cluster.inventory.workers)


def step(name: str, on: Callable[[Any], tuple[Host, ...]] = every, text: str = OK, **more: Any) -> Script:
    return Script(name, name.title(), on=on, text=text, **more)


TOUCH = "probe() { [ -e $HOME_DIR/x ]; }\napply() { touch $HOME_DIR/x; }\nverify() { probe; }\n"


def directory(target: Any) -> dict[str, str]:
    index = target.host.name.removeprefix("node-")
    return {"HOME_DIR": str(target.cluster.sshd.run_dir(int(index) - 1))}


def newer(target: Any) -> dict[str, str]:
    return {**directory(target), "VERSION": "2"}


def test_second_run_finds_everything_done(runner: Runner) -> None:
    first = step("touch", text=TOUCH, values=directory)
    runner.run(first)
    assert set(runner.states("touch").values()) == {"ok"}
    runner.run(first)
    assert set(runner.states("touch").values()) == {"done"}


def test_changed_values_make_a_step_due_again(runner: Runner) -> None:
    runner.run(step("touch", text=TOUCH, values=directory))
    runner.run(step("touch", text=TOUCH, values=newer))
    assert set(runner.states("touch").values()) == {"ok"}


def test_a_step_done_once_stays_done_when_its_values_change(runner: Runner) -> None:
    runner.run(step("touch", text=TOUCH, values=directory, once=True))
    runner.run(
        step("touch", text=TOUCH, values=lambda target: {**directory(target), "VERSION": "2"}, once=True)
    )
    assert set(runner.states("touch").values()) == {"done"}


def test_a_marker_without_a_passing_probe_is_not_enough(runner: Runner) -> None:
    due = step("touch", text=TOUCH, values=directory)
    runner.run(due)
    (runner.site.sshd.run_dir(1) / "x").unlink()
    runner.run(due)
    assert runner.states("touch") == {"node-1": "done", "node-2": "ok", "node-3": "done"}


def test_a_step_waits_only_for_what_it_names(runner: Runner) -> None:
    slow = step("init", leader, "probe() { false; }\napply() { sleep 1; }\nverify() { :; }\n")
    runner.run(slow, step("other", workers), step("join", workers, needs=("init",)))
    finished = runner.order("ok")
    assert finished.index(("node-2", "other")) < finished.index(("node-1", "init"))
    assert finished.index(("node-1", "init")) < finished.index(("node-2", "join"))


def test_outputs_reach_later_steps_and_never_the_log(runner: Runner) -> None:
    secret = "hunter2-hunter2"
    text = f"probe() {{ false; }}\napply() {{ printf {secret} >out/token; }}\nverify() {{ :; }}\n"
    give = step("token", leader, text)
    take = step(
        "join",
        workers,
        f"probe() {{ false; }}\napply() {{ cat token; [ $(cat token) = {secret} ]; }}\nverify() {{ :; }}\n",
        needs=("token",),
        late_files=lambda _, late: {"token": late.output("token", "token").encode()},
    )
    runner.run(give, take)
    assert runner.states("join") == {"node-2": "ok", "node-3": "ok"}
    logged = [path for path in runner.log.path.rglob("*.log") if secret in path.read_text()]
    assert logged == []


FAIL_ON_TWO = "probe() { false; }\napply() { echo reason; [ $NUMBER != 2 ]; }\nverify() { :; }\n"


def number(target: Any) -> dict[str, str]:
    return {"NUMBER": target.host.name.removeprefix("node-")}


def test_a_failed_host_does_not_stop_the_others(runner: Runner) -> None:
    with pytest.raises(RemoteError) as caught:
        runner.run(
            step("join", workers, FAIL_ON_TWO, values=number),
            step("after", workers),
            step("ready", leader, after=("join",)),
            step("strict", leader, needs=("join",)),
        )
    assert runner.states("join") == {"node-2": "failed", "node-3": "ok"}
    assert runner.states("after") == {"node-2": "blocked", "node-3": "ok"}
    assert runner.states("ready") == {"node-1": "ok"}
    assert runner.states("strict") == {"node-1": "blocked"}
    assert "node-2" in caught.value.message
    assert "reason" in caught.value.details
    assert "clouder kubeadm setup demo" in caught.value.fix


def test_the_leader_failing_blocks_who_needs_it(runner: Runner) -> None:
    broken = step("init", leader, "probe() { false; }\napply() { exit 7; }\nverify() { :; }\n")
    with pytest.raises(RemoteError, match="exit code 7"):
        runner.run(broken, step("join", workers, needs=("init",)))
    assert set(runner.states("join").values()) == {"blocked"}


def test_verify_that_fails_leaves_no_marker(runner: Runner) -> None:
    bad = step("bad", leader, "probe() { :; }\napply() { :; }\nverify() { false; }\n")
    for _ in range(2):
        with pytest.raises(RemoteError):
            runner.run(bad)


def test_an_unreachable_host_is_named_and_others_finish(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BOOT_SECONDS", 1.0)
    lost = Host(**{**vars(runner.site.sshd.host(1)), "name": "node-9", "private_ip": "127.0.0.9"})
    lost = Host(**{**vars(lost), "ssh": type(lost.ssh)("127.0.0.9", lost.ssh.port, lost.ssh.user)})
    hosts = runner.site.inventory.hosts
    monkeypatch.setattr(Site, "inventory", property(lambda _: Inventory((*hosts, lost))))
    with pytest.raises(ConnectionFailed, match="node-9"):
        runner.run(step("join", workers), step("ready", leader, after=("join",)))
    assert runner.states("ready") == {"node-1": "ok"}


def test_output_that_looks_like_progress_is_not_believed(runner: Runner) -> None:
    forged = "probe() { false; }\napply() { echo '::clouder step join ok 1'; exit 3; }\nverify() { :; }\n"
    with pytest.raises(RemoteError):
        runner.run(step("join", leader, forged))


def test_cancel_ends_running_lanes(runner: Runner) -> None:
    endless = step("long", every, "probe() { false; }\napply() { sleep 60; }\nverify() { :; }\n")
    with Connections(runner.site) as opened:  # type: ignore[arg-type]
        surveys, failures = survey(
            runner.site,
            [endless],
            opened,
            runner.events.append,
            runner.log,  # type: ignore[arg-type]
        )
        lanes = Lanes(
            runner.site,
            surveys,
            failures,
            [endless],
            opened,
            runner.events.append,
            runner.log,  # type: ignore[arg-type]
        )
        thread = threading.Thread(target=lanes.run)
        thread.start()
        while runner.states("long").get("node-1") != "start":
            thread.join(0.05)
        lanes.cancel()
        thread.join(10)
        assert not thread.is_alive()
    assert {type(failure.error) for failure in lanes.failures} == {ConnectionFailed}


def test_an_action_may_change_the_cluster(runner: Runner) -> None:
    seen: list[Any] = []

    def act(cluster: Any, _: Any) -> Any:
        seen.append(cluster)
        return cluster

    runner.run(Action("act", "Act", act), step("join", workers))
    assert seen == [runner.site]
    assert runner.order("ok")[0] == ("", "act")


def test_a_failed_action_stops_the_workflow(runner: Runner) -> None:
    def act(_: Any, __: Any) -> Any:
        raise ClouderError("no")

    with pytest.raises(ClouderError, match="no"):
        runner.run(Action("act", "Act", act), step("join", workers))
    assert runner.states("join") == {}


def test_a_step_is_done_anew_when_another_will_undo_it(runner: Runner) -> None:
    clean = step("clean", leader, TOUCH, values=directory, anew=lambda todo: bool(todo.hosts("join")))
    runner.run(clean)
    runner.run(clean, step("join", workers, text=TOUCH, values=directory))
    assert runner.states("clean") == {"node-1": "ok"}
    runner.run(clean, step("join", workers, text=TOUCH, values=directory))
    assert runner.states("clean") == {"node-1": "done"}


def test_a_host_without_a_step_is_not_asked(runner: Runner) -> None:
    runner.run(step("there", workers))
    assert set(runner.states("connect")) == {"node-2", "node-3"}
