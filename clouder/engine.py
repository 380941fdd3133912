"""Runs a workflow: actions one after another, then the steps, each host in a lane of its own."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby, takewhile
from typing import TYPE_CHECKING

from clouder import payload
from clouder.board import Board
from clouder.connection import Connection
from clouder.errors import ClouderError, ConnectionFailed, Interrupted, RemoteError
from clouder.step import Action, Event, Step, Target, Todo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from clouder.bootstrap import Payload
    from clouder.cluster import Cluster
    from clouder.inventory import Host
    from clouder.payload import Line
    from clouder.runlog import RunLog
    from clouder.step import Reporter, Workflow

BOOT_SECONDS = 180.0
LAST_LINES = 20


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


class Connections:
    """One kept connection for each host, opened on first use."""

    def __init__(self, cluster: Cluster) -> None:
        self._workspace = cluster.workspace
        self._open: dict[str, Connection] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Connections:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, host: Host, *, deadline: float = BOOT_SECONDS) -> Connection:
        """The host's connection; waits at most `deadline` seconds for the host to answer."""
        with self._lock:
            connection = self._open.get(host.name)
        if connection is None:
            connection = Connection(
                host, key_file=self._workspace.key_file, host_key=self._workspace.host_key(host.name)
            )
            with self._lock:
                self._open[host.name] = connection
            connection.open(deadline=deadline)
        return connection

    def close(self) -> None:
        """Ends all of them; a run in another thread ends with ConnectionFailed."""
        with self._lock:
            for connection in self._open.values():
                connection.close()


def survey(
    cluster: Cluster, steps: Sequence[Step], connections: Connections, report: Reporter, log: RunLog
) -> tuple[list[Survey], list[Failure]]:
    """Asks every host once what it is and what is done on it; changes nothing."""
    hosts = cluster.inventory.hosts

    def look(host: Host) -> Survey | Failure:
        mine = [step for step in steps if step.when is None and host in step.on(cluster)]
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
            lines.append(line)
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
        if step.when is None:
            return step in item.todo
        return step.when(todo) and item.target.host in step.on(cluster)

    return [
        Survey(item.target, tuple(step for step in steps if wanted(step, item)), item.done)
        for item in surveys
    ]


@dataclass
class Lanes:
    """One thread for each host; a step waits only for what it names."""

    cluster: Cluster
    surveys: list[Survey]
    failures: list[Failure]
    steps: Sequence[Step]
    connections: Connections
    report: Reporter
    log: RunLog
    board: Board = field(init=False)

    def __post_init__(self) -> None:
        pending = {item.target.host.name: item.todo for item in self.surveys}
        lost = {failure.host for failure in self.failures}
        self.board = Board(
            pending, {(name, step.name) for step in self.steps for name in lost & self._names(step)}
        )

    def _names(self, step: Step) -> set[str]:
        return {host.name for host in step.on(self.cluster)}

    def run(self) -> None:
        """Runs every lane to its end."""
        for item in self.surveys:
            for step in item.done:
                self.report(Event(item.target.host.name, step.name, step.title, "done"))
        with ThreadPoolExecutor(max_workers=max(1, len(self.surveys))) as pool:
            lanes = [pool.submit(self._lane, item) for item in self.surveys]
            try:
                for lane in lanes:
                    lane.result()
            except KeyboardInterrupt:  # here, since leaving the pool waits for its threads
                self.cancel()
                raise

    def cancel(self) -> None:
        """Starts nothing more and cuts the connections, which ends what runs."""
        self.board.cancel()
        self.connections.close()

    def _lane(self, item: Survey) -> None:
        pending = list(item.todo)
        while pending:
            if not self.board.wait(pending[0]):
                self._give_up(item.target.host.name, pending)
                return
            part = [pending[0], *takewhile(self.board.free, pending[1:])]
            try:
                self._run_part(item.target, part)
            except ClouderError as error:
                self._fail(item.target.host.name, pending, error)
                return
            pending = pending[len(part) :]

    def _run_part(self, target: Target, part: list[Step]) -> None:
        connection = self.connections.get(target.host)
        for step in part:
            for destination, source in step.uploads(target).items():
                connection.put_tree(source, destination)
        request = payload.apply(part, target, self.board.late())
        self.log.script(target.host.name, payload.readable(request))
        listener = Listener(
            target, {step.name: step for step in part}, request, self.board, self.report, self.log
        )
        code = connection.run(request, on_line=listener.hear)
        if code or listener.current:
            raise listener.error(code)

    def _fail(self, host: str, pending: list[Step], error: ClouderError) -> None:
        left = [step for step in pending if self.board.is_pending(host, step)]
        first = left[0] if left else pending[-1]
        self.failures.append(Failure(host, first.title, error))
        self.report(Event(host, first.name, first.title, "failed", note=error.message))
        self.board.settle(host, first.name, failed=True)
        self._give_up(host, left[1:])

    def _give_up(self, host: str, steps: list[Step]) -> None:
        for step in steps:
            self.report(Event(host, step.name, step.title, "blocked"))
            self.board.settle(host, step.name, failed=True)


@dataclass
class Listener:
    """Follows the lines of one run: progress to the reporter, outputs to the board, the rest to the log."""

    target: Target
    steps: Mapping[str, Step]
    request: Payload
    board: Board
    report: Reporter
    log: RunLog
    current: str = ""
    outputs: dict[str, list[str]] = field(default_factory=dict)
    last: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))

    def hear(self, text: str) -> None:
        """Takes one line of output."""
        output, line = payload.parse(text, self.request)
        if output:
            self.last.append(output)
            self.log.host(self.target.host.name).write(output + "\n")
        if line is None:
            return
        if line.kind == "out":
            self.outputs.setdefault(line.word, []).append(line.rest)
        elif line.kind == "step" and line.subject in self.steps:
            self._progress(line)

    def _give(self, step: Step) -> None:
        for name, pieces in self.outputs.items():
            try:
                text = payload.decode(pieces)
            except ValueError as error:
                raise ConnectionFailed(f"{self.target.host.name}: damaged output of {step.name}") from error
            if "\n" not in text:  # a file's lines are no secrets, and its keys are known by their looks
                self.log.redactor.add(text)
            self.board.give(step.name, name, text)
            step.receive(self.target.cluster, name, text)
        self.outputs.clear()

    def _progress(self, line: Line) -> None:
        step = self.steps[line.subject]
        name = self.target.host.name
        if line.word == "start":
            self.current = step.name
            self.last.clear()
            self.report(Event(name, step.name, step.title, "start"))
        elif line.word == "ok":
            self._give(step)
            self.current = ""
            seconds = int(line.rest) / 1000 if line.rest.isdigit() else 0.0
            self.report(Event(name, step.name, step.title, "ok", seconds))
            self.board.settle(name, step.name)

    def error(self, code: int) -> ClouderError:
        """What is to be told of a run that ended badly."""
        step = self.steps[self.current] if self.current else None
        title = step.title if step else "the script"
        return RemoteError(
            f"{self.target.host.name}: {title} failed with exit code {code}",
            details="\n".join(self.log.redactor(text) for text in self.last),
        )


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
