"""`clouder spec`: the cluster spec."""

from __future__ import annotations

from typing import Any

import click

from clouder.cli.groups import Group
from clouder.cli.options import spec_options
from clouder.cli.root import MODULES


@click.group("spec", cls=Group, help=MODULES["spec"])
def command() -> None:
    """Holds the commands below."""


@command.command(epilog="\b\nExample:\n  clouder spec schema > cluster.schema.json")
def schema() -> None:
    """Print the JSON Schema of cluster.yaml."""
    import json

    from clouder import spec

    click.echo(json.dumps(spec.schema(), indent=2))


@command.command(
    epilog="""\b
Examples:
  clouder spec show demo --worker-count 3 > cluster.yaml
  clouder spec show -f cluster.yaml"""
)
@click.argument("name", required=False)
@spec_options(2)
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
def show(name: str | None, file: str | None, output: str, **flags: Any) -> None:
    """Print the spec that flags or a file resolve to, every default filled in."""
    from clouder import request
    from clouder.cli import output as out

    resolved = request.resolve(name, flags, file=file)
    out.show(resolved, output, table="")
