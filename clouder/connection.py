"""One kept SSH connection to one host: runs a payload, puts a directory, fetches a file.

Fabric holds the connection. Its host-key policy (accept everything), its runner (polls; one byte of stdin
each 10 ms) and its waiting (for ever on a frozen host) are replaced here, as told in
https://github.com/fabric/fabric/issues/2071 and https://github.com/pyinvoke/invoke/issues/774.
"""

from __future__ import annotations

import hashlib
import logging
import os
import random
import secrets
import tarfile
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fabric
import paramiko

from clouder import bootstrap, handshake
from clouder.bootstrap import Payload
from clouder.errors import Aborted, AccessError, ClouderError, ConnectionFailed, RemoteError
from clouder.handshake import BROKEN, private_key, reason
from clouder.jump import Way
from clouder.store import private_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from clouder.inventory import Address, Host

__all__ = ["Connection", "Payload"]

SILENCE = 14.0  # seconds without a sign of life; below 15, so that the report comes within 15
LOCK_WAIT = 60  # seconds to wait for an earlier run on the same host
GRACE = 2.0  # seconds to wait for output that a daemon of the finished run holds open
CHUNK = 32_000  # bytes, one SSH packet

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # else its tracebacks land on the terminal


def ignore(line: str) -> None:
    """Take a line of output and do nothing."""


class Connection:
    """The SSH connection to `host`, which must show `host_key` ("ssh-ed25519 AAAA..."); a context manager.

    Methods raise ConnectionFailed when the host cannot be reached, is not the right one or ends the
    connection before the result is known, RemoteError when it refuses the work, Aborted when an earlier run
    still holds it.
    """

    def __init__(self, host: Host, *, key_file: Path, host_key: str) -> None:
        self.host = host
        self._key_file = key_file
        self._host_key = _pinned(host, host_key)
        self._sudo = host.ssh.user != "root"
        self._closing = threading.Event()
        self._way: Way | None = None
        self._fabric: Any = None

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self, *, deadline: float) -> None:
        """Connect, waiting up to `deadline` seconds for a host that still boots.

        A wrong host key and a refused login are final and raise at once.
        """
        key = private_key(self._key_file)
        self._drop()  # what may be left of an earlier one
        start, pause = time.monotonic(), 0.2
        while True:
            try:
                return self._connect(key, max(start + deadline - time.monotonic(), 0.1))
            except ConnectionFailed:  # the bastion's
                self._drop()
                raise
            except BROKEN as error:
                final = self._final(error)
                self._drop()
                self._raise_if_closed()
                if final:
                    raise final from error
                left = start + deadline - time.monotonic()
                if left <= 0:
                    raise self._unreachable(error, time.monotonic() - start) from error
            # The jitter keeps lanes that sshd dropped together from coming back together.
            self._closing.wait(min(left, pause * random.uniform(0.5, 1.5)))  # noqa: S311
            pause = min(pause * 1.5, 1.0)

    def run(
        self, payload: Payload, *, on_line: Callable[[str], None] = ignore, silence: float = SILENCE
    ) -> int:
        """Run `payload` as root and return its exit code; output goes line by line, cleaned, to `on_line`.

        Nothing runs unless the payload arrived whole; no code is returned unless the host said how it ended.
        """
        data = payload.tar()
        lines = bootstrap.Lines(on_line)
        report = self._exchange(
            bootstrap.RUN,
            (bootstrap.digest(data), str(LOCK_WAIT)),
            feed=lambda send: send(data),
            on_output=lines.feed,
            on_line=on_line,
            silence=silence,
        )
        lines.end()
        return report.code

    def put_tree(self, directory: Path, destination: str, *, silence: float = SILENCE) -> None:
        """Make `destination` (absolute, on the host) a copy of `directory` owned by root: all or nothing."""
        if not directory.is_dir():
            raise AccessError(f"there is no directory {directory}")
        new = f"{_safe(destination)}.clouder-{secrets.token_hex(8)}"
        hasher = hashlib.sha256()

        def feed(send: Callable[[bytes], None]) -> None:
            def both(data: bytes) -> int:
                hasher.update(data)
                send(data)
                return len(data)

            _pack(directory, both)

        report = self._exchange(bootstrap.UPLOAD, (new, destination), feed=feed, silence=silence)
        self._compare(report, hasher.hexdigest(), destination)
        lines: list[str] = []
        if self.run(bootstrap.install_payload(new, destination), on_line=lines.append, silence=silence):
            raise RemoteError(f"{self.host.name} cannot install {destination}", details="\n".join(lines))

    def fetch(self, source: str, target: Path, *, silence: float = SILENCE) -> None:
        """Copy the file `source`, which only root may read, to the local `target` (0600): all or nothing."""
        hasher = hashlib.sha256()
        with _replacing(target) as file:

            def keep(data: bytes) -> None:
                hasher.update(data)
                file.write(data)

            report = self._exchange(bootstrap.FETCH, (_safe(source),), on_output=keep, silence=silence)
            self._compare(report, hasher.hexdigest(), source)

    def close(self) -> None:
        """End the connection; a `run` in another thread ends with ConnectionFailed."""
        self._closing.set()
        self._drop()

    # Connecting

    def _connect(self, key: paramiko.PKey, seconds: float) -> None:
        address = self.host.ssh
        with handshake.turn(address.host, address.port, seconds):
            self._way = Way(address, key)
            sock = self._way.open(seconds)
            self._raise_if_closed()
            self._log_in(sock, key, min(seconds, handshake.ATTEMPT))

    def _log_in(self, sock: Any, key: paramiko.PKey, seconds: float) -> None:
        address = self.host.ssh
        self._fabric = fabric.Connection(
            address.host,
            user=address.user,
            port=address.port,
            config=_config(),
            connect_kwargs={**handshake.login(key, seconds), "sock": sock},
        )
        client = self._fabric.client
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        name = handshake.known_as(address.host, address.port)
        client.get_host_keys().add(name, self._host_key.get_name(), self._host_key)
        self._fabric.open()
        self._fabric.transport.set_keepalive(handshake.KEEPALIVE)

    def _drop(self) -> None:
        """Cut the connection without waiting for the host, which may be frozen."""
        way, connection = self._way, self._fabric
        if way is not None:
            way.cut()
        if connection is not None:
            connection.client.close()
        if way is not None:
            way.close()

    # One exec

    def _exchange(
        self,
        script: str,
        arguments: tuple[str, ...],
        *,
        feed: Callable[[Callable[[bytes], None]], None] = lambda _send: None,
        on_output: Callable[[bytes], None] = lambda _data: None,
        on_line: Callable[[str], None] = ignore,
        silence: float = SILENCE,
    ) -> bootstrap.Report:
        """Run one of the bootstrap scripts: send what `feed` gives, hand on its output, return its report."""
        run = secrets.token_hex(8)
        report = bootstrap.Report(run, on_line)
        command = bootstrap.command(script, run, *arguments, sudo=self._sudo)
        status, broken = -1, None
        with _Watch(silence, self._drop) as watch:
            try:
                channel = self._channel(command)
            except BROKEN as error:
                raise self._lost(watch, error) from error
            arrived = _Arrival(watch)
            channel.in_buffer.set_event(arrived)
            channel.in_stderr_buffer.set_event(arrived)
            try:
                broken = _send(channel, feed, watch)
                _collect(channel, arrived, on_output, report)
                channel.status_event.wait()
                status = channel.exit_status
            finally:
                with suppress(*BROKEN):
                    channel.close()
        report.end()
        return self._judged(report, status, watch, broken)

    def _channel(self, command: str) -> paramiko.Channel:
        self._raise_if_closed()
        if self._fabric is None or not self._fabric.is_connected:
            raise EOFError("the connection is not open")
        channel: paramiko.Channel = self._fabric.transport.open_session()
        channel.exec_command(command)
        return channel

    def _judged(
        self, report: bootstrap.Report, status: int, watch: _Watch, broken: Exception | None
    ) -> bootstrap.Report:
        """The report, if host and channel agree how the run ended; else the error that fits."""
        if report.ended and report.code == status:
            return report
        if report.refused.startswith("busy"):
            raise Aborted(
                f"an earlier run still works on {self.host.name} after {LOCK_WAIT} s: {report.refused[5:]}",
                fix="wait until it is done and run again",
            )
        if report.refused:
            raise RemoteError(f"{self.host.name}: {report.refused}", details=report.noise)
        if self._sudo and "sudo" in report.noise:
            raise RemoteError(
                f"{self.host.ssh.user} cannot become root on {self.host.name} without a password",
                fix=f"on {self.host.name}: echo '{self.host.ssh.user} ALL=(ALL) NOPASSWD:ALL' "
                "| sudo tee /etc/sudoers.d/clouder",
                details=report.noise,
            )
        raise self._lost(watch, broken, details=report.noise)

    def _compare(self, report: bootstrap.Report, ours: str, path: str) -> None:
        if report.sum != ours:
            raise self._failed(
                f"and this machine hold different copies of {path}; it was not used", fix="run again"
            )

    # Errors

    def _final(self, error: Exception) -> ClouderError | None:
        """The error to raise at once, if trying again cannot help."""
        address = self.host.ssh
        if isinstance(error, handshake.OTHER_KEY):
            return self._failed(
                f"shows another host key at {_where(address)} than the pinned one; nothing was sent to it",
                fix="find out which machine answers there; one that was replaced needs its new key pinned",
                details=str(error),
            )
        transport = self._fabric.client.get_transport() if self._fabric else None
        # A host that boots hangs up during the login; one that refuses says so and stays.
        stays = transport is not None and transport.is_active() and "timeout" not in str(error)
        if isinstance(error, paramiko.AuthenticationException) and stays:
            return self._failed(
                f"refuses the login of {address.user} at {_where(address)} with the key {self._key_file}",
                fix=f"ssh -i {self._key_file} -p {address.port} {address.user}@{address.host}",
            )
        return None

    def _unreachable(self, error: Exception, seconds: float) -> ConnectionFailed:
        return self._failed(
            f"does not answer SSH at {_where(self.host.ssh)} after {seconds:.0f} s: {reason(error)}",
            fix="see that the machine runs and that its firewall lets this address in, then run again",
        )

    def _lost(self, watch: _Watch, error: Exception | None, *, details: str = "") -> ConnectionFailed:
        if self._closing.is_set():
            return self._failed("was let go: the connection was closed on this side")
        if watch.fired:
            return self._failed(
                f"has shown no sign of life for {watch.silence:.0f} s (frozen, or cut off from the network)",
                fix="see that the machine runs, then run again: finished steps are not repeated",
            )
        because = f": {reason(error)}" if error else ""
        return self._failed(
            f"ended the connection before it said how the work went{because}",
            fix="run again: finished steps are not repeated",
            details=details,
        )

    def _raise_if_closed(self) -> None:
        if self._closing.is_set():
            self._drop()  # what was opened while `close` ran
            raise self._failed("was let go: the connection was closed on this side")

    def _failed(self, problem: str, *, fix: str = "", details: str = "") -> ConnectionFailed:
        return ConnectionFailed(f"{self.host.name} {problem}", fix=fix, details=details)


class _Watch:
    """Calls `cut` after `silence` seconds without a sign of life: a frozen host keeps its TCP connection.

    A thread of its own, since paramiko's calls for exec and for writing to the socket know no timeout.
    """

    def __init__(self, silence: float, cut: Callable[[], None]) -> None:
        self.silence = silence
        self.fired = False
        self._cut = cut
        self._seen = time.monotonic()
        self._over = threading.Event()

    def __enter__(self) -> _Watch:
        threading.Thread(target=self._wait, name="clouder-watch", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()

    def alive(self) -> None:
        """Note a sign of life."""
        self._seen = time.monotonic()

    def _wait(self) -> None:
        left = self.silence
        while not self._over.wait(left):
            left = self._seen + self.silence - time.monotonic()
            if left <= 0:
                self.fired = True
                self._cut()
                return


class _Arrival(threading.Event):
    """Set by paramiko when a channel has data or ends; only `rest` clears it.

    paramiko clears it after a read that empties one of two streams, and would lose what came on the other.
    """

    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def set(self) -> None:
        """Wake the reader."""
        self._watch.alive()
        super().set()

    def clear(self) -> None:
        """Leave it as it is."""

    def rest(self) -> None:
        """Forget what was seen so far; to be called before the streams are read."""
        super().clear()


class _Lost(Exception):
    """The channel broke while data was sent; the cause tells how."""


def _send(
    channel: paramiko.Channel, feed: Callable[[Callable[[bytes], None]], None], watch: _Watch
) -> Exception | None:
    """Send what `feed` gives, then end of file; what broke the channel, as the host may still say why."""

    def send(data: bytes) -> None:
        for start in range(0, len(data), CHUNK):
            try:
                channel.sendall(data[start : start + CHUNK])
            except BROKEN as error:
                raise _Lost from error
            watch.alive()

    try:
        feed(send)
        channel.shutdown_write()
    except _Lost as lost:
        return lost.__cause__ if isinstance(lost.__cause__, Exception) else lost
    except BROKEN as error:
        return error
    return None


def _collect(
    channel: paramiko.Channel, arrived: _Arrival, on_output: Callable[[bytes], None], report: bootstrap.Report
) -> None:
    """Read both streams until they end, or no more comes though the host said that the work is done."""
    while True:
        awake = arrived.wait(GRACE if report.ended else None)
        arrived.rest()
        over = channel.eof_received or channel.closed
        while channel.recv_ready():
            on_output(channel.recv(1 << 16))
        while channel.recv_stderr_ready():
            report.feed(channel.recv_stderr(1 << 16))
        if over or not awake:
            return


def _pack(directory: Path, write: Callable[[bytes], int]) -> None:
    """Write `directory` as a tar to `write`; owners and sockets are left out, names come in order."""

    class Sink:
        def write(self, data: bytes) -> int:
            return write(data)

    def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    sink: Any = Sink()
    try:
        with tarfile.open(fileobj=sink, mode="w|", bufsize=CHUNK) as archive:
            archive.add(directory, arcname=".", filter=anonymous)
    except OSError as error:
        raise AccessError(f"cannot read {error.filename or directory}: {error.strerror or error}") from error


@contextmanager
def _replacing(target: Path) -> Iterator[Any]:
    """A 0600 file that takes the place of `target` when the block ends well, and else is gone."""
    private_dir(target.parent)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise AccessError(f"cannot write {target}: {error.strerror}", fix="free some space") from error
    finally:
        temporary.unlink(missing_ok=True)


def _config() -> Any:
    """Settings without fabric's, invoke's or SSH's files; one each, as a connection writes into its own."""
    return fabric.Config(lazy=True, ssh_config=paramiko.SSHConfig())


def _pinned(host: Host, line: str) -> paramiko.PKey:
    try:
        return handshake.public_key(line)
    except ValueError as error:
        raise ConnectionFailed(
            f"{host.name} has no usable pinned host key: it must be one ssh-ed25519 public key"
        ) from error


def _safe(path: str) -> str:
    if not path.startswith("/") or path.endswith("/") or ".." in path.split("/") or not path.isprintable():
        raise RemoteError(f"not a path to use on a host: {path!r:.200}")
    return path


def _where(address: Address) -> str:
    return f"{address.user}@{address.host}:{address.port}"
