"""How a command ends: the exit code, and what is said when something went wrong."""

from __future__ import annotations

import os
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from clouder.errors import Aborted, ClouderError, Interrupted, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


def exit_code(work: Callable[[], Any]) -> int:
    """Does `work` and returns the exit code of the process; whatever it raises is told on stderr."""
    try:
        result = work()  # click itself ends in silence when the reader of a pipe is gone
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (the last resort: nobody reads a traceback)
        return tell(_explain(error))
    return result if isinstance(result, int) else 0


def _explain(error: BaseException) -> ClouderError:
    match error:
        case ClouderError():
            return error
        case click.UsageError():
            path = error.ctx.command_path if error.ctx else "clouder"
            return UsageError(error.format_message(), fix=f"{path} --help")
        case click.ClickException():
            return UsageError(error.format_message())
        case KeyboardInterrupt() | click.exceptions.Abort():
            return _stopped(error)
    return _bug(error)


def _stopped(error: BaseException) -> ClouderError:
    """A question answered with Ctrl-C is an interrupt, one answered with the end of input is a no."""
    if isinstance(error.__context__, EOFError):
        return Aborted("stopped: no answer was given; nothing was changed")
    return Interrupted("stopped")


def tell(error: ClouderError) -> int:
    """Says what went wrong, in one block on stderr; returns the exit code."""
    from clouder.cli.progress import log_format

    say(as_event(error) if log_format() == "json" else block(error))
    return error.exit_code


def block(error: ClouderError) -> str:
    """The text for a reader: what is wrong, the host's last lines, what to type, and where the log is."""
    details = [line for line in error.details.splitlines() if line.strip()]
    logs = [line for line in details if line.startswith("log: ")]
    first, *more = error.message.splitlines() or [""]
    start = "" if isinstance(error, Interrupted) else "error: "
    lines = [start + first, *(f"  {line}" for line in more)]
    lines += [f"  | {line}" for line in details if line not in logs]
    lines += [f"fix: {error.fix}"] if error.fix else []
    return "\n".join([*lines, *logs])


def as_event(error: ClouderError) -> str:
    """The same as the last line of `--log-format json`."""
    import json

    event = {"host": "", "step": "error", "title": error.message, "state": "error", "seconds": 0.0}
    return json.dumps({**event, "note": error.details, "fix": error.fix, "exitCode": error.exit_code})


def say(text: str) -> None:
    """Writes to stderr; a closed stderr is no reason to fail."""
    with suppress(OSError):
        click.echo(text, err=True)


def _bug(error: BaseException) -> ClouderError:
    """What a report needs goes into a file; the terminal gets two lines."""
    from datetime import datetime, timezone

    from clouder.store import home, write_private

    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    path = home() / "crash" / f"{datetime.now(timezone.utc):%Y-%m-%dT%H-%M-%S}Z-{os.getpid()}.txt"
    message = f"Clouder has a bug: {type(error).__name__}: {error}"
    try:
        write_private(path, text)
    except ClouderError:
        return ClouderError(message, details=text)
    return ClouderError(message, fix=f"please report it with the traceback in {path}")
