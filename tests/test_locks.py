"""One holder at a time, freed by the kernel."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from clouder import locks
from clouder.errors import Aborted, AccessError, NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
import sys, time
from pathlib import Path
from clouder import locks
with locks.hold(Path(sys.argv[1]), what="cluster demo", command="clouder k8s create demo"):
    print("held", flush=True)
    time.sleep(600)
"""


def holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_caller_learns_who_holds_it_at_once(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path) as process:
        started = time.monotonic()
        with (
            pytest.raises(Aborted) as refused,
            locks.hold(path, what="cluster demo", command="clouder k8s delete demo"),
        ):
            pytest.fail("held twice")
        assert time.monotonic() - started < 1
        process.kill()
    assert re.fullmatch(
        r"cluster demo is being worked on by `clouder k8s create demo` "
        rf"\(pid {process.pid}, since \d\d:\d\d:\d\d on host \S+\)",
        refused.value.message,
    )
    assert refused.value.fix


def test_a_lock_whose_holder_was_killed_is_taken_at_once(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path) as process:
        process.send_signal(signal.SIGKILL)
    with locks.hold(path, what="cluster demo", command="mine"):
        assert f'"pid": {os.getpid()}' in path.read_text()


def test_it_can_be_held_again_after_its_end_and_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    for _ in range(2):
        with (
            pytest.raises(ZeroDivisionError),
            locks.hold(path, what="x", command="longer than the next"),
        ):
            raise ZeroDivisionError
    with locks.hold(path, what="x", command="b"):
        pass
    assert path.read_text().count("{") == 1


def test_the_same_process_cannot_hold_it_twice(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.hold(path, what="x", command="first"), pytest.raises(Aborted, match="`first`"):
        locks.hold(path, what="x", command="second").__enter__()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_an_owner_that_cannot_be_read_is_still_an_owner(content: str, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.hold(path, what="x", command="first"):
        path.write_text(content)
        with pytest.raises(Aborted, match="another run that has just started"):
            locks.hold(path, what="x", command="second").__enter__()


def test_a_child_does_not_inherit_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.hold(path, what="x", command="first"):
        child = subprocess.Popen(["sleep", "60"])
    try:
        with locks.hold(path, what="x", command="second"):
            pass
    finally:
        child.kill()
        child.wait()


def test_of_a_directory_that_was_removed_nothing_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    with locks.hold(folder / "lock", what="x", command="delete"):
        (folder / "lock").unlink()
        folder.rmdir()
    with pytest.raises(NotFoundError, match="deleted meanwhile"):
        locks.hold(folder / "lock", what="x", command="create").__enter__()
    assert not folder.exists()


def test_a_removed_lock_file_is_not_what_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is opened, its directory replaced by another run, and only then locked."""
    path = tmp_path / "lock"
    answers = iter([False, True])
    monkeypatch.setattr(locks, "_still_there", lambda *_: next(answers))
    with locks.hold(path, what="x", command="mine"):
        assert next(answers, None) is None


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AccessError, match="cannot write"):
        locks.hold(tmp_path / "lock", what="x", command="c").__enter__()
    assert not (tmp_path / "elsewhere").exists()


def test_its_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with locks.hold(tmp_path / "lock", what="x", command="c"):
            assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_waiting_for_a_short_lock_makes_its_directory_and_takes_turns(tmp_path: Path) -> None:
    path = tmp_path / "home" / "addresses.lock"
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        with locks.wait_for(path):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.01)
            inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8
