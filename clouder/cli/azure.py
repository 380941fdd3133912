"""`clouder azure`: who Clouder is on Azure, and what it sees there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from clouder.cli.groups import Group
from clouder.cli.options import output_option
from clouder.cli.root import MODULES

if TYPE_CHECKING:
    from clouder.providers.azure_client import Client

STDIN = "-"


@click.group("azure", cls=Group, help=MODULES["azure"], invoke_without_command=True)
@output_option
@click.pass_context
def command(ctx: click.Context, output: str) -> None:
    """Without a command: the account."""
    if ctx.invoked_subcommand is None:
        _show_account(output)


def _client() -> Client:
    from clouder.providers.azure_client import Client
    from clouder.providers.azure_config import settings

    return Client(settings())


@command.command(
    epilog="""\b
Examples:
  clouder azure configure
  clouder azure configure --subscription-id ID --no-interactive
  clouder azure configure --subscription-id ID --tenant-id ID --client-id ID \\
    --client-secret - < FILE"""
)
@click.option("--subscription-id", metavar="ID", default="", help="Where clusters are made.")
@click.option("--tenant-id", metavar="ID", default="", help="Of the service principal, or of az login.")
@click.option("--client-id", metavar="ID", default="", help="Of a service principal.  [default: az login]")
@click.option(
    "--client-secret",
    metavar="SECRET",
    default="",
    help="Its secret; -: from stdin, which other users of this machine do not see.",
)
@click.option("--interactive/--no-interactive", default=True, help="Ask for what is not given.")
def configure(
    subscription_id: str, tenant_id: str, client_id: str, client_secret: str, interactive: bool
) -> None:
    """Write down who Clouder is on Azure. AZURE_* variables go before it."""
    from clouder.cli.outcome import say
    from clouder.providers import azure_config

    given = {
        "subscriptionId": subscription_id,
        "tenantId": tenant_id,
        "clientId": client_id,
        "clientSecret": sys.stdin.readline().strip() if client_secret == STDIN else client_secret,
    }
    if interactive and client_secret != STDIN:
        given = _asked(given, azure_config.load())
    azure_config.save(given)
    how = f"the service principal {given['clientId']}" if given["clientId"] else "az login"
    say(f"Azure is used through {how}, by {azure_config.path()}\n  clouder azure")


def _asked(given: dict[str, str], stored: dict[str, str]) -> dict[str, str]:
    """What is given, and the answers for the rest; a service principal is one that has a client id."""

    def ask(name: str, text: str) -> str:
        if given[name]:
            return given[name]
        return str(click.prompt(text, default=stored.get(name, ""), show_default=True, err=True)).strip()

    found = {"subscriptionId": ask("subscriptionId", "Subscription id (empty: the one of az login)")}
    found["clientId"] = ask("clientId", "Client id of a service principal (empty: az login)")
    if not found["clientId"]:
        return {**given, **found}
    found["tenantId"] = ask("tenantId", "Tenant id")
    found["clientSecret"] = given["clientSecret"] or click.prompt("Client secret", hide_input=True, err=True)
    return found


@command.command(epilog="\b\nExample:\n  AZURE_SUBSCRIPTION_ID=ID clouder azure info")
@output_option
def info(output: str) -> None:
    """Show the account in use and how it was found."""
    _show_account(output)


def _show_account(output: str) -> None:
    from clouder.cli.output import show, table

    found = _client().account()
    columns = {
        "SUBSCRIPTION": "subscription",
        "NAME": "name",
        "STATE": "state",
        "TENANT": "tenant",
        "USER": "user",
        "LOGIN": "login",
        "FOUND IN": "login_source",
        "SUBSCRIPTION FOUND IN": "subscription_source",
    }
    show(found, output, table=table([found], columns))


@command.command(epilog="\b\nExample:\n  clouder azure subscriptions")
@output_option
def subscriptions(output: str) -> None:
    """List the subscriptions that the login opens."""
    from clouder.cli.output import show, table

    found = _client().subscriptions()
    columns = {"CURRENT": "current", "ID": "id", "NAME": "name", "STATE": "state", "TENANT": "tenant"}
    show(found, output, table=table(found, columns))


@command.command(epilog="\b\nExample:\n  clouder azure regions -o json")
@output_option
def regions(output: str) -> None:
    """List the regions, and how many zones each has."""
    from clouder.cli.output import show, table

    found = _client().regions()
    columns = {"REGION": "name", "NAME": "title", "GEOGRAPHY": "geography", "ZONES": "zones"}
    show(found, output, table=table(found, columns))


@command.command("resource-groups", epilog="\b\nExample:\n  clouder azure resource-groups")
@output_option
def resource_groups(output: str) -> None:
    """List the resource groups, Clouder's and others."""
    from clouder.cli.output import show, table

    found = _client().resource_groups()
    columns = {"NAME": "name", "CLUSTER": "cluster", "REGION": "region", "STATE": "state"}
    show(found, output, table=table(found, columns))


@command.command("vm-ls", epilog="\b\nExample:\n  clouder azure vm-ls --region eastus")
@click.option("--region", metavar="REGION", help="Only those there.  [default: all regions]")
@output_option
def vm_ls(region: str | None, output: str) -> None:
    """List the virtual machines of the subscription, Clouder's and others."""
    from clouder.cli.output import show, table

    found = [machine for machine in _client().machines() if region in {None, machine.region}]
    columns = {
        "NAME": "name",
        "CLUSTER": "cluster",
        "ROLE": "role",
        "SIZE": "size",
        "REGION": "region",
        "ZONE": "zone",
        "STATE": "state",
        "PUBLIC IP": "public_ip",
        "RESOURCE GROUP": "resource_group",
    }
    show(found, output, table=table(found, columns))
