"""Child programs of a build: logged, ended together on Ctrl-C, their failures turned into one clear error."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from clouder.errors import AccessError, ClouderError, Interrupted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DISK_FULL = re.compile(r"no space left on device|not enough free space|disk quota exceeded", re.IGNORECASE)
NETWORK = re.compile(
    r"dial tcp|i/o timeout|TLS handshake|connection (refused|reset|timed out)|no such host"
    r"|network is unreachable|(could not|temporary failure) resol"
    r"|failed to fetch|unable to connect|unexpected EOF",
    re.IGNORECASE,
)
LAST_LINES = 12
FULL_BYTES = 64 << 10


class Processes:
    """The children of one build; `stop` ends all of them and refuses new ones."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        install: str = "",
        stdout: Path | None = None,
    ) -> None:
        """Run a program to its end, output added to `log` (or stdout to a file of its own).

        Raises AccessError when the program is missing (`install` names its Debian packages), the disk is full
        or the network fails, Interrupted after `stop`, and ClouderError with its last lines otherwise.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        start = log.stat().st_size if log.exists() else 0
        with log.open("ab") as errors, (stdout or log).open("ab") as output:
            status = self._wait(self._start(command, env, output.fileno(), errors.fileno(), install))
        self.check()
        if status != 0:
            raise failure(str(Path(command[0]).name), _read_from(log, start), log)

    def check(self) -> None:
        """Raise Interrupted after `stop`."""
        if self._stopped:
            raise Interrupted("the build was stopped", fix="run it again: finished parts are kept")

    def stop(self) -> None:
        """End every child and its own children; called once, from the thread that saw Ctrl-C or an error."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for child in running:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGTERM)
        for child in running:
            _end(child)

    def _start(
        self,
        command: Sequence[str | Path],
        env: Mapping[str, str] | None,
        output: int,
        errors: int,
        install: str,
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            self.check()
            try:
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    env={**os.environ, **(env or {})},
                    start_new_session=True,
                )
            except FileNotFoundError as error:
                raise missing(str(command[0]), install) from error
            self._running.add(child)
            return child

    def _wait(self, child: subprocess.Popen[bytes]) -> int:
        try:
            return child.wait()
        finally:
            with self._lock:
                self._running.discard(child)


def missing(program: str, packages: str) -> AccessError:
    """The error for a program that is not installed; `packages` are the Debian packages that hold it."""
    return AccessError(
        f"{Path(program).name} is needed to build a bundle and is not installed",
        fix=f"sudo apt-get install {packages}" if packages else f"install {program}",
    )


def failure(what: str, output: str, log: Path) -> ClouderError:
    """Name the cause of a failed program from what it printed."""
    details = "\n".join(output.strip().splitlines()[-LAST_LINES:])
    # A full disk may have swallowed the very message that says so.
    if DISK_FULL.search(output) or shutil.disk_usage(log.parent).free < FULL_BYTES:
        return disk_full(details)
    if NETWORK.search(output):
        return AccessError(
            f"{what} could not reach a package registry",
            fix="check the network and the proxy settings, then try again: finished parts are kept",
            details=details,
        )
    return ClouderError(f"{what} failed while building the bundle", fix=f"read {log}", details=details)


def disk_full(details: str = "") -> AccessError:
    """The error for a disk that filled up during a build."""
    return AccessError(
        "the disk is full",
        fix="free some space, or set CLOUDER_CACHE to a larger disk, then run the same command again",
        details=details,
    )


def explained(error: BaseException) -> BaseException:
    """The same error, or the one for a full disk where that was the cause of an OSError."""
    return disk_full(str(error)) if isinstance(error, OSError) and DISK_FULL.search(str(error)) else error


def _read_from(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")


def _end(child: subprocess.Popen[bytes]) -> None:
    try:
        child.wait(timeout=5)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
