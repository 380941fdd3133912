import multiprocessing
import os
import subprocess
import time
from pathlib import Path

import pytest

from clouder.bundle.events import ignore
from clouder.bundle.parts import Part, make_parts
from clouder.bundle.processes import Processes
from clouder.bundle.shelf import make_once
from clouder.errors import AccessError, Interrupted


def build_slowly(target: Path, made: Path, waiting: Path) -> None:
    """What each of two processes does: the first one to build waits until the other one has to wait."""

    def make(directory: Path) -> None:
        with made.open("a") as file:
            file.write("x")
        deadline = time.monotonic() + 20
        while not waiting.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        (directory / "whole").write_text("yes")

    make_once(target, make, processes=Processes(), waiting=lambda: waiting.write_text("waiting"))


def test_two_builders_at_once_build_once_and_the_second_says_that_it_waits(tmp_path):
    target, made, waiting = tmp_path / "bundle", tmp_path / "made", tmp_path / "waiting"
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=build_slowly, args=(target, made, waiting)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(30)
    assert [process.exitcode for process in both] == [0, 0]
    assert made.read_text() == "x"
    assert waiting.read_text() == "waiting"
    assert (target / "whole").read_text() == "yes"


def never() -> None:
    raise AssertionError("nobody else builds")


def hold_lock(target: Path, held: Path) -> None:
    def make(directory: Path) -> None:
        held.touch()
        time.sleep(60)

    make_once(target, make, processes=Processes(), waiting=never)


def test_waiting_for_another_build_ends_when_this_one_is_stopped(tmp_path):
    holder = multiprocessing.get_context("fork").Process(
        target=hold_lock, args=(tmp_path / "b", tmp_path / "held")
    )
    holder.start()
    deadline = time.monotonic() + 10
    while not (tmp_path / "held").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    processes = Processes()
    with pytest.raises(Interrupted):
        make_once(tmp_path / "b", lambda _: None, processes=processes, waiting=processes.stop)
    holder.kill()
    holder.join()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failed_build_leaves_no_directory(tmp_path, error):
    def make(directory: Path) -> None:
        (directory / "half").write_text("half")
        raise error

    with pytest.raises(error):
        make_once(tmp_path / "bundle", make, processes=Processes(), waiting=never)
    assert [path.name for path in tmp_path.iterdir()] == [".bundle.lock"]


def test_what_a_killed_build_left_is_removed_by_the_next(tmp_path):
    (tmp_path / ".bundle.abc").mkdir()
    (tmp_path / ".bundle.abc/half").write_text("half")
    make_once(
        tmp_path / "bundle",
        lambda directory: (directory / "whole").touch(),
        processes=Processes(),
        waiting=never,
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [".bundle.lock", "bundle"]


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False).returncode != 0:
        pytest.skip("mounting a tmpfs needs root")
    yield disk
    subprocess.run(["umount", disk], check=True)


def write_2_mib(target, finished):
    (target / "big").write_bytes(os.urandom(2 << 20))


def run_to_2_mib(target, finished):
    command = ["dd", "if=/dev/zero", f"of={target}/big", "bs=64k", "count=32"]
    Processes().run(command, log=target.parent.parent / "log")


@pytest.mark.parametrize("make", [write_2_mib, run_to_2_mib])
def test_a_full_disk_is_one_clear_error_and_leaves_nothing(small_disk, make):
    with pytest.raises(AccessError, match="the disk is full") as caught:
        make_parts([Part("big", "", make)], small_disk / "cache", processes=Processes(), progress=ignore)
    assert "CLOUDER_CACHE" in caught.value.fix
    assert [path.suffix for path in (small_disk / "cache").iterdir()] == [".lock"]


def test_a_disk_that_fills_up_at_the_end_leaves_no_half_bundle(small_disk):
    with pytest.raises(AccessError, match="the disk is full"):
        make_once(
            small_disk / "bundle",
            lambda directory: write_2_mib(directory, {}),
            processes=Processes(),
            waiting=never,
        )
    assert [path.name for path in small_disk.iterdir()] == [".bundle.lock"]
