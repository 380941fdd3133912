"""The options that several commands share; each means the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import click
from click.shell_completion import CompletionItem

Command = Callable[..., Any]
LOG_FORMAT: ContextVar[str] = ContextVar("log_format", default="text")  # outlives click's own context


def _cluster_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Read from the file names alone: completion must be quick."""
    from clouder.store import home

    found = sorted(path.name for path in home().glob("clusters/*/"))
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]


def _remember(_: click.Context, __: click.Parameter, value: str | None) -> None:
    if value:
        LOG_FORMAT.set(value)


def log_format_option(command: Command) -> Command:
    """`--log-format`: before the group or after the command, it is the same."""
    return click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        expose_value=False,
        callback=_remember,
        help="How progress is told on stderr; json: one object a line.",
    )(command)


output_option = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "yaml"]),
    default="table",
    show_default=True,
    help="Form of the data on stdout.",
)
name_argument = click.argument("name", shell_complete=_cluster_names)
cluster_argument = click.argument("cluster", shell_complete=_cluster_names)
optional_cluster_argument = click.argument("cluster", required=False, shell_complete=_cluster_names)


def spec_options(workers: int) -> Callable[[Command], Command]:
    """The flags a spec can be written with; one that is not given changes nothing."""
    options = (
        click.option("-f", "--file", metavar="FILE", help="Read the spec from a file; -: from stdin."),
        click.option(
            "--provider", metavar="NAME", help="Where the machines come from.  [default: the context's]"
        ),
        click.option("--region", metavar="REGION", help="Region of the provider."),
        click.option(
            "--worker-count",
            "--workers",
            "workers",
            type=int,
            metavar="N",
            help=f"How many workers.  [default: {workers}]",
        ),
        click.option(
            "--kubernetes-version", metavar="VERSION", help="Such as v1.36.3, which is the default."
        ),
        click.option("--cni", metavar="NAME", help="Network plugin.  [default: flannel]"),
        click.option(
            "--enable-criu/--no-criu",
            "criu",
            default=None,
            help="Make the nodes able to checkpoint and restore.  [default: enable-criu]",
        ),
        click.option(
            "--addon",
            multiple=True,
            metavar="NAME",
            help="Install it into the cluster, such as metrics-server. Repeat it.",
        ),
        click.option("--control-plane-size", metavar="SIZE", help="Machine size of the control plane."),
        click.option("--worker-size", metavar="SIZE", help="Machine size of the workers."),
        click.option("--pod-cidr", metavar="CIDR", help="Addresses of pods.  [default: 10.244.0.0/16]"),
        click.option(
            "--service-cidr", metavar="CIDR", help="Addresses of services.  [default: 10.96.0.0/12]"
        ),
        click.option(
            "--allowed-cidr",
            metavar="CIDR[,CIDR]",
            help="Who may reach rented machines.  [default: your own address]",
        ),
        click.option(
            "--host",
            multiple=True,
            metavar="NAME=ADDRESS[:PORT]",
            help="A machine that is there (baremetal); masters have names that begin so. Repeat it.",
        ),
        click.option(
            "--endpoint",
            metavar="HOST[:PORT]",
            help="Of the API, before such machines.  [default: the master's address]",
        ),
        click.option(
            "--ssh-user", metavar="USER", help="Who logs in to them; needs sudo without a password."
        ),
        click.option("--ssh-key", metavar="FILE", help="Private key for it; it is never copied."),
        click.option("--ssh-known-hosts", metavar="FILE", help="Where their host keys are found."),
        click.option(
            "--ssh-trust-on-first-use",
            is_flag=True,
            help="Take the host keys they show at first, and pin them.",
        ),
        click.option(
            "--bastion", metavar="[USER@]HOST[:PORT]", help="The way to them goes through this host."
        ),
    )

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add
