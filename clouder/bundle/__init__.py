"""Bundles: everything a node needs, pinned and checked, as one directory."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clouder import store
from clouder.bundle import build as builder
from clouder.bundle import lock as locks
from clouder.bundle.events import Event, ignore
from clouder.bundle.lock import Component, Lock
from clouder.bundle.recipe import Recipe, load, supported
from clouder.bundle.release import reachable
from clouder.errors import ClouderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "SUPPORTED",
    "Bundle",
    "Component",
    "Event",
    "Lock",
    "bundles",
    "ensure",
    "find",
    "ignore",
    "verify",
]

SUPPORTED = supported()


@dataclass(frozen=True)
class Bundle:
    """A finished bundle: its directory and what is in it."""

    path: Path
    lock: Lock

    @property
    def kubernetes_version(self) -> str:
        """Such as `v1.36.3`."""
        return self.lock.kubernetes

    @property
    def digest(self) -> str:
        """12 hex digits that stand for this exact content."""
        return self.lock.checksum[:12]


def ensure(
    kubernetes_version: str, *, source: str = "auto", progress: Callable[[Event], None] = ignore
) -> Bundle:
    """Return the bundle of a Kubernetes version, built first when there is none.

    `source` is `go`, `release` or `auto` (what exists, else release where it is reachable, else go).
    Raises NotFoundError without a recipe, AccessError when this machine lacks a tool, disk or network,
    Interrupted on Ctrl-C; finished parts are kept, so the next call goes on.
    """
    recipe = load(kubernetes_version)
    found = find(kubernetes_version) if source == "auto" else None
    if found:
        return found
    source = _choose(recipe) if source == "auto" else source
    target = _directory(recipe, source)
    with _one_builder(recipe, source, progress):
        if not target.exists():
            _build(recipe, source, target, progress)
    return _open(target)


def find(kubernetes_version: str) -> Bundle | None:
    """The finished bundle of the current recipe of a version, if there is one."""
    recipe = load(kubernetes_version)
    for source in builder.SOURCES:
        if _directory(recipe, source).is_dir():
            return _open(_directory(recipe, source))
    return None


def bundles() -> list[Bundle]:
    """Every finished bundle in the cache, also those of older recipes; unreadable ones are left out."""
    found = []
    for path in sorted((store.cache() / "bundles").glob("v*/")):
        with suppress(ClouderError):
            found.append(_open(path))
    return found


def verify(bundle: Bundle) -> list[str]:
    """What is wrong with the files of a bundle, one line each; empty when all is well."""
    return locks.verify(bundle.path)


def _choose(recipe: Recipe) -> str:
    return "release" if reachable(recipe) else "go"


def _open(path: Path) -> Bundle:
    return Bundle(path, locks.read(path))


def _directory(recipe: Recipe, source: str) -> Path:
    return store.cache() / "bundles" / f"{recipe.kubernetes}-{source}-{recipe.digest}"


def _build(recipe: Recipe, source: str, target: Path, progress: Callable[[Event], None]) -> None:
    for leftover in target.parent.glob(f".{target.name}.*/"):  # of a build that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        builder.build(recipe, source, store.cache() / "build", temporary, progress=progress)
        temporary.chmod(0o755)  # apt in a node reads it as a user of its own
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _one_builder(recipe: Recipe, source: str, progress: Callable[[Event], None]) -> Iterator[None]:
    target = _directory(recipe, source)
    store.private_dir(target.parent)
    with target.with_name(f".{target.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(Event("bundle", "start", note="another build of this bundle is running: waiting for it"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
