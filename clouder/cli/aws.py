"""`clouder aws`: what Clouder sees of an AWS account."""

from __future__ import annotations

import click

from clouder.cli.groups import Group
from clouder.cli.options import output_option
from clouder.cli.root import MODULES


@click.group("aws", cls=Group, help=MODULES["aws"])
def command() -> None:
    """Holds the commands below."""


@command.command(epilog="\b\nExample:\n  AWS_PROFILE=work clouder aws info")
@output_option
def info(output: str) -> None:
    """Show which account the credentials open, and where they come from."""
    from clouder.cli.output import show, table
    from clouder.providers.aws import client

    found = client().identity()
    columns = {
        "ACCOUNT": "account",
        "ARN": "arn",
        "PROFILE": "profile",
        "CREDENTIALS": "source",
        "REGION": "region",
    }
    show(found, output, table=table([found], columns))


@command.command(epilog="\b\nExample:\n  clouder aws regions -o json")
@output_option
def regions(output: str) -> None:
    """List the regions, and whether the account may use them."""
    from clouder.cli.output import show, table
    from clouder.providers.aws import client

    found = client().regions()
    show(found, output, table=table(found, {"REGION": "name", "OPEN": "open"}))


@command.command("vm-ls", epilog="\b\nExample:\n  clouder aws vm-ls --region us-east-1")
@click.option("--region", metavar="REGION", help="Where to look.  [default: AWS_REGION, or the profile's]")
@output_option
def vm_ls(region: str | None, output: str) -> None:
    """List the instances of the account in a region, Clouder's and others."""
    from clouder.cli.output import show, table
    from clouder.providers.aws import client

    found = client(region).machines()
    columns = {
        "NAME": "name",
        "CLUSTER": "cluster",
        "ROLE": "role",
        "SIZE": "size",
        "ZONE": "zone",
        "STATE": "state",
        "PUBLIC IP": "public_ip",
        "ID": "id",
    }
    show(found, output, table=table(found, columns))
