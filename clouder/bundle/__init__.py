"""Bundles: everything a node needs, pinned and checked, as one directory."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from clouder import store
from clouder.bundle import build as builder
from clouder.bundle import lock as locks
from clouder.bundle.events import Event, ignore
from clouder.bundle.lock import Component, Lock
from clouder.bundle.processes import Processes
from clouder.bundle.recipe import Recipe, load, supported
from clouder.bundle.release import reachable
from clouder.bundle.shelf import make_once
from clouder.errors import ClouderError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
    if source not in builder.SOURCES:
        raise UsageError(
            f"there is no bundle source {source}", fix=f"use auto, {' or '.join(builder.SOURCES)}"
        )
    target = _directory(recipe, source)
    processes = Processes()
    make_once(
        target,
        partial(
            builder.build, recipe, source, store.cache() / "build", processes=processes, progress=progress
        ),
        processes=processes,
        waiting=lambda: progress(
            Event("bundle", "start", note="another build is making it: waiting for that")
        ),
    )
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
