"""Runs a workflow: actions one after another, then the steps, each host in a lane of its own."""

from __future__ import annotations

import time
from itertools import groupby
from typing import TYPE_CHECKING

from clouder.connections import Connections
from clouder.errors import Interrupted, RemoteError
from clouder.lanes import Lanes
from clouder.step import Action, Check, Event, Step, Todo
from clouder.survey import Failure, survey

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clouder.cluster import Cluster
    from clouder.errors import ClouderError
    from clouder.runlog import RunLog
    from clouder.step import Fault, Reporter, Workflow
    from clouder.survey import Survey


def run(
    cluster: Cluster,
    workflow: Workflow,
    *,
    report: Reporter,
    log: RunLog,
    patience: float | None = None,
) -> Cluster:
    """Does everything in `workflow` that is not done; raises what stopped it after all lanes have ended.

    `patience` is how many seconds a host that does not answer is waited for, by default those of a boot.
    """
    again = f"{workflow.again} {cluster.name}"
    for here, group in groupby(workflow.parts, lambda part: isinstance(part, Action)):
        parts = tuple(group)
        if here:
            cluster = _run_actions(cluster, [part for part in parts if isinstance(part, Action)], report)
            continue
        steps = [part for part in parts if isinstance(part, Step)]
        if any(step.on(cluster) for step in steps):
            checks = [part for part in parts if isinstance(part, Check)]
            with Connections(cluster, patience=patience) as connections:
                _run_steps(cluster, checks, steps, connections, report=report, log=log, again=again)
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


def _run_steps(
    cluster: Cluster,
    checks: Sequence[Check],
    steps: Sequence[Step],
    connections: Connections,
    *,
    report: Reporter,
    log: RunLog,
    again: str,
) -> None:
    surveys, failures = survey(cluster, steps, connections, report, log)
    _check(checks, surveys, failures, report, again)
    lanes = Lanes(cluster, surveys, failures, steps, connections, report, log)
    lanes.run()
    if lanes.failures:
        raise _summary(lanes.failures, log, again)


def _check(
    checks: Sequence[Check], surveys: list[Survey], failures: list[Failure], report: Reporter, again: str
) -> None:
    """Raise RemoteError, with a line for each fault, before anything is changed.

    A host that could not be asked stops the others only while nothing is installed anywhere: later on it may
    just be dead, and the rest of the cluster goes on without it.
    """
    targets = tuple(item.target for item in surveys)
    todo = Todo({item.target.host.name: frozenset(step.name for step in item.todo) for item in surveys})
    for check in checks:
        faults = check.judge(targets, todo)
        for fault in faults:
            report(Event(fault.host, check.name, check.title, "failed", note=fault.problem))
        lost = [] if any(item.done for item in surveys) else failures
        if faults or lost:
            raise _refusal(faults, lost, again)
        report(Event("", check.name, check.title, "ok"))


def _refusal(faults: Sequence[Fault], lost: Sequence[Failure], again: str) -> ClouderError:
    problems = [(fault.problem, fault.fix) for fault in faults]
    problems += [(failure.error.message, failure.error.fix) for failure in lost]
    kind = type(lost[0].error) if lost and not faults else RemoteError
    told = ("; ".join(filter(None, problem)) for problem in problems)
    return kind(
        "\n".join(["nothing was changed on the machines", *told]), fix=f"mend it and go on with: {again}"
    )


def _summary(failures: list[Failure], log: RunLog, again: str) -> ClouderError:
    first = failures[0]
    rows = [f"{item.host}: {item.step}: {item.error.message}" for item in failures]
    message = first.error.message if len(failures) == 1 else "\n".join([f"{len(rows)} hosts failed", *rows])
    return type(first.error)(
        message,
        fix=f"the machines are kept; mend the cause and go on with: {again}",
        details="\n".join(part for part in (first.error.details, f"log: {log.path}") if part),
    )


def interrupted(command: str) -> Interrupted:
    """What Ctrl-C ends with."""
    return Interrupted("stopped; nothing is lost", fix=f"go on with: {command}")
