"""Runs that are cut short: the next one goes on, and nothing is lost or doubled."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clouder.providers import docker
from tests.e2e import tools
from tests.e2e.points import POINTS, at

pytestmark = pytest.mark.e2e


@pytest.fixture
def name(request: pytest.FixtureRequest, home: Path) -> Iterator[str]:
    """A cluster name that is free, and is free again afterwards, with nothing left."""
    name = f"f{os.getpid()}-{abs(hash(request.node.name)) % 10_000}"
    yield name
    volumes = tools.volumes(name)
    if (home / "clusters" / name).exists():
        tools.clouder("k8s", "delete", name, "--yes", home=home)
    assert tools.leftovers(name, volumes) == []
    assert not (home / "clusters" / name).exists()


def test_killed_before_and_after_every_step_it_goes_on_each_time(name: str, home: Path) -> None:
    """One chain: each run goes on from the last kill; the strict matrix is tests/e2e/test_chaos.py."""
    args = tools.create_args(name, 1)
    killed = []
    for step, state in POINTS:
        code, _ = tools.stop_when(*args, home=home, when=at(step, state), act=tools.kill)
        if code == -9:
            killed.append((step, state))
    done = tools.create(name, 1, home=home)
    assert done.states("ready") <= {"ok", "done"}
    cluster = tools.load(name, home)
    assert set(tools.nodes(cluster).values()) == {"True"}
    # A host goes on with the script it was sent, so that the points inside it may be over by the next run.
    assert {step for step, _ in killed} >= {"render", "machines", "connect", "init"}


@pytest.mark.parametrize(("step", "state"), [("init", "ok"), ("join", "start"), ("join", "ok")])
def test_killed_once_one_more_run_finishes(step: str, state: str, name: str, home: Path) -> None:
    code, _ = tools.stop_when(*tools.create_args(name, 1), home=home, when=at(step, state), act=tools.kill)
    assert code == -9
    tools.create(name, 1, home=home)
    assert set(tools.nodes(tools.load(name, home)).values()) == {"True"}


def test_ctrl_c_stops_cleanly_and_the_next_run_goes_on(name: str, home: Path) -> None:
    args = tools.create_args(name, 1)
    for step in ("machines", "init", "join"):
        code, events = tools.stop_when(*args, home=home, when=at(step, "start"), act=tools.interrupt)
        assert code == 130, (step, events[-3:])
    tools.create(name, 1, home=home)
    assert set(tools.nodes(tools.load(name, home)).values()) == {"True"}


def test_a_node_that_dies_in_the_middle_is_named_and_made_again(name: str, home: Path) -> None:
    victim = f"{name}-node-1"

    def destroy(_: subprocess.Popen[str]) -> None:
        docker.run("rm", "--force", "--volumes", victim, environment=docker.engine())

    started = time.monotonic()
    code, events = tools.stop_when(
        *tools.create_args(name, 1), home=home, when=at("join", "start"), act=destroy
    )
    assert code != 0
    failed = [event for event in events if event["state"] == "failed"]
    assert {event["host"] for event in failed} >= {victim}
    assert time.monotonic() - started < 300
    tools.create(name, 1, home=home)
    assert set(tools.nodes(tools.load(name, home)).values()) == {"True"}


def test_of_two_creates_at_once_one_works(name: str, home: Path) -> None:
    results: list[int] = []

    def run() -> None:
        results.append(tools.create(name, 0, home=home, check=False).code)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [0, 10]
    assert len(tools.nodes(tools.load(name, home))) == 1


def test_a_half_made_cluster_shows_and_goes(name: str, home: Path) -> None:
    tools.stop_when(*tools.create_args(name, 1), home=home, when=at("machines", "start"), act=tools.kill)
    assert name in tools.clouder("k8s", "ls", "-o", "json", home=home).out
    tools.clouder("k8s", "status", name, home=home, check=False)
    tools.clouder("k8s", "delete", name, "--yes", home=home)
    assert tools.leftovers(name) == []
