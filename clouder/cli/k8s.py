"""`clouder k8s`: whole clusters."""

from __future__ import annotations

from typing import Any

import click

from clouder.cli import nodepools
from clouder.cli.groups import Group
from clouder.cli.options import log_format_option, name_argument, output_option, spec_options
from clouder.cli.root import MODULES

NOT_HEALTHY = 9


@click.group("k8s", cls=Group, help=MODULES["k8s"])
def command() -> None:
    """Holds the commands below."""


for nodepool_command in nodepools.COMMANDS:
    command.add_command(nodepool_command)


@command.command(
    epilog="""\b
Examples:
  clouder k8s create demo
  clouder k8s create demo --provider local --worker-count 2 --enable-criu
  clouder k8s create -f cluster.yaml --dry-run
A second call goes on where the first one stopped.""",
)
@click.argument("name", required=False)
@spec_options(2)
@click.option(
    "--dry-run", is_flag=True, help="Print spec, Terraform plan and steps per host; change nothing."
)
@output_option
@log_format_option
def create(name: str | None, file: str | None, dry_run: bool, output: str, **flags: Any) -> None:
    """Make a cluster: machines, Kubernetes, network, CRIU.

    NAME is 1 to 40 of a-z, 0-9 and -. On a terminal you are asked for what is missing.
    """
    from clouder.cli.making import make

    make(name, file, flags, dry_run=dry_run, output=output, machines_only=False)


@command.command(epilog="\b\nExample:\n  clouder k8s ls -o json")
@output_option
def ls(output: str) -> None:
    """List the clusters, half-made ones too.

    Reads files only; `clouder k8s status NAME` asks the machines.
    """
    from clouder import api
    from clouder.cli.output import show, table

    columns = {
        "NAME": "name",
        "PROVIDER": "provider",
        "KUBERNETES": "kubernetes_version",
        "NODES": "nodes",
        "STATE": "state",
    }
    rows = api.clusters()
    show(rows, output, table=table(rows, columns))
    if not rows:
        from clouder.cli.outcome import say

        say("no clusters yet; make one with: clouder k8s create NAME")


@command.command(
    epilog="\b\nExample:\n  clouder k8s status demo -o json\nExit code 9: the cluster is not healthy."
)
@name_argument
@output_option
def status(name: str, output: str) -> int:
    """Show machines and nodes, what is wrong, and what to type."""
    from clouder import api
    from clouder.cli.outcome import say
    from clouder.cli.output import show
    from clouder.cli.tables import status_table

    found = api.show(name)
    show(found, output, table=status_table(found))
    for problem in found.problems:
        say(f"✗ {problem}")
    if found.fix:
        say(f"fix: {found.fix}")
    return 0 if found.healthy else NOT_HEALTHY


@command.command(epilog="\b\nExample:\n  export KUBECONFIG=$(clouder k8s kubeconfig demo)")
@name_argument
@click.option("--print", "print_", is_flag=True, help="Print the kubeconfig itself instead of its path.")
def kubeconfig(name: str, print_: bool) -> None:
    """Print where the kubeconfig of a cluster is."""
    from clouder import api

    path = api.kubeconfig(name)
    click.echo(path.read_text() if print_ else path, nl=not print_)


@command.command(epilog="\b\nExample:\n  clouder k8s use demo && kubectl get nodes")
@name_argument
def use(name: str) -> None:
    """Make the cluster kubectl's current context.

    Its entries go into the file kubectl reads: the first that exists of $KUBECONFIG, else ~/.kube/config.
    """
    from clouder import api
    from clouder.cli.outcome import say

    path = api.use(name)
    say(f"kubectl's context is clouder-{name} now, in {path}\n  kubectl get nodes")


@command.command(epilog="\b\nExamples:\n  clouder k8s delete demo\n  clouder k8s delete demo --yes")
@name_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Also when a machine that is kept cannot be freed of it.")
@log_format_option
def delete(name: str, yes: bool, force: bool) -> None:
    """Remove a cluster: machines, keys, checkpoints and files.

    Machines that were there before it are kept; `kubeadm reset` frees them of the cluster.
    """
    from clouder.cli.making import remove

    remove(name, yes=yes, force=force)


@command.command(epilog="\b\nExamples:\n  clouder k8s logs demo\n  clouder k8s logs demo --run last")
@name_argument
@click.option("--run", "run", metavar="N|last", help="Print the logs of this run.")
@output_option
def logs(name: str, run: str | None, output: str) -> None:
    """List the runs of a cluster, or print the logs of one.

    Every run leaves a folder: its events, terraform's output, the output of every host, and the scripts
    as they were sent. Secrets are taken out.
    """
    from clouder.cli.runs import list_runs, print_run

    if run is None:
        list_runs(name, output)
    else:
        print_run(name, run)
