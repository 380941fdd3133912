"""`clouder terraform`: the Terraform of a cluster, to be taken elsewhere or checked."""

from __future__ import annotations

from pathlib import Path

import click

from clouder.cli.groups import Group
from clouder.cli.options import cluster_argument, output_option
from clouder.cli.root import MODULES

MARKS = {"ok": "✓", "fail": "✗", "skipped": "-"}


@click.group("terraform", cls=Group, help=MODULES["terraform"])
def command() -> None:
    """Holds the commands below."""


@command.command(epilog="\b\nExample:\n  clouder terraform export demo infra/demo")
@cluster_argument
@click.argument("directory", metavar="DIR")
def export(cluster: str, directory: str) -> None:
    """Write the Terraform of a cluster into DIR, ready to commit.

    DIR is new or empty. No state, no key and no other secret is in it; its README.md
    says how to go on from there.
    """
    from clouder import api
    from clouder.cli.outcome import say

    files = api.export_terraform(cluster, Path(directory))
    say(f"{len(files)} files are in {directory}, without state and without secrets\n  {directory}/README.md")


@command.command(
    epilog="\b\nExample:\n  clouder terraform lint demo -o json\nExit code 1: a tool found fault."
)
@cluster_argument
@output_option
def lint(cluster: str, output: str) -> int:
    """Check the Terraform of a cluster: fmt, validate, tflint, checkov.

    The last two run where they are in PATH; what was not run is said.
    """
    from clouder import api
    from clouder.cli.output import show

    checks = api.lint_terraform(cluster)
    lines = []
    for check in checks:
        first, *more = check.found.splitlines() or [""]
        lines.append(f"{MARKS[check.state]} {check.check:<18} {first}".rstrip())
        lines += [f"  {line}" for line in more]
        lines += [f"{'':<20} fix: {check.fix}"] if check.fix else []
    show(checks, output, table="\n".join(lines))
    return 1 if any(check.state == "fail" for check in checks) else 0
