"""Terraform killed in the middle of an apply on AWS: nothing is forgotten, and nothing is there twice."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clouder.store import home
from tests import awslab
from tests.awslab import instances, spec_of, tagged
from tests.machines import apply, delete

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(1800)]
CREATE = "import sys; from tests import awslab, machines; machines.apply(awslab.spec_of(sys.argv[1]))"
# When terraform is killed: at the first event of a kind whose resource begins so, in the order of an apply.
INSTANTS = [
    ("apply_start", "aws_vpc.network"),
    ("apply_complete", "aws_vpc.network"),
    ("apply_start", "aws_subnet.zone"),
    ("apply_start", "aws_security_group.nodes"),
    ("apply_complete", "aws_iam_role.control_plane"),
    ("apply_start", "aws_lb.lb"),
    ("apply_start", "aws_instance.node"),
    ("apply_complete", "aws_instance.node"),
    ("apply_start", "aws_lb_listener.api"),
    ("apply_complete", "aws_lb_listener.api"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("aws")
    with awslab.account(folder):
        yield folder


@pytest.fixture(scope="module")
def whole(lab: Path) -> Counter[str]:
    """How many of each kind an apply makes that nobody disturbs."""
    apply(spec_of("whole"))
    made = kinds("whole")
    delete("whole")
    return made


def kinds(name: str) -> Counter[str]:
    """How many of each kind there are of a cluster; what has a name is counted by the end of its name."""
    own = re.compile(rf"clouder-{name}-[0-9a-f]{{8}}")
    return Counter(own.sub("", item.rpartition(":")[2].partition("/")[0]) for item in tagged(name))


def killed(name: str, kind: str, address: str, kill: Callable[[int, int], None]) -> None:
    """A create whose terraform ends with a SIGKILL at that event; Clouder itself lives on and fails."""
    run = subprocess.Popen(
        [sys.executable, "-c", CREATE, name],
        cwd=Path(__file__).parent.parent,
        stderr=subprocess.DEVNULL,
    )
    folder = home() / "clusters" / name / "process"
    deadline = time.monotonic() + 300
    while not (pid := reached(folder, kind, f"module.cluster.{address}")):
        assert run.poll() is None, "the create ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    kill(pid, signal.SIGKILL)
    assert run.wait(60) == 1


def reached(folder: Path, kind: str, address: str) -> int:
    """The process that applies, once it has told of that event; else 0."""
    try:
        record: dict[str, Any] = json.loads((folder / "process.json").read_text())
        lines = (folder / "stdout").read_text().splitlines()
    except (OSError, ValueError):
        return 0
    if record["command"] != "apply":
        return 0
    for line in lines:
        if kind in line and address in line and json.loads(line)["type"] == kind:
            return int(record["pid"])
    return 0


@pytest.mark.aws
@pytest.mark.parametrize("number", range(len(INSTANTS)), ids=[" ".join(row) for row in INSTANTS])
def test_killed_once_the_next_run_finds_what_was_lost(number: int, whole: Counter[str]) -> None:
    """Half of the time its plugins, which talk to AWS, go with it; else they may still finish a call."""
    name = f"kill-{number}"
    killed(name, *INSTANTS[number], os.killpg if number % 2 else os.kill)
    apply(spec_of(name))
    assert sorted(instances(name)) == [f"{name}-master", f"{name}-node-1"]
    assert kinds(name) == whole
    assert apply(spec_of(name))[0].empty
    delete(name)
    assert tagged(name) == []


@pytest.mark.parametrize("number", [6])
def test_killed_and_deleted_nothing_is_left(number: int, lab: Path) -> None:
    name = f"gone-{number}"
    killed(name, *INSTANTS[number], os.kill)
    assert tagged(name)
    delete(name)
    assert tagged(name) == []
