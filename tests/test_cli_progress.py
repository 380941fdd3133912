"""Progress on stderr: JSON lines, plain lines, a live list on a terminal, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clouder.cli.live import Live
from clouder.cli.progress import JsonLines, Lines, Progress, duration
from clouder.providers import PROVIDERS
from clouder.step import Event
from tests.cli import COMMAND, on_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

LB = "module.cluster.terraform_data.lb"
EVENTS = [
    Event("", "bundle", "Get the bundle", "start"),
    Event("", "bundle/etcd", "etcd", "start"),
    Event("", "bundle/pause", "pause", "cached"),
    Event("", "bundle/etcd", "etcd", "done", 75.0),
    Event("", "bundle", "Get the bundle", "ok", 75.2),
    Event("", "machines", "Create the machines", "start"),
    Event(
        "", "terraform/module.cluster.terraform_data.lb", "module.cluster.terraform_data.lb", "apply_start"
    ),
    Event("", "terraform/", "", "change_summary", note="Plan: 1 to add"),
    Event(
        "",
        "terraform/module.cluster.terraform_data.lb",
        "module.cluster.terraform_data.lb",
        "apply_complete",
        1,
    ),
    Event("", "terraform/", "", "warning", note="stopping: terraform finishes what it has begun"),
    Event("", "machines", "Create the machines", "ok", 4.25),
    Event("n1", "connect", "Connect", "start"),
    Event("n1", "connect", "Connect", "ok", 0.31),
    Event("n1", "base", "Prepare the kernel", "done"),
    Event("n1", "packages", "Install packages", "done"),
    Event("n2", "base", "Prepare the kernel", "done"),
    Event("n1", "init", "Initialise the control plane", "start"),
    Event("n1", "init", "Initialise the control plane", "ok", 212.4),
    Event("n2", "join", "Join", "start"),
    Event("n2", "join", "Join", "failed", note="n2: Join failed with exit code 1\nmore"),
    Event("n2", "labels", "Label the nodes", "blocked"),
    Event("n2", "ready", "Wait", "blocked"),
]
PLAIN = """\
… Get the bundle
…   etcd
✓   etcd                                                                  75 s
✓ Get the bundle                                                          75 s
… Create the machines
✓   terraform_data.lb                                                    1.0 s
· stopping: terraform finishes what it has begun
✓ Create the machines                                                    4.2 s
✓ n1: Connect                                                            0.3 s
✓ n1: 2 steps done before
✓ n1: Initialise the control plane                                  3 min 32 s
✓ n2: 1 step done before
✗ n2: Join: n2: Join failed with exit code 1                             0.0 s
- n2: 2 steps not started
"""


def tell(progress: Progress) -> None:
    with progress:
        for event in EVENTS:
            progress(event)


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    tell(Lines())
    assert capsys.readouterr() == ("", PLAIN)


def test_json_lines_hold_every_event(capsys: pytest.CaptureFixture[str]) -> None:
    tell(JsonLines())
    lines = capsys.readouterr().err.splitlines()
    assert [Event(**json.loads(line)) for line in lines] == EVENTS


DURATIONS = [
    (0, "0.0 s"),
    (9.94, "9.9 s"),
    (10, "10 s"),
    (9.96, "10 s"),
    (99.4, "99 s"),
    (100, "1 min 40 s"),
    (3599.9, "60 min 0 s"),
]


@pytest.mark.parametrize(("seconds", "text"), DURATIONS)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


SHOW = """
import sys, time
from clouder.cli.progress import telling
from clouder.step import Event
with telling() as report:
    report(Event("n1", "init", "Initialise the control plane", "start"))
    for number in range(40):
        report(Event(f"node-{number}", "join", "Join " + "x" * 100, "start"))
    time.sleep(0.4)
    report(Event("n1", "init", "Initialise the control plane", "ok", 1.0))
"""
PLAINLY = [{"NO_COLOR": "1", "TERM": "xterm"}, {"CI": "true", "TERM": "xterm"}, {"TERM": "dumb"}]


@pytest.fixture
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "CI", "TERM"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_quiet")
def test_a_terminal_gets_a_live_list_of_80_columns() -> None:
    shown, code = on_terminal([sys.executable, "-c", SHOW], env={"TERM": "xterm"})
    assert code == 0
    assert "\x1b[2K" in shown  # lines are redrawn
    assert "and 29 more" in shown  # of the 41 that run, 12 are shown
    assert shown.count("Initialise the control plane") > 2
    assert "✓" in shown.replace("\x1b[32m", "")
    assert "x" * 81 not in shown


@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("env", PLAINLY, ids=lambda env: next(iter(env)))
def test_a_terminal_that_wants_none_gets_no_codes(env: dict[str, str]) -> None:
    shown, code = on_terminal([sys.executable, "-c", SHOW], env=env)
    assert (code, "\x1b" in shown) == (0, False)
    assert "✓ n1: Initialise the control plane" in shown


def test_no_terminal_gets_no_codes_and_does_not_import_rich() -> None:
    script = SHOW + "\nassert 'rich' not in sys.modules\n"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, "\x1b" in done.stderr) == ("", False)


def test_the_live_list_tells_every_end() -> None:
    progress = Live()
    tell(progress)
    assert progress.running == {}


STOP = """
import sys, time
from clouder.cli.outcome import exit_code
from clouder.cli.progress import telling
from clouder.step import Event
def work():
    with telling() as report:
        report(Event("n1", "join", "Join", "start"))
        try:
            print("ready", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            print("stopping", flush=True)
            for _ in range(10_000):
                time.sleep(0.01)  # stands for terraform, which ends what it has begun
            raise
sys.exit(exit_code(work))
"""


@contextmanager
def stopping(*numbers: int, prepare: str = "") -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A run that is sent signals one by one, and what it said to each."""
    with subprocess.Popen(
        [sys.executable, "-c", prepare + STOP], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert process.stdout.readline() == "ready\n"
            lines = []
            for number in numbers:
                process.send_signal(number)
                lines.append(process.stderr.readline())
                if len(lines) == 1:
                    assert process.stdout.readline() == "stopping\n"
            yield process, lines
        finally:
            process.kill()


def test_a_second_ctrl_c_says_what_is_waited_for_and_a_third_insists() -> None:
    with stopping(signal.SIGINT, signal.SIGINT) as (process, lines):
        assert lines[0].startswith("· stopping")
        assert lines[1].startswith("· still waiting for n1: Join (")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_stop_as_ctrl_c_does(number: int) -> None:
    with stopping(number) as (_, lines):
        assert lines[0].startswith("· stopping")


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    ignore = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    with stopping(prepare=ignore) as (process, _):
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)


@pytest.mark.usefixtures("_quiet")
def test_what_is_missing_is_asked_on_a_terminal(tmp_path: Path) -> None:
    answers = [(b"Name of the cluster", b"Wrong_Name\n"), (b"Provider", b"\n"), (b"Workers", b"7\n")]
    env = {"TERM": "dumb", "CLOUDER_HOME": str(tmp_path / "home")}
    shown, code = on_terminal([*COMMAND, "k8s", "create"], answers, env=env)
    assert f"Provider ({', '.join(PROVIDERS)}) [local]: " in shown
    assert "Workers [2]: " in shown
    assert "error: the spec: name: use 1 to 40" in shown
    assert code == 3
    assert not (tmp_path / "home").exists()


ENDS = [(b"\x03", 130, "stopped"), (b"\x04", 10, "no answer was given; nothing was changed")]


@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize(("key", "code", "words"), ENDS, ids=["ctrl-c", "ctrl-d"])
def test_a_question_can_be_left(key: bytes, code: int, words: str, tmp_path: Path) -> None:
    env = {"TERM": "dumb", "CLOUDER_HOME": str(tmp_path / "home")}
    shown, ended = on_terminal([*COMMAND, "k8s", "create"], [(b"Name of the cluster", key)], env=env)
    assert (ended, words in shown) == (code, True)


def test_a_closed_stderr_does_not_stop_the_work() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", SHOW + "print('done')"], stdout=subprocess.PIPE, stderr=writer, check=False
    )
    os.close(writer)
    assert done.stdout == b"done\n"
