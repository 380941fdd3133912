"""`invoke bundle.…`: `clouder bundle` for Invoke."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.tasks import task

from clouder.cli import bundle
from clouder.tasks.calling import call

if TYPE_CHECKING:
    from invoke.context import Context


@task(auto_shortflags=False)
def build(
    _: Context, kubernetes_version: str | None = None, source: str = "auto", output: str = "table"
) -> None:
    """Build a bundle, unless it is there."""
    call(bundle.build, kubernetes_version=kubernetes_version, source=source, output=output)


@task(positional=[], auto_shortflags=False)
def verify(_: Context, name: str | None = None, output: str = "table") -> None:
    """Compare every file of a bundle with its lock; of all bundles without --name."""
    call(bundle.verify, name=name, output=output)


@task(auto_shortflags=False)
def ls(_: Context, output: str = "table") -> None:
    """List the bundles in the cache."""
    call(bundle.ls, output=output)
