"""`clouder ovh`: what Clouder sees of an OVH Public Cloud project."""

from __future__ import annotations

import click

from clouder.cli.groups import Group
from clouder.cli.options import output_option
from clouder.cli.root import MODULES


@click.group("ovh", cls=Group, help=MODULES["ovh"])
def command() -> None:
    """Holds the commands below."""


@command.command(epilog="\b\nExample:\n  . ./openrc.sh && clouder ovh info")
@output_option
def info(output: str) -> None:
    """Show which project the credentials open."""
    from clouder.cli.output import show, table
    from clouder.providers.ovh_client import Client

    found = Client().account()
    columns = {
        "PROJECT": "project",
        "NAME": "name",
        "USER": "user",
        "LOGIN": "login",
        "REGION": "region",
        "SIGNED IN AT": "auth_url",
    }
    show(found, output, table=table([found], columns))


@command.command(epilog="\b\nExample:\n  clouder ovh regions -o json")
@output_option
def regions(output: str) -> None:
    """List the regions of the project, and what each has."""
    from clouder.cli.output import show, table
    from clouder.providers.ovh_client import Client

    found = Client().regions()
    columns = {"REGION": "name", "MACHINES": "machines", "LOAD BALANCERS": "load_balancers"}
    show(found, output, table=table(found, columns))


@command.command("vm-ls", epilog="\b\nExample:\n  clouder ovh vm-ls --region GRA11")
@click.option("--region", metavar="REGION", default="", help="Only those there.  [default: all regions]")
@output_option
def vm_ls(region: str, output: str) -> None:
    """List the machines of the project, Clouder's and others."""
    from clouder.cli.output import show, table
    from clouder.providers.ovh_client import Client

    found = Client().machines(region)
    columns = {
        "NAME": "name",
        "CLUSTER": "cluster",
        "ROLE": "role",
        "SIZE": "size",
        "REGION": "region",
        "STATE": "state",
        "PUBLIC IP": "public_ip",
        "ID": "id",
    }
    show(found, output, table=table(found, columns))
