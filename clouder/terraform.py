"""python-terraform's home: the library builds the command lines, the process handling is our own.

Of the library is kept `generate_cmd_string`. The rest captures all output until the end, leaves at Ctrl-C
while terraform goes on, logs variables, and turns every typing error into a terraform run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

import python_terraform

from clouder.errors import AccessError, Interrupted
from clouder.terraform_errors import Diagnostic, explain
from clouder.terraform_event import TerraformEvent, ignore
from clouder.terraform_process import Process, settle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from clouder.providers.fault import Fault
    from clouder.runlog import RunLog
    from clouder.terraform_event import OnEvent

MINIMUM = (1, 5)
PRESSES_TO_KILL = 3
ROOM = 1 << 16  # bytes
# They would change what is run, or on which state, behind Clouder's back.
UNWANTED = re.compile(r"TF_CLI_ARGS|TF_WORKSPACE\Z|TF_DATA_DIR\Z|TF_VAR_")
FLAG = python_terraform.IsFlagged
LOCK_TIMEOUT = "60s"  # for another terraform on the same state, as in a shared backend


FIX = f"install terraform (or OpenTofu) {MINIMUM[0]}.{MINIMUM[1]} or newer, or set CLOUDER_TERRAFORM to one"
PROGRAMS = ("terraform", "tofu")


def binary() -> str:
    """The terraform to run, CLOUDER_TERRAFORM or on PATH terraform, else tofu; raises AccessError where it
    is no use."""
    wanted = os.environ.get("CLOUDER_TERRAFORM")
    path = next(filter(None, map(shutil.which, [wanted] if wanted else PROGRAMS)), None)
    if not path:
        raise AccessError(f"{wanted or PROGRAMS[0]} is not installed", fix=FIX)
    return _checked(path)


@cache
def _checked(path: str) -> str:
    done = subprocess.run(
        [path, "version"], capture_output=True, text=True, check=False, env=clean_environment({})
    )
    found = re.search(r"v(\d+)\.(\d+)\.\d+", done.stdout)
    if not found:
        raise AccessError(f"{path} does not say its version", fix=FIX, details=done.stderr)
    if (int(found[1]), int(found[2])) < MINIMUM:
        raise AccessError(f"{path} is {found[0]}, which is too old", fix=FIX)
    return path


class Terraform(python_terraform.Terraform):  # type: ignore[misc]
    """Runs terraform in one directory; `folder` records the running process, `faults` are the provider's."""

    def __init__(
        self,
        directory: Path,
        *,
        folder: Path,
        environment: Mapping[str, str],
        faults: Sequence[Fault] = (),
        log: RunLog | None = None,
        on_event: OnEvent = ignore,
    ) -> None:
        super().__init__(working_dir=str(directory), terraform_bin_path=binary())
        self._directory = directory
        self._folder = folder
        self._environment = clean_environment(environment)
        self._faults = faults
        self._log = log
        self._on_event = on_event
        self._process: Process | None = None
        self._presses = 0
        self._diagnostics: list[Diagnostic] = []

    def __getattr__(self, item: str) -> NoReturn:
        """The library would run `terraform <item>`."""
        raise AttributeError(item)

    def read_state_file(self, file_path: str | None = None) -> None:
        """The library would read the state, secrets and all, after each call; nobody needs it."""

    def cmd(self, cmd: str, *args: str, **kwargs: Any) -> tuple[int, str, str]:
        """Run `terraform CMD`, telling each event as it comes; returns (0, output, ""), or raises."""
        settle(self._folder, lambda text: self._tell("waiting", text))
        argv: list[str] = self.generate_cmd_string(cmd, *args, **kwargs)
        self._presses = 0
        self._diagnostics = []
        process = self._process = Process(
            argv, cwd=self._directory, environment=self._environment, folder=self._folder
        )
        try:
            lines = self._follow(process)
            errors = process.errors().strip()
        finally:
            self._process = None
            process.close()
        self._record({"type": "stderr", "@message": errors} if errors else None)
        if self._presses:
            raise Interrupted(
                f"terraform {cmd} was stopped; what it had made is written down",
                fix="run the same command again to go on",
            )
        if process.exit_code:
            told = self._diagnostics or [Diagnostic(f"terraform {cmd} failed", errors, "")]
            raise explain(told, self._faults)
        return 0, "\n".join(lines), ""

    def ask(self, cmd: str, *args: str) -> Any:
        """The JSON that `terraform CMD -json` prints; it may hold secrets, so it is not logged."""
        quiet = Terraform(
            self._directory, folder=self._folder, environment=self._environment, faults=self._faults
        )
        answer = quiet.cmd(cmd, *args, json=FLAG)[1]
        try:
            return json.loads(answer)
        except ValueError as error:  # terraform does not notice that it could not write
            full = shutil.disk_usage(self._folder).free < len(answer) + ROOM
            message = "the disk is full" if full else f"terraform {cmd} gave an answer that is no JSON"
            raise AccessError(message, fix="free some space, then run the same command again") from error

    def cancel(self) -> None:
        """First call: one SIGINT, for a clean stop. Second: a warning. Third: terraform is killed."""
        process = self._process
        if process is None:
            return
        self._presses += 1
        if self._presses == 1:
            process.interrupt()
            self._tell("warning", "stopping: terraform finishes what it has begun; this may take a while")
        elif self._presses < PRESSES_TO_KILL:
            self._tell(
                "warning",
                "terraform is stopping; once more kills it before it can write down what it made",
            )
        else:
            process.kill()
            self._tell("warning", "terraform was killed; the next run removes what it did not write down")

    def _follow(self, process: Process) -> list[str]:
        """All output, each line told as it comes; when telling fails, terraform is stopped first."""
        lines: list[str] = []
        failure: Exception | None = None
        ended = pressed = False
        while not ended:
            try:
                if pressed:  # here, since a press may come while another is answered
                    pressed = False
                    self.cancel()
                if failure is not None:
                    process.wait_a_moment()
                ended = process.exit_code is not None
                new = process.new_lines()
                lines += new
                if failure is None:
                    self._take(new)
                if not ended:
                    process.wait_a_moment()
            except KeyboardInterrupt:  # noqa: PERF203 (the loop must go on until terraform has ended)
                ended = False
                pressed = True
            except Exception as error:  # noqa: BLE001 (raised below; such as a full disk under the log)
                if failure is None:
                    process.interrupt()
                ended = failure is not None and ended  # not even its output can be read
                failure = failure or error
        if failure is not None:
            raise failure
        return lines

    def _take(self, lines: list[str]) -> None:
        for line in lines:
            data = _parse(line)
            self._record(data)
            diagnostic = data.get("diagnostic", {})
            if diagnostic.get("severity") == "error":
                self._diagnostics.append(
                    Diagnostic(
                        diagnostic["summary"], diagnostic.get("detail", ""), diagnostic.get("address", "")
                    )
                )
            self._on_event(_event(data))

    def _record(self, data: dict[str, Any] | None) -> None:
        if self._log and data:
            self._log.terraform(json.dumps(data))

    def _tell(self, kind: str, text: str) -> None:
        self._record({"type": kind, "@message": text})
        self._on_event(TerraformEvent(kind, "", text))


def _parse(line: str) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except ValueError:
        data = None
    return data if isinstance(data, dict) else {"type": "text", "@message": line}


def _event(data: dict[str, Any]) -> TerraformEvent:
    """The address stands in another place in each kind of event."""
    hook = data.get("hook", {})
    resource = hook.get("resource") or data.get("change", {}).get("resource") or {}
    return TerraformEvent(
        kind=data.get("type", "text"),
        address=resource.get("addr") or data.get("diagnostic", {}).get("address", ""),
        message=data.get("@message", ""),
        seconds=float(hook.get("elapsed_seconds", 0)),
    )


def clean_environment(more: Mapping[str, str]) -> dict[str, str]:
    """That of this process, without what would change what terraform does; `more` on top."""
    kept = {name: value for name, value in os.environ.items() if not UNWANTED.match(name)}
    if not os.path.exists(kept.get("TF_CLI_CONFIG_FILE", "")):  # noqa: PTH110 (an empty Path is the directory)
        kept.pop("TF_CLI_CONFIG_FILE", None)  # OpenTofu tells of its absence in the midst of its JSON
    return {**kept, "TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1", **more}
