"""Then change: a lane for each host, in which a step waits only for what it names."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING

from clouder import payload
from clouder.board import Board
from clouder.errors import ClouderError, ConnectionFailed, RemoteError
from clouder.step import Event
from clouder.survey import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clouder.bootstrap import Payload
    from clouder.cluster import Cluster
    from clouder.connections import Connections
    from clouder.payload import Line
    from clouder.runlog import RunLog
    from clouder.step import Reporter, Step, Target
    from clouder.survey import Survey

LAST_LINES = 20


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
