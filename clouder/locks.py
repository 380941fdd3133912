"""Locks between processes: one run at a time for each cluster, freed by the kernel when its holder dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from contextlib import contextmanager
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

from clouder.errors import Aborted, AccessError, NotFoundError
from clouder.store import private_dir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def wait_for(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, after whoever holds it now; for work of less than a second."""
    private_dir(path.parent)
    with _open(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def hold(path: Path, *, what: str, command: str) -> Iterator[None]:
    """Hold the lock file `path` for `what` while `command` runs; raises Aborted when somebody else
    does, NotFoundError when its directory is gone.

    flock belongs to the open file, which no child inherits: it ends with this process, even by SIGKILL.
    """
    while True:
        with _open(path) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Aborted(
                    f"{what} is being worked on by {_describe(file)}",
                    fix="wait for it to end, then try again",
                ) from None
            if not _still_there(path, file):
                continue  # the holder before us removed the directory: what we hold is nobody's lock
            _write_owner(file, command)
            yield
            return


def _open(path: Path) -> IO[str]:
    try:
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), "r+")
    except FileNotFoundError:
        raise NotFoundError(
            f"{path.parent} is gone: it was deleted meanwhile", fix="clouder k8s ls shows what is there"
        ) from None
    except OSError as error:
        raise AccessError(f"cannot write {path}: {error.strerror}", fix="make it writable") from error


def _still_there(path: Path, file: IO[str]) -> bool:
    try:
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False


def _write_owner(file: IO[str], command: str) -> None:
    owner = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "command": command,
        "since": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    file.seek(0)
    file.truncate()
    json.dump(owner, file)
    file.flush()


def _describe(file: IO[str]) -> str:
    try:
        owner: dict[str, Any] = json.loads(file.read())
        since = datetime.fromisoformat(owner["since"]).strftime("%H:%M:%S")
        return f"`{owner['command']}` (pid {owner['pid']}, since {since} on host {owner['host']})"
    except (ValueError, KeyError, TypeError):
        return "another run that has just started"
