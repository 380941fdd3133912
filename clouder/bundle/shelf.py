"""Directories that many processes may want at once: made by one of them, whole or not at all."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from clouder import store
from clouder.bundle.processes import Processes, explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POLL_S = 0.2


def make_once(
    target: Path, make: Callable[[Path], None], *, processes: Processes, waiting: Callable[[], None]
) -> None:
    """Let `make(directory)` fill a directory that becomes `target` when it is whole.

    Where another process is making it, `waiting()` is called and that one's result is taken.
    """
    store.private_dir(target.parent)
    with target.with_name(f".{target.name}.lock").open("w") as file, _locked(file, processes, waiting):
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
def _locked(file: IO[str], processes: Processes, waiting: Callable[[], None]) -> Iterator[None]:
    if not _try_lock(file):
        waiting()
        while not _try_lock(file):  # a blocking lock in a thread could not be given up on Ctrl-C
            processes.check()
            time.sleep(POLL_S)
    yield


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
