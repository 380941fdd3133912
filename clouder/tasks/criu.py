"""`invoke criu.…`: `clouder criu` for Invoke."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.tasks import task

from clouder.cli import criu
from clouder.tasks.calling import call

if TYPE_CHECKING:
    from invoke.context import Context


@task(positional=["name"], auto_shortflags=False)
def doctor(_: Context, name: str, live: bool = True, output: str = "table") -> None:
    """Look at every node: what is there, what fails, the fix."""
    call(criu.doctor, name=name, live=live, output=output)
