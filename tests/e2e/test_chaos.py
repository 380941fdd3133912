"""The strict matrix: each kill is followed by one re-run, which must finish. `script/test chaos`.

Writes its counts into docs/reliability.md when CLOUDER_WRITE_DOCS=1.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from clouder.providers import docker
from tests.e2e import tools
from tests.e2e.points import POINTS, at

pytestmark = pytest.mark.chaos
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
RANDOM_KILLS = 12
RESULTS: dict[str, list[bool]] = {}


@pytest.fixture(scope="module", autouse=True)
def _report() -> Iterator[None]:
    yield
    rows = [f"| {kind} | {sum(done)} of {len(done)} |" for kind, done in RESULTS.items()]
    if os.environ.get("CLOUDER_WRITE_DOCS") and rows:
        stamp = f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores"
        text = "\n".join([stamp, "", "| what | finished with one re-run |", "| --- | --- |", *rows])
        page = PAGE.read_text()
        PAGE.write_text(
            re.sub(r"(<!-- matrix -->\n).*?(<!-- end matrix -->)", rf"\g<1>{text}\n\g<2>", page, flags=re.S)
        )


@pytest.fixture
def name(home: Path) -> Iterator[str]:
    name = f"c{os.getpid()}-{random.randrange(10_000)}"
    yield name
    tools.clouder("k8s", "delete", name, "--yes", home=home)
    assert tools.leftovers(name) == []


def finish(kind: str, name: str, home: Path) -> None:
    """One re-run of the same command, and the cluster is whole."""
    results = RESULTS.setdefault(kind, [])
    results.append(False)
    tools.create(name, 1, home=home)
    assert tools.nodes(tools.load(name, home)) == {f"{name}-master": "True", f"{name}-node-1": "True"}
    results[-1] = True


@pytest.mark.parametrize(("step", "state"), POINTS, ids=str)
def test_killed_once(step: str, state: str, name: str, home: Path) -> None:
    code, _ = tools.stop_when(*tools.create_args(name, 1), home=home, when=at(step, state), act=tools.kill)
    assert code == -9
    finish("SIGKILL before or after a step of create 1+1", name, home)


@pytest.mark.parametrize("number", range(RANDOM_KILLS))
def test_killed_at_a_random_instant(number: int, name: str, home: Path) -> None:
    seconds = random.Random(number).uniform(0.5, 25)
    with tools.running(*tools.create_args(name, 1), home=home) as process:
        time.sleep(seconds)  # an instant, not a condition: that is the point
        process.kill()
        process.wait()
    finish("SIGKILL at a random instant of create 1+1", name, home)


@pytest.mark.parametrize(
    ("victim", "step"),
    [
        *(("node-1", step) for step in ("connect", "init", "join", "ready")),
        ("master", "connect"),
        ("master", "init"),
    ],
)
def test_a_node_container_destroyed(victim: str, step: str, name: str, home: Path) -> None:
    destroy(victim, step, name, home)
    finish("node container destroyed in create 1+1", name, home)


def test_the_control_plane_destroyed_when_it_had_data(name: str, home: Path) -> None:
    destroy("master", "ready", name, home)
    done = tools.create(name, 1, home=home, check=False)
    assert (done.code, "is gone, and the data of the cluster with it" in done.why()) == (6, True), done.why()
    tools.clouder("k8s", "delete", name, "--yes", home=home)
    finish("control plane destroyed after init: refused; then delete and create", name, home)


def destroy(victim: str, step: str, name: str, home: Path) -> None:
    """One container of a create goes away for ever at the start of a step."""

    def remove(_: object) -> None:
        docker.run("rm", "--force", "--volumes", f"{name}-{victim}", environment=docker.engine())

    tools.stop_when(*tools.create_args(name, 1), home=home, when=at(step, "start"), act=remove)


@pytest.mark.parametrize("step", ["machines", "init", "join", "ready"])
def test_delete_after_a_kill_leaves_nothing(step: str, home: Path) -> None:
    name = f"d{os.getpid()}-{step}"
    tools.stop_when(*tools.create_args(name, 1), home=home, when=at(step, "start"), act=tools.kill)
    tools.clouder("k8s", "delete", name, "--yes", home=home)
    RESULTS.setdefault("delete after a SIGKILL leaves nothing", []).append(tools.leftovers(name) == [])
    assert tools.leftovers(name) == []
