"""Read first: what every host is, and which of its steps are not done."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clouder import payload
from clouder.errors import ClouderError, RemoteError
from clouder.step import Event, Target, Todo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clouder.cluster import Cluster
    from clouder.connections import Connections
    from clouder.inventory import Host
    from clouder.payload import Line
    from clouder.runlog import RunLog
    from clouder.step import Reporter, Step


@dataclass(frozen=True)
class Survey:
    """What a host told about itself, and which of its steps are not done."""

    target: Target
    todo: tuple[Step, ...]
    done: tuple[Step, ...]


@dataclass(frozen=True)
class Failure:
    """Why a host's lane ended early."""

    host: str
    step: str
    error: ClouderError


def survey(
    cluster: Cluster, steps: Sequence[Step], connections: Connections, report: Reporter, log: RunLog
) -> tuple[list[Survey], list[Failure]]:
    """Asks every host that has a step once what it is and what is done on it; changes nothing."""
    chosen = {step.name: step.on(cluster) for step in steps}
    concerned = {host.name for hosts in chosen.values() for host in hosts}
    hosts = cluster.inventory.where(lambda host: host.name in concerned)

    def look(host: Host) -> Survey | Failure:
        mine = [step for step in steps if step.when is None and host in chosen[step.name]]
        try:
            return _look(Target(cluster, host), mine, connections, report, log)
        except ClouderError as error:
            return Failure(host.name, "connect", error)

    with ThreadPoolExecutor(max_workers=max(1, len(hosts))) as pool:
        found = _interruptible(pool, look, hosts, connections)
    surveys = [item for item in found if isinstance(item, Survey)]
    failures = [item for item in found if isinstance(item, Failure)]
    for failure in failures:
        report(Event(failure.host, "connect", "Connect", "failed", note=failure.error.message))
    return _add_conditional(cluster, surveys, steps), failures


def _interruptible(
    pool: ThreadPoolExecutor,
    work: Callable[[Host], Survey | Failure],
    hosts: Sequence[Host],
    connections: Connections,
) -> list[Survey | Failure]:
    try:
        return list(pool.map(work, hosts))
    except KeyboardInterrupt:
        connections.close()
        raise


def _look(
    target: Target, steps: list[Step], connections: Connections, report: Reporter, log: RunLog
) -> Survey:
    started = time.monotonic()
    report(Event(target.host.name, "connect", "Connect", "start"))
    connection = connections.get(target.host)
    lines: list[Line] = []

    def hear(text: str) -> None:
        output, line = payload.parse(text, request)
        if line:
            lines.append(payload.against_this_clock(line))
        if output:
            log.host(target.host.name).write(output + "\n")

    request = payload.probe(steps, target)
    log.script(target.host.name, payload.readable(request))
    code = connection.run(request, on_line=hear)
    if code:
        raise RemoteError(f"{target.host.name}: the probes ended with exit code {code}")
    report(Event(target.host.name, "connect", "Connect", "ok", time.monotonic() - started))
    target = Target(target.cluster, target.host, payload.facts(lines))
    answers = {line.subject: (line.word, line.rest) for line in lines if line.kind == "probe"}
    done = tuple(step for step in steps if _is_done(step, target, answers))
    return Survey(target, tuple(step for step in steps if step not in done), done)


def _is_done(step: Step, target: Target, answers: Mapping[str, tuple[str, str]]) -> bool:
    word, marker = answers.get(step.name, ("fails", "-"))
    if word != "passes" or marker == "-":
        return False
    return step.once or marker == step.fingerprint(target)


def _add_conditional(cluster: Cluster, surveys: list[Survey], steps: Sequence[Step]) -> list[Survey]:
    """Adds the steps that depend on what the others have to do, in the order of the workflow."""
    todo = Todo({item.target.host.name: frozenset(step.name for step in item.todo) for item in surveys})

    def wanted(step: Step, item: Survey) -> bool:
        if step.when is None and step in item.todo:
            return True
        holds = step.anew(todo) if step.when is None else step.when(todo)
        return holds and item.target.host in step.on(cluster)

    found = []
    for item in surveys:
        chosen = tuple(step for step in steps if wanted(step, item))
        done = tuple(step for step in item.done if step not in chosen)
        found.append(Survey(item.target, chosen, done))
    return found
