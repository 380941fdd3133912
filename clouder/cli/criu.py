"""`clouder criu`: CRIU on the nodes."""

from __future__ import annotations

import click

from clouder.cli.groups import Group
from clouder.cli.options import log_format_option, name_argument, output_option
from clouder.cli.root import MODULES

NOT_READY = 9
MARKS = {"ok": "✓", "warn": "!", "fail": "✗"}


@click.group("criu", cls=Group, help=MODULES["criu"])
def command() -> None:
    """Holds the commands below."""


@command.command(
    epilog="""\b
Examples:
  clouder criu doctor demo
  clouder criu doctor demo --no-live
Exit code 9: a check failed."""
)
@name_argument
@click.option(
    "--live/--no-live", default=True, help="End with a real checkpoint and restore between all nodes."
)
@output_option
@log_format_option
def doctor(name: str, live: bool, output: str) -> int:
    """Look at every node: what is there, what fails, the fix.

    Ends with the live probe: a counting pod is frozen on each node and restored on every other one.
    """
    from clouder import api
    from clouder.cli.output import show
    from clouder.cli.progress import telling

    with telling() as report:
        findings = api.criu_doctor(name, live=live, report=report)
    lines = []
    for finding in findings:
        lines.append(f"{MARKS[finding.state]} {finding.node}: {finding.check}: {finding.found}")
        lines += [f"    fix: {finding.fix}"] if finding.fix else []
    show(findings, output, table="\n".join(lines))
    return NOT_READY if any(finding.state == "fail" for finding in findings) else 0
