"""Directories that many processes may want at once: made by one of them, whole or not at all."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from clouder import store
from clouder.bundle.events import Event
from clouder.bundle.processes import explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def make_once(target: Path, make: Callable[[Path], None], progress: Callable[[Event], None]) -> None:
    """Let `make(directory)` fill a directory that becomes `target` when whole; a second caller waits."""
    store.private_dir(target.parent)
    with _only_one(target, progress):
        if not target.exists():
            _make_whole(target, make)


def _make_whole(target: Path, make: Callable[[Path], None]) -> None:
    for leftover in target.parent.glob(f".{target.name}.*/"):  # of a build that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        make(temporary)
        temporary.chmod(0o755)  # apt in a node reads it as a user of its own
        temporary.rename(target)
    except OSError as error:
        raise explained(error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _only_one(target: Path, progress: Callable[[Event], None]) -> Iterator[None]:
    with target.with_name(f".{target.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(Event(target.name, "start", note="another build of it is running: waiting for that"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
