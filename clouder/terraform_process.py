"""One terraform process that outlives Clouder without harm, and is found again by the next run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from clouder.errors import AccessError, Interrupted
from clouder.store import private_dir, write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

POLL_SECONDS = 0.05
PLUGIN_SECONDS = 20.0  # for what a plugin has begun; then it is killed


class Process:
    """A running terraform.

    It has a session of its own, so that a Ctrl-C at the terminal reaches Clouder alone: terraform counts two
    interrupts as an order to exit at once. It writes to files instead of pipes: were Clouder killed, the next
    write to a broken pipe would kill terraform in the middle of an apply, with resources it never wrote down.
    """

    def __init__(
        self, argv: Sequence[str], *, cwd: Path, environment: Mapping[str, str], folder: Path
    ) -> None:
        private_dir(folder)
        self._record = folder / "process.json"
        self._stdout = folder / "stdout"
        self._stderr = folder / "stderr"
        self._offset = 0
        try:
            with _create(self._stdout) as out, _create(self._stderr) as err:
                self._popen = subprocess.Popen(
                    argv,
                    cwd=cwd,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                    umask=0o077,
                )
        except OSError as error:
            raise AccessError(f"cannot run terraform: {error}") from error
        try:
            write_private(self._record, json.dumps(_identity(self._popen.pid, argv[1])))
        except AccessError:  # disk full: without the record the next run could not wait for this terraform
            self.kill()
            self._popen.wait()
            raise

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._popen.poll()

    def new_lines(self) -> list[str]:
        """The whole lines written since the last call, and the unfinished one once it has ended."""
        ended = self.exit_code is not None
        with self._stdout.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        end = len(data) if ended else data.rfind(b"\n") + 1
        self._offset += end
        return data[:end].decode(errors="replace").splitlines()

    def wait_a_moment(self) -> None:
        """Return when it ends, or soon, to see what it wrote."""
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout=POLL_SECONDS)

    def interrupt(self) -> None:
        """Ask for a clean stop; once, since a second time means at once."""
        self._popen.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End it and its children at once."""
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)

    def errors(self) -> str:
        """What it wrote to its standard error."""
        return self._stderr.read_text(errors="replace")

    def close(self) -> None:
        """Forget it, unless it still runs or was killed: then its record is for the next run to settle."""
        if self.exit_code is None or self.exit_code < 0:
            return
        for path in (self._record, self._stdout, self._stderr):
            path.unlink(missing_ok=True)


def settle(folder: Path, tell: Callable[[str], None]) -> None:
    """Wait for the terraform of a run that was killed; keep in mind what it began and did not finish."""
    if orphan := _orphan(folder):
        _wait_for(orphan, folder, tell)
    if (folder / "process.json").exists():
        _end_plugins(folder)
        addresses = {*unfinished(folder), *_never_completed(folder / "stdout")}
        write_private(folder / "unfinished.json", json.dumps(sorted(addresses)))
        (folder / "process.json").unlink()


def unfinished(folder: Path) -> list[str]:
    """Resources that a terraform which was killed had begun to make.

    Terraform writes a resource down before its provisioners run and taints it when they fail. Killed in
    between, it leaves one that is half-made and looks whole: it must be tainted for it.
    """
    path = folder / "unfinished.json"
    return list(json.loads(path.read_text())) if path.exists() else []


def was_cut_off(folder: Path) -> bool:
    """Whether a terraform was killed, and what it lost is still to be looked for.

    The state is written some time after Terraform has told of a resource, so that one may be lost of which it
    told that all is done: this can be true while nothing is unfinished.
    """
    return (folder / "unfinished.json").exists()


def forget_unfinished(folder: Path) -> None:
    """They were tainted, and what was lost is removed."""
    (folder / "unfinished.json").unlink(missing_ok=True)


def _never_completed(stdout: Path) -> set[str]:
    """From the events of an apply: what was begun to be created and neither completed nor failed."""
    begun: set[str] = set()
    lines = stdout.read_text(errors="replace").splitlines() if stdout.exists() else []
    for line in lines:
        try:
            event = json.loads(line)
            hook = event["hook"]
            address = hook["resource"]["addr"]
        except (ValueError, KeyError, TypeError):
            continue
        if event["type"] == "apply_start" and hook.get("action") == "create":
            begun.add(address)
        if event["type"] in {"apply_complete", "apply_errored"}:
            begun.discard(address)
    return begun


def _wait_for(orphan: Mapping[str, str | int], folder: Path, tell: Callable[[str], None]) -> None:
    tell(
        f"terraform {orphan['command']} of an earlier run that was killed still works "
        f"(pid {orphan['pid']}); waiting for it to end"
    )
    try:
        while _orphan(folder):
            time.sleep(POLL_SECONDS)  # not our child: there is nothing to wait on but its end
    except KeyboardInterrupt:
        raise Interrupted(
            f"stopped waiting for terraform (pid {orphan['pid']}), which goes on",
            fix="run the same command again",
        ) from None


def _end_plugins(folder: Path) -> None:
    """Wait for what a terraform that was killed has left running; what does not end is killed.

    Its plugins and scripts live a little longer than it does, and may still make something: looked for before
    that, it would not be found.
    """
    try:
        pid = int(json.loads((folder / "process.json").read_text())["pid"])
    except (ValueError, KeyError):
        return
    deadline = time.monotonic() + PLUGIN_SECONDS
    while members := _members(pid, folder.parent):
        if pid in members:  # the number was handed out again, so that of the old group none is left
            return
        if time.monotonic() > deadline:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def _members(group: int, workspace: Path) -> set[int]:
    """The living processes of a group that work in the workspace: its number may be another's by now."""
    numbers = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return {pid for pid in numbers if _group(pid) == group and _works_in(pid, workspace.resolve())}


def _works_in(pid: int, workspace: Path) -> bool:
    try:
        return workspace in (Path(f"/proc/{pid}/cwd").readlink() / "_").parents
    except OSError:
        return False


def _group(pid: int) -> int:
    """The process group, field 5 of /proc/<pid>/stat; 0 of a process that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in {"Z", "X"} else int(fields[2])


def _orphan(folder: Path) -> dict[str, str | int] | None:
    """The recorded process while it lives; a pid that was handed out again has another start time."""
    try:
        record: dict[str, str | int] = json.loads((folder / "process.json").read_text())
        return record if record == _identity(int(record["pid"]), str(record["command"])) else None
    except (OSError, ValueError, KeyError):
        return None


def _identity(pid: int, command: str) -> dict[str, str | int]:
    return {"pid": pid, "start": _start_time(pid), "command": command}


def _start_time(pid: int) -> str:
    """Clock ticks since boot, field 22 of /proc/<pid>/stat; of a process that has ended: `ended`."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "ended"
    return "ended" if fields[0] in {"Z", "X"} else fields[19]


def _create(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb")
