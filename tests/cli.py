"""Helpers to run the command line: in this process, in one of its own, and on a terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.testing import CliRunner

from clouder.cli.root import root

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from click.testing import Result

COMMAND = [sys.executable, "-m", "clouder.cli"]


def run(*args: str, stdin: str | bytes | None = None) -> Result:
    """The result of `clouder ARGS` in this process."""
    return CliRunner().invoke(root, args, input=stdin, prog_name="clouder", env={"COLUMNS": "80"})


def start(*args: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The result of `clouder ARGS` in a process of its own."""
    return subprocess.run(
        [*COMMAND, *args], capture_output=True, text=True, check=False, env={**os.environ, **more}
    )


def on_terminal(
    argv: Sequence[str],
    answers: Sequence[tuple[bytes, bytes]] = (),
    *,
    env: Mapping[str, str],
    timeout: float = 60,
) -> tuple[str, int]:
    """What a program shows on a terminal, and its exit code; `answers` are typed at their prompts."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(argv[0], argv, {**os.environ, "COLUMNS": "80", **env})
    shown, left, deadline = b"", list(answers), time.monotonic() + timeout
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            data = os.read(terminal, 65536)
        except OSError:  # Linux says so when the program has ended
            break
        shown += data
        if left and left[0][0] in shown:
            _until_it_reads(pid)
            os.write(terminal, left.pop(0)[1])
    else:
        os.kill(pid, 9)
    os.close(terminal)
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _until_it_reads(pid: int) -> None:
    """A Ctrl-C between the prompt and the read of the answer would be seen only with the next key."""
    asleep = 0
    while asleep < 5:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        asleep = asleep + 1 if state == "S" else 0
        time.sleep(0.02)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command and group with the words that call it, such as `clouder k8s create`."""
    waiting: list[tuple[str, click.Command]] = [("clouder", root)]
    while waiting:
        path, command = waiting.pop(0)
        yield path, command
        if isinstance(command, click.Group):
            context = click.Context(command, info_name=path)
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found is not None
                waiting.append((f"{path} {name}", found))
