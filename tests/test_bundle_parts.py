import threading
import time
from pathlib import Path

import pytest

from clouder.bundle.events import Event, ignore
from clouder.bundle.parts import Part, make_parts, missing_parts
from clouder.bundle.processes import Processes
from clouder.errors import AccessError, ClouderError, Interrupted


def part(name, *, inputs="1", needs=(), make=None):
    def write(target: Path, finished):
        (target / "made").write_text(name + "".join(sorted(finished[need].name for need in needs)))

    return Part(name, inputs, make or write, needs)


def states(parts, cache, processes=None):
    events: list[Event] = []
    make_parts(parts, cache, processes=processes or Processes(), progress=events.append)
    return sorted((event.part, event.state) for event in events)


def fail(target, finished):
    (target / "half").write_text("half")
    raise ClouderError("no")


def test_every_part_is_made_once(tmp_path):
    parts = [part("a"), part("b", needs=["a"])]
    assert states(parts, tmp_path) == [("a", "done"), ("a", "start"), ("b", "done"), ("b", "start")]
    assert states(parts, tmp_path) == [("a", "cached"), ("b", "cached")]
    assert missing_parts(parts, tmp_path) == set()


def test_a_changed_input_makes_again_what_depends_on_it_and_nothing_else(tmp_path):
    def table(inputs):
        return [part("a", inputs=inputs), part("b"), part("c", needs=["a"]), part("d", needs=["b"])]

    states(table("1"), tmp_path)
    assert missing_parts(table("2"), tmp_path) == {"a", "c"}


def test_a_failed_part_leaves_nothing_and_only_it_is_made_again(tmp_path):
    with pytest.raises(ClouderError):
        states([part("a"), part("b", needs=["a"], make=fail)], tmp_path)
    assert [path.name.split("-")[0] for path in tmp_path.iterdir() if path.is_dir()] == ["a"]
    assert states([part("a"), part("b", needs=["a"])], tmp_path) == [
        ("a", "cached"),
        ("b", "done"),
        ("b", "start"),
    ]


def test_a_failure_is_told_with_its_message_and_ends_what_runs_beside_it(tmp_path):
    processes = Processes()

    def sleep(target, finished):
        processes.run(["sleep", "60"], log=tmp_path / "log")

    def wait_then_fail(target, finished):
        while not processes._running:
            time.sleep(0.01)
        raise ClouderError("no")

    events: list[Event] = []
    started = time.monotonic()
    with pytest.raises(ClouderError, match="no"):
        make_parts(
            [part("slow", make=sleep), part("bad", make=wait_then_fail)],
            tmp_path / "cache",
            processes=processes,
            progress=events.append,
        )
    assert time.monotonic() - started < 10
    assert ("bad", "failed", "no") in [(event.part, event.state, event.note) for event in events]


def test_independent_parts_run_side_by_side(tmp_path):
    meeting = threading.Barrier(2, timeout=10)

    def meet(target, finished):
        meeting.wait()

    make_parts([part("a", make=meet), part("b", make=meet)], tmp_path, processes=Processes(), progress=ignore)


@pytest.mark.parametrize(
    ("printed", "error", "words"),
    [
        ("compile: writing: No space left on device", AccessError, "disk is full"),
        ("dial tcp: lookup proxy.example: no such host", AccessError, "registry"),
        ("E: Failed to fetch http://example/x", AccessError, "registry"),
        ("main.go:3: undefined: x", ClouderError, "sh failed"),
    ],
)
def test_a_failed_program_is_explained(tmp_path, printed, error, words):
    with pytest.raises(error, match=words) as caught:
        Processes().run(["sh", "-c", f"echo '{printed}' >&2; exit 3"], log=tmp_path / "log")
    assert caught.value.fix
    assert printed in caught.value.details


def test_what_an_earlier_run_left_in_the_log_is_not_taken_for_the_cause(tmp_path):
    (tmp_path / "log").write_text("no space left on device\n")
    with pytest.raises(ClouderError, match="sh failed"):
        Processes().run(["sh", "-c", "echo wrong; exit 1"], log=tmp_path / "log")


def test_a_missing_program_is_named_with_its_package(tmp_path):
    with pytest.raises(AccessError, match="no-such-program") as caught:
        Processes().run(["no-such-program"], log=tmp_path / "log", install="the-package")
    assert caught.value.fix == "sudo apt-get install the-package"


def test_stop_ends_children_and_grandchildren_and_refuses_new_ones(tmp_path):
    processes = Processes()
    outcome: list[BaseException] = []

    def work():
        try:
            processes.run(["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/pid; wait"], log=tmp_path / "log")
        except Interrupted as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    deadline = time.monotonic() + 10
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    processes.stop()
    thread.join(10)
    assert len(outcome) == 1
    child = int((tmp_path / "pid").read_text())
    while _runs(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(Interrupted):
        processes.run(["true"], log=tmp_path / "log")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
