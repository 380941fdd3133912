"""Asks hosts: sends a constant script with its values, and reads back what it gives."""

from __future__ import annotations

import base64
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from clouder import payload
from clouder.connection import Connection, Payload
from clouder.errors import ConnectionFailed, RemoteError
from clouder.render import asset
from clouder.step import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from clouder.cluster import Cluster
    from clouder.inventory import Host
    from clouder.step import Reporter

CONNECT_SECONDS = 20.0
LAST_LINES = 10
NO_VALUES: Mapping[str, str] = {}
NO_FILES: Mapping[str, bytes] = {}

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Answer:
    """What a script gave under which name, how it ended, and the last lines of its ordinary output."""

    code: int
    given: Mapping[str, str]
    output: str

    def get(self, name: str) -> str:
        """The text given under `name`, or "" when there was none."""
        return self.given.get(name, "")


class Remote:
    """The hosts of a cluster, each over one connection that is kept until the end; a context manager."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._connections: dict[str, Connection] = {}
        self._turns: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._interrupted: dict[str, str] = {}

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._connections.values():
            connection.close()

    def connection(self, host: Host) -> Connection:
        """The open connection to `host`; raises ConnectionFailed."""
        with self._lock:
            turn = self._turns.setdefault(host.name, threading.Lock())
        with turn:
            if host.name not in self._connections:
                workspace = self.cluster.workspace
                made = Connection(host, key_file=workspace.key_file, host_key=workspace.host_key(host.name))
                made.open(deadline=CONNECT_SECONDS)
                self._connections[host.name] = made
            return self._connections[host.name]

    def try_ask(
        self,
        host: Host,
        script: str,
        values: Mapping[str, str] = NO_VALUES,
        files: Mapping[str, bytes] = NO_FILES,
    ) -> Answer:
        """Runs `templates/checkpoint/<script>.sh` as root on `host`, whatever its exit code."""
        nonce = secrets.token_hex(8)
        heard: list[str] = []
        request = Payload(
            {
                "main.sh": asset(f"templates/checkpoint/{script}.sh").read_bytes(),
                "lib.sh": asset("templates/checkpoint/lib.sh").read_bytes(),
                "env": payload.environment({**values, "VOID": self._interrupted.pop(host.name, "")}),
                "nonce": nonce.encode(),
                **files,
            }
        )
        try:
            code = self.connection(host).run(request, on_line=heard.append)
        except KeyboardInterrupt:
            self._interrupted[host.name] = nonce  # the next run on this host calls it off
            raise
        return read_answer(host.name, code, heard, nonce)

    def ask(
        self,
        host: Host,
        script: str,
        values: Mapping[str, str] = NO_VALUES,
        files: Mapping[str, bytes] = NO_FILES,
    ) -> Answer:
        """The same; raises RemoteError when the script fails."""
        answer = self.try_ask(host, script, values, files)
        if answer.code:
            last = answer.output.rpartition("\n")[2]
            raise RemoteError(
                f"{host.name}: {last or f'{script} ended with {answer.code}'}", details=answer.output
            )
        return answer


def read_answer(host: str, code: int, heard: Iterable[str], nonce: str) -> Answer:
    """Joins the pieces of each text that was given; raises ConnectionFailed when one is damaged."""
    prefix = f"::{nonce} "
    pieces: dict[str, list[str]] = {}
    output = []
    for line in heard:
        if line.startswith(prefix):
            name, _, piece = line.removeprefix(prefix).partition(" ")
            pieces.setdefault(name, []).append(piece)
        else:
            output.append(line)
    try:
        given = {name: _decode(parts) for name, parts in pieces.items()}
    except ValueError as error:
        raise ConnectionFailed(f"{host} gave a damaged answer", fix="run again") from error
    return Answer(code, given, "\n".join(output[-LAST_LINES:]))


def _decode(pieces: list[str]) -> str:
    return b"".join(base64.b64decode(piece, validate=True) for piece in pieces).decode(errors="replace")


def in_parallel(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`work` done for all items at once, results in their order; raises what the first of them raised."""
    listed = list(items)
    with ThreadPoolExecutor(max_workers=max(1, len(listed))) as pool:
        return list(pool.map(work, listed))


@contextmanager
def progress(report: Reporter, host: str, step: str, title: str) -> Iterator[None]:
    """Tells the reporter that something starts, and how it ended."""
    started = time.monotonic()
    report(Event(host, step, title, "start"))
    try:
        yield
    except BaseException as error:
        report(Event(host, step, title, "failed", time.monotonic() - started, note=str(error)))
        raise
    report(Event(host, step, title, "ok", time.monotonic() - started))
