"""Runs a workflow: actions one after another, then the steps, each host in a lane of its own."""

from __future__ import annotations

import time
from itertools import groupby
from typing import TYPE_CHECKING

from clouder.connections import Connections
from clouder.errors import Interrupted
from clouder.lanes import Lanes
from clouder.step import Action, Event, Step
from clouder.survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clouder.cluster import Cluster
    from clouder.errors import ClouderError
    from clouder.runlog import RunLog
    from clouder.step import Reporter, Workflow
    from clouder.survey import Failure


def run(cluster: Cluster, workflow: Workflow, *, report: Reporter, log: RunLog) -> Cluster:
    """Does everything in `workflow` that is not done; raises what stopped it after all lanes have ended."""
    for remote, parts in groupby(workflow.parts, lambda part: isinstance(part, Step)):
        if remote:
            _run_steps(cluster, [part for part in parts if isinstance(part, Step)], report, log)
        else:
            cluster = _run_actions(cluster, [part for part in parts if isinstance(part, Action)], report)
    return cluster


def _run_actions(cluster: Cluster, actions: Iterable[Action], report: Reporter) -> Cluster:
    for action in actions:
        started = time.monotonic()
        report(Event("", action.name, action.title, "start"))
        try:
            cluster = action.run(cluster, report)
        except BaseException:
            report(Event("", action.name, action.title, "failed", time.monotonic() - started))
            raise
        report(Event("", action.name, action.title, "ok", time.monotonic() - started))
    return cluster


def _run_steps(cluster: Cluster, steps: Sequence[Step], report: Reporter, log: RunLog) -> None:
    with Connections(cluster) as connections:
        surveys, failures = survey(cluster, steps, connections, report, log)
        lanes = Lanes(cluster, surveys, failures, steps, connections, report, log)
        lanes.run()
    if lanes.failures:
        raise _summary(cluster, lanes.failures, log)


def _summary(cluster: Cluster, failures: list[Failure], log: RunLog) -> ClouderError:
    first = failures[0]
    rows = [f"{item.host}: {item.step}: {item.error.message}" for item in failures]
    message = first.error.message if len(failures) == 1 else "\n".join([f"{len(rows)} hosts failed", *rows])
    return type(first.error)(
        message,
        fix=f"the machines are kept; mend the cause and go on with: clouder kubeadm setup {cluster.name}",
        details="\n".join(part for part in (first.error.details, f"log: {log.path}") if part),
    )


def interrupted(command: str) -> Interrupted:
    """What Ctrl-C ends with."""
    return Interrupted("stopped; nothing is lost", fix=f"go on with: {command}")
