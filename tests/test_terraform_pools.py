"""Pools against the real engine and the real terraform: exactly the machines of a pool come and go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clouder import bundle as bundles
from clouder.cluster import Cluster
from clouder.spec import parse
from clouder.steps.machines import CREATE_MACHINES, RENDER
from clouder.workspace import Workspace
from tests import goldens, tinynodes
from tests.cli import run
from tests.tinynodes import TINY, apply, cluster_name, containers, leftovers, volumes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clouder.spec import ClusterSpec

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable, value in tinynodes.engine().items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def name() -> Iterator[str]:
    with cluster_name() as free:
        yield free


def spec(name: str, **pools: int) -> ClusterSpec:
    return parse({"name": name, "pools": [{"name": pool, "desired": count} for pool, count in pools.items()]})


def test_a_pool_comes_shrinks_and_goes_and_the_others_stay(name: str) -> None:
    apply(spec(name, workers=1))
    before = containers(name)

    plan, _ = apply(spec(name, workers=1, web=3))
    web = tuple(f"{name}-web-{number}" for number in (1, 2, 3))
    assert (plan.creates, plan.updates, plan.replaces, plan.deletes) == (web, (), (), ())
    gone = volumes(list(web))

    plan, outputs = apply(spec(name, workers=1, web=1))
    assert (plan.creates, plan.updates, plan.replaces, plan.deletes) == ((), (), (), web[1:])
    assert [host["name"] for host in outputs.hosts] == [f"{name}-master", f"{name}-node-1", web[0]]

    plan, _ = apply(spec(name, workers=1))
    assert (plan.creates, plan.updates, plan.replaces, plan.deletes) == ((), (), (), web[:1])
    assert containers(name) == before
    assert leftovers(name, gone) == [*before, f"clouder-{name}"]


def test_labels_and_taints_are_no_matter_of_machines(name: str) -> None:
    apply(spec(name, workers=1))
    pool = {"name": "workers", "desired": 1, "labels": {"a": "b"}, "taints": ["a:NoSchedule"], "max": 3}
    assert apply(parse({"name": name, "pools": [pool]}))[0].empty


def test_outputs_of_before_a_kill_are_read_anew(name: str) -> None:
    """Terraform had ended, and what it told was not written down."""
    apply(spec(name, workers=2))
    path = Workspace.open(name).path / "outputs.json"
    stale = path.read_text()
    apply(spec(name, workers=1))
    path.write_text(stale)
    workspace = Workspace.open(name)
    cluster = CREATE_MACHINES.run(Cluster(workspace.spec(), TINY, workspace), print)
    assert cluster.outputs
    assert [host["name"] for host in cluster.outputs.hosts] == [f"{name}-master", f"{name}-node-1"]
    assert len(json.loads(path.read_text())["hosts"]) == 2


CHANGES = {
    "create": ["create-nodepool", "gpu", "--desired", "2", "--labels", "tier=web", "--xpu", "gpu-cuda"],
    "grow": ["update-nodepool", "workers", "--desired", "3"],
    "shrink": ["update-nodepool", "workers", "--desired", "1", "--max", "4"],
    "marks": ["update-nodepool", "workers", "--taints", "own:NoExecute"],
    "delete": ["delete-nodepool", "workers"],
}


@pytest.fixture
def made(name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A cluster with two workers, whose tiny nodes nobody asks as long as there is no bundle."""
    monkeypatch.setattr(bundles, "find", lambda _: None)
    wanted = spec(name, workers=2)
    workspace = Workspace.create(wanted)
    cluster = Cluster(wanted, TINY, workspace)
    CREATE_MACHINES.run(RENDER.run(cluster, print), print)
    workspace.kubeconfig.write_text("")
    return workspace


def test_a_dry_run_says_everything_and_changes_nothing(made: Workspace, home: Path) -> None:
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    there = containers(made.name)
    for kind, (command, pool, *flags) in CHANGES.items():
        done = run("k8s", command, made.name, pool, *flags, "--dry-run")
        assert (done.exit_code, done.stderr) == (0, ""), done.output
        goldens.check(f"pools/dry-run-{kind}.txt", done.stdout.replace(made.name, "demo"))
    shown: dict[str, Any] = json.loads(
        run("k8s", "delete-nodepool", made.name, "workers", "--dry-run", "-o", "json").stdout
    )
    assert {(change["name"], change["action"]) for change in shown["machines"]} == {
        (f"{made.name}-node-1", "delete"),
        (f"{made.name}-node-2", "delete"),
    }
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before
    assert containers(made.name) == there
