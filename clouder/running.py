"""What surrounds all work on a cluster: its lock, a log of the run, the journal, a clean Ctrl-C."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from clouder.errors import Interrupted
from clouder.step import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clouder.runlog import RunLog
    from clouder.step import Reporter
    from clouder.terraform_event import TerraformEvent
    from clouder.workspace import Workspace


@contextmanager
def running(
    workspace: Workspace, command: str, report: Reporter, *, arguments: str = ""
) -> Iterator[tuple[RunLog, Reporter]]:
    """The cluster's lock and a log of this run; Ctrl-C becomes Interrupted.

    `arguments` are what goes on with the work when typed after `command`: the name, where nothing is given.
    """
    with (
        alone(workspace, command, report),
        logged(workspace, command, report, arguments=arguments) as both,
    ):
        yield both


def alone(workspace: Workspace, command: str, report: Reporter) -> AbstractContextManager[None]:
    """The cluster's lock; raises Aborted when another run holds it."""

    def waiting(event: TerraformEvent) -> None:
        report(Event("", "terraform/", "Wait for an earlier terraform", event.kind, note=event.message))

    return workspace.lock(f"clouder {command} {workspace.name}", on_event=waiting)


@contextmanager
def logged(
    workspace: Workspace, command: str, report: Reporter, *, arguments: str = ""
) -> Iterator[tuple[RunLog, Reporter]]:
    """A log of this run and the journal, for work under a lock that is held already."""
    with workspace.run_log(command) as log:

        def tell(event: Event) -> None:
            log.event(event)
            report(event)

        workspace.journal("begin", command=command)
        try:
            yield log, tell
        except (KeyboardInterrupt, Interrupted):
            from clouder import engine

            workspace.journal("interrupted", command=command)
            raise engine.interrupted(f"clouder {command} {arguments or workspace.name}") from None
        except BaseException as error:
            workspace.journal("failed", command=command, error=str(error))
            raise
        workspace.journal("end", command=command)
