"""`clouder kubeadm`: the two halves of a create."""

from __future__ import annotations

from typing import Any

import click

from clouder.cli.groups import Group
from clouder.cli.options import log_format_option, name_argument, output_option, spec_options
from clouder.cli.root import MODULES


@click.group("kubeadm", cls=Group, help=MODULES["kubeadm"])
def command() -> None:
    """Holds the commands below."""


@command.command(
    "vm-create",
    epilog="""\b
Examples:
  clouder kubeadm vm-create my-cluster
  clouder kubeadm vm-create my-cluster --workers 2 --dry-run""",
)
@click.argument("name", required=False)
@spec_options(3)
@click.option("--dry-run", is_flag=True, help="Print spec and Terraform plan; change nothing.")
@output_option
@log_format_option
def vm_create(name: str | None, file: str | None, dry_run: bool, output: str, **flags: Any) -> None:
    """Make the machines alone: one master and its workers."""
    from clouder.cli.making import make

    make(name, file, flags, dry_run=dry_run, output=output, machines_only=True)


@command.command(epilog="\b\nExample:\n  clouder kubeadm setup my-cluster")
@name_argument
@log_format_option
def setup(name: str) -> None:
    """Set up Kubernetes on the machines that are there.

    containerd, CRIU, kubeadm, Flannel. What is done already is not done again.
    """
    from clouder import api
    from clouder.cli.making import ready_lines, tell_reader
    from clouder.cli.progress import telling

    with telling() as report:
        cluster = api.setup(name, report=report)
    tell_reader(ready_lines(cluster.spec))


@command.command("get-config", epilog="\b\nExample:\n  clouder kubeadm get-config my-cluster > admin.conf")
@name_argument
def get_config(name: str) -> None:
    """Print the kubeconfig of a cluster."""
    from clouder import api

    click.echo(api.kubeconfig(name).read_text(), nl=False)
