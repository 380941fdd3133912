"""`clouder doctor`: this machine."""

from __future__ import annotations

import click

from clouder.cli.options import output_option
from clouder.cli.root import MODULES

LACKING = 5
MARKS = {"ok": "✓", "warn": "!", "fail": "✗"}


@click.command(
    "doctor",
    help=MODULES["doctor"],
    epilog="\b\nExample:\n  clouder doctor\nExit code 5: something is missing.",
)
@output_option
def command(output: str) -> int:
    """Look at this machine: terraform, Docker, Go, disk."""
    from clouder import doctor
    from clouder.cli.output import show

    findings = doctor.examine()
    lines = []
    for finding in findings:
        lines.append(f"{MARKS[finding.state]} {finding.check:<12} {finding.found}")
        lines += [f"{'':<14} fix: {finding.fix}"] if finding.fix else []
    show(findings, output, table="\n".join(lines))
    return LACKING if any(finding.state == "fail" for finding in findings) else 0
