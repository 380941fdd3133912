"""Tasks for `invoke`: those of Clouder, and the chores of this repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.tasks import task

from clouder.tasks import ns

if TYPE_CHECKING:
    from invoke.context import Context


@task(auto_shortflags=False)
def lint(c: Context) -> None:
    """Check style, types and scripts."""
    c.run("script/test lint")


@task(auto_shortflags=False)
def test(c: Context) -> None:
    """Run the tests that need no cluster."""
    c.run("script/test unit")


@task(auto_shortflags=False)
def golden(c: Context) -> None:
    """Write the golden files anew; read the diff before you commit it."""
    c.run("CLOUDER_UPDATE_GOLDEN=1 script/test unit")


for chore in (lint, test, golden):
    ns.add_task(chore)
