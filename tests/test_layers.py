"""The shape of the code: imports run one way, and each third-party library has one home."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "clouder"

# A module may import from its own row and from the rows above it.
LAYERS = [
    ["errors", "machines", "state"],
    ["marks", "safeyaml"],
    ["spec", "store"],
    ["contextfile"],
    ["render", "keys", "locks", "runlog", "admin_conf", "bootstrap"],
    ["bundle", "nodeimage", "inventory"],
    ["handshake"],
    ["jump"],
    ["hostkeys"],
    ["providers", "connection"],
    [
        "plan",
        "terraform_event",
        "terraform_errors",
        "terraform_process",
        "terraform",
        "terraform_dir",
        "remote_state",
        "recovery",
    ],
    ["workspace"],
    ["addons"],
    ["cluster", "kubeconfig", "contexts", "request", "pools"],
    ["step", "running"],
    ["preflight"],
    ["payload", "board", "connections", "survey", "lanes"],
    ["engine"],
    ["steps", "checkpoint", "bake"],
    ["workflows", "status", "preview", "doctor", "removal", "terraform_export", "terraform_lint"],
    ["scaling"],
    ["api"],
    ["cli", "tasks"],
]
# Imported inside a function: baking runs steps and is itself a step.
LATE = {("steps", "bake"), ("running", "engine")}

HOMES = {
    "azure": {"providers"},
    "boto3": {"providers"},
    "botocore": {"providers"},
    "click": {"cli", "tasks"},
    "cryptography": {"keys"},
    "fabric": {"connection"},
    "invoke": {"connection", "tasks"},
    "jinja2": {"render"},
    "paramiko": {"connection", "handshake", "jump"},
    "pydantic": {"machines", "marks", "spec", "state"},
    "python_terraform": {"terraform"},
    "rich": {"cli"},
    "yaml": {"safeyaml", "admin_conf", "kubeconfig", "cli", "checkpoint"},
}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def unit(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "clouder":
                yield from (f"clouder.{alias.name}" for alias in node.names)
            else:
                yield node.module


RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    here = unit(path)
    assert here in RANK, f"{here} has no layer: give it one in LAYERS"
    for name in imports(path):
        there = name.split(".")[1] if name.startswith("clouder.") else ""
        if there in RANK and (here, there) not in LATE:
            assert RANK[there] <= RANK[here], f"imports {name} from a higher layer"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_library_has_one_home(path: Path) -> None:
    for name in imports(path):
        library = name.split(".")[0]
        if library in sys.stdlib_module_names or library == "clouder":
            continue
        assert library in HOMES, f"{library} has no home: give it one in HOMES"
        assert unit(path) in HOMES[library], f"the home of {library} is {HOMES[library]}"
