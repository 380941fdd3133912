"""Recipes: which versions make up a bundle, and how each program is compiled; data in `recipes/*.json`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clouder.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RECIPES = Path(__file__).parent / "recipes"
FILES = Path(__file__).parent / "files"
FORMAT = 4  # raise when the packing code changes what is in a bundle


@dataclass(frozen=True)
class Build:
    """One `go build`: its module folder in `recipes/modules`, its programs (file name -> main package)."""

    name: str
    module: str
    programs: Mapping[str, str]
    tags: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    cgo: bool = False

    @property
    def directory(self) -> Path:
        """Where the committed go.mod and go.sum are."""
        return RECIPES / "modules" / self.module


@dataclass(frozen=True)
class Debian:
    """The Debian side: `suite` of the nodes, `newer` suite for `from_newer`, package names for each use."""

    suite: str
    newer: str
    from_newer: Sequence[str]
    packages: Sequence[str]
    node: Sequence[str]
    image: Sequence[str]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what is in the bundle of one Kubernetes version."""

    kubernetes: str
    versions: Mapping[str, str]
    builds: Sequence[Build]
    debian: Debian
    release: Sequence[Mapping[str, Any]]

    @property
    def digest(self) -> str:
        """12 hex digits over the recipe, the modules it names, the files we ship and the packing format."""
        parts = [FORMAT, asdict(self), *(tree(build.directory) for build in self.builds), tree(FILES)]
        return fingerprint(parts)


def supported() -> tuple[str, ...]:
    """The Kubernetes versions with a recipe, oldest first."""
    names = [path.stem for path in RECIPES.glob("v*.json")]
    return tuple(sorted(names, key=lambda name: [int(number) for number in name[1:].split(".")]))


@cache
def load(kubernetes: str) -> Recipe:
    """Read the recipe of a version such as `v1.36.3`; raises NotFoundError for one without."""
    if kubernetes not in supported():
        raise NotFoundError(
            f"there is no bundle recipe for Kubernetes {kubernetes}",
            fix=f"use one of: {', '.join(supported())}",
        )
    raw = json.loads((RECIPES / f"{kubernetes}.json").read_text())
    builds = tuple(Build(**build) for build in raw.pop("builds"))
    return Recipe(builds=builds, debian=Debian(**raw.pop("debian")), **raw)


def fingerprint(value: object) -> str:
    """A short hash of any plain value, the same on every machine."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:12]


def tree(directory: Path) -> dict[str, str]:
    """The sha256 of every file in a directory of the package, by name."""
    files = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
