"""A dry run: everything is said, nothing is changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clouder.cluster import Cluster
from clouder.providers import provider_of
from clouder.spec import load_yaml, parse
from clouder.steps.machines import RENDER
from clouder.workspace import Workspace
from tests import tinynodes
from tests.cli import run
from tests.tinynodes import cluster_name, leftovers

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.terraform


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


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_dry_run_of_a_new_cluster_leaves_nothing(name: str, home: Path) -> None:
    result = run("k8s", "create", name, "--workers", "1", "--dry-run")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert not home.exists()
    assert leftovers(name, set()) == []
    spec, _, plan = result.stdout.removeprefix("# The resolved spec\n").partition("\n\n")
    assert parse(load_yaml(spec)) == parse({"name": name, "pools": [{"desired": 1}]})
    assert f'    + module.cluster.terraform_data.node["{name}-node-1"]' in plan
    assert f"  {name}-master: prepare the kernel, install packages," in plan
    assert max(map(len, plan.splitlines())) <= 90


def test_its_data_name_what_is_done_where(name: str) -> None:
    found = json.loads(run("k8s", "create", name, "--workers", "1", "--dry-run", "-o", "json").stdout)
    assert set(found) == {"spec", "exists", "here", "machines", "hosts", "notes"}
    assert {change["action"] for change in found["machines"]} == {"create"}
    assert [host["host"] for host in found["hosts"]] == [f"{name}-master", f"{name}-node-1"]
    assert "Initialise the control plane" in found["hosts"][0]["todo"]
    assert found["hosts"][1]["todo"][-1] == "Join"


def test_vm_create_tells_no_steps(name: str) -> None:
    found = json.loads(run("kubeadm", "vm-create", name, "--dry-run", "-o", "json").stdout)
    assert [(host["host"], host["todo"]) for host in found["hosts"]] == [
        (f"{name}-master", []),
        *((f"{name}-node-{number}", []) for number in (1, 2, 3)),
    ]


def test_a_dry_run_of_a_half_made_cluster_changes_no_file(name: str, home: Path) -> None:
    spec = parse({"name": name, "pools": [{"desired": 1}]})
    provider = provider_of("local")
    RENDER.run(Cluster(spec, provider, Workspace.create(spec)), print)
    before = everything(home)
    found = json.loads(run("k8s", "create", name, "--dry-run", "-o", "json").stdout)
    assert found["exists"]
    assert everything(home) == before
    assert leftovers(name, set()) == []
