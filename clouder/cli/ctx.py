"""`clouder ctx`: contexts."""

from __future__ import annotations

import click

from clouder.cli.groups import Group
from clouder.cli.options import output_option
from clouder.cli.root import MODULES


@click.group("ctx", cls=Group, help=MODULES["ctx"])
def command() -> None:
    """Holds the commands below."""


@command.command(epilog="\b\nExample:\n  clouder ctx init")
def init() -> None:
    """Write the file of contexts, unless it is there."""
    from clouder import contextfile, contexts
    from clouder.cli.outcome import say

    current = next(context for context in contexts.start() if context.current)
    say(f"the context is {current.provider}, in {contextfile.path()}\n  clouder k8s create NAME")


@command.command("set", epilog="\b\nExamples:\n  clouder ctx set local")
@click.argument("provider")
@click.argument("account", required=False, default="")
def set_(provider: str, account: str) -> None:
    """Make PROVIDER the current context, with ACCOUNT where it knows accounts."""
    from clouder import contexts
    from clouder.cli.outcome import say

    context = contexts.choose(provider, account)
    say(
        f"the context is {context.provider} now" + (f", account {context.account}" if context.account else "")
    )


@command.command(epilog="\b\nExample:\n  clouder ctx ls -o json")
@output_option
def ls(output: str) -> None:
    """List the contexts."""
    from clouder import contexts
    from clouder.cli.outcome import say
    from clouder.cli.output import show, table

    found = contexts.contexts()
    columns = {"CURRENT": "current", "PROVIDER": "provider", "ACCOUNT": "account"}
    show(found, output, table=table(found, columns))
    if not found:
        say(f"no contexts; {contexts.DEFAULT_PROVIDER} is used\n  clouder ctx init")
