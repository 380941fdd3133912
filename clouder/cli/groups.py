"""Groups of commands that are found in any letter case, say what was meant, and load late."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Group(click.Group):
    """A group of commands; `clouder Kubeadm Setup x` is `clouder kubeadm setup x`."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command called `cmd_name` in any letter case, or None."""
        return super().get_command(ctx, cmd_name.lower())

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that `args` begin with; raises UsageError with the nearest one."""
        command = self.get_command(ctx, args[0])
        if command is None:
            raise _unknown(ctx, args[0], self.list_commands(ctx))
        return command.name, command, args[1:]


def _unknown(ctx: click.Context, word: str, known: Sequence[str]) -> click.UsageError:
    if word.startswith("-"):
        return click.UsageError(f"No such option: {word}", ctx)
    near = get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    hint = f"; did you mean `{ctx.command_path} {near[0]}`?" if near else ""
    return click.UsageError(f"there is no command `{ctx.command_path} {word}`{hint}", ctx)


class Root(Group):
    """The top group: its members are modules of clouder.cli, imported when one of them is called."""

    def __init__(self, *args: Any, modules: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names, in the order of the table."""
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command in the module of that name, or None."""
        name = cmd_name.lower()
        if name not in self.modules:
            return None
        command = import_module(f"clouder.cli.{name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list of commands in the help, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.modules.items()))

    def main(
        self, args: Sequence[str] | None = None, *_: Any, prog_name: str | None = None, **extra: Any
    ) -> Any:
        """Runs a command line, tells what went wrong, and exits with the code of its class."""
        from clouder.cli.options import LOG_FORMAT
        from clouder.cli.outcome import exit_code

        LOG_FORMAT.set("text")

        extra.pop("standalone_mode", None)
        sys.exit(
            exit_code(
                lambda: super(Root, self).main(args, prog_name or "clouder", standalone_mode=False, **extra)
            )
        )
