"""`clouder bundle`: bundles."""

from __future__ import annotations

import click

from clouder.cli.groups import Group
from clouder.cli.options import log_format_option, output_option
from clouder.cli.root import MODULES


@click.group("bundle", cls=Group, help=MODULES["bundle"])
def command() -> None:
    """Holds the commands below."""


@command.command(epilog="\b\nExample:\n  clouder bundle build --kubernetes-version v1.37.2")
@click.option("--kubernetes-version", metavar="VERSION", help="Such as v1.36.3, which is the default.")
@click.option(
    "--source",
    metavar="SOURCE",
    default="auto",
    show_default=True,
    help="go: compile from Go modules; release: upstream's packages.",
)
@output_option
@log_format_option
def build(kubernetes_version: str | None, source: str, output: str) -> None:
    """Build a bundle, unless it is there.

    Finished parts are kept: a build that was stopped goes on where it was.
    """
    from clouder import api
    from clouder.cli.output import show
    from clouder.cli.progress import telling

    with telling() as report:
        made = api.build_bundle(kubernetes_version, source=source, report=report)
    show(made, output, table=f"{made.name}\n  {made.path}")


@command.command(epilog="\b\nExamples:\n  clouder bundle verify\n  clouder bundle verify v1.36.3")
@click.argument("name", required=False)
@output_option
def verify(name: str | None, output: str) -> int:
    """Compare every file of a bundle with its lock; of all bundles without NAME.

    Exit code 1: a file is missing, was changed, or does not belong there.
    """
    from clouder import api
    from clouder.cli.output import show

    reports = api.verify_bundles(name)
    lines = []
    for report in reports:
        lines.append(f"{'✗' if report.problems else '✓'} {report.name}")
        lines += [f"  {problem}" for problem in report.problems]
        lines += [f"  fix: rm -r {report.path} && clouder bundle build"] if report.problems else []
    show(reports, output, table="\n".join(lines) or "no bundles")
    return 1 if any(report.problems for report in reports) else 0


@command.command(epilog="\b\nExample:\n  clouder bundle ls -o json")
@output_option
def ls(output: str) -> None:
    """List the bundles in the cache."""
    from clouder import api
    from clouder.cli.outcome import say
    from clouder.cli.output import show, table

    rows = api.list_bundles()
    columns = {"BUNDLE": "name", "KUBERNETES": "kubernetes_version", "SOURCE": "source", "PATH": "path"}
    show(rows, output, table=table(rows, columns))
    if not rows:
        say("no bundles yet\n  clouder bundle build")
