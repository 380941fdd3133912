"""Runs a command of the command line as an Invoke task: the same function, its errors as Invoke's Exit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from invoke.exceptions import Exit

from clouder.cli.outcome import exit_code
from clouder.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

FIX = "invoke --help TASK shows what a task takes"


def call(command: click.Command, **values: Any) -> None:
    """Calls the function of `command`; raises Exit with the code of what went wrong."""

    def work() -> Any:
        with click.Context(command) as context:
            assert command.callback is not None
            return command.callback(**_convert(context, values))

    code = exit_code(work)
    if code:
        raise Exit(code=code)


def _convert(context: click.Context, values: Mapping[str, Any]) -> dict[str, Any]:
    """Text as the command line would take it: Invoke answers a wrong number with a traceback."""
    known = {param.name: param for param in context.command.params}
    found = dict(values)
    for name, value in values.items():
        if isinstance(value, str):
            if value.startswith("--"):
                raise UsageError(f"{value} was taken for {name.rstrip('_').upper()}", fix=FIX)
            try:
                found[name] = known[name].type.convert(value, known[name], context)
            except click.UsageError as error:
                raise UsageError(error.format_message(), fix=FIX) from error
    return found
