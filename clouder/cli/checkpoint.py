"""`clouder checkpoint`: freeze a pod, and bring it back."""

from __future__ import annotations

import click

from clouder.cli.groups import Group
from clouder.cli.options import cluster_argument, log_format_option, optional_cluster_argument, output_option
from clouder.cli.root import MODULES


@click.group("checkpoint", cls=Group, help=MODULES["checkpoint"])
def command() -> None:
    """Holds the commands below."""


@command.command(epilog="\b\nExample:\n  clouder checkpoint create demo counter -n default")
@cluster_argument
@click.argument("pod")
@click.option("-n", "--namespace", metavar="NAME", default="default", show_default=True)
@click.option("-c", "--container", metavar="NAME", help="Which one, in a pod of several.")
@output_option
@log_format_option
def create(cluster: str, pod: str, namespace: str, container: str | None, output: str) -> None:
    """Freeze a container of a running pod, which goes on running.

    Prints the id of the checkpoint.
    """
    from clouder import api
    from clouder.cli.making import tell_reader
    from clouder.cli.output import show
    from clouder.cli.progress import telling

    with telling() as report:
        made = api.create_checkpoint(cluster, pod, namespace=namespace, container=container, report=report)
    show(made, output, table=made.id)
    tell_reader(f"  clouder checkpoint restore {cluster} {made.id}")


@command.command(epilog="\b\nExample:\n  clouder checkpoint ls demo -o json")
@optional_cluster_argument
@output_option
def ls(cluster: str | None, output: str) -> None:
    """List the checkpoints of a cluster, or of all."""
    from clouder import api
    from clouder.cli.output import show, table

    rows = api.list_checkpoints(cluster)
    columns = {
        "ID": "id",
        "CLUSTER": "cluster",
        "POD": "pod",
        "NAMESPACE": "namespace",
        "NODE": "node",
        "CREATED": "created",
        "BYTES": "size",
    }
    show(rows, output, table=table(rows, columns))


@command.command(epilog="\b\nExample:\n  clouder checkpoint show counter-20260101-120000-a1b2")
@click.argument("id_", metavar="ID")
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
def show(id_: str, output: str) -> None:
    """Show the manifest of a checkpoint; ID may be cut short."""
    from clouder import api
    from clouder.cli import output as out

    out.show(api.show_checkpoint(id_), output, table="")


@command.command(epilog="\b\nExample:\n  clouder checkpoint rm counter-20260101-120000-a1b2")
@click.argument("id_", metavar="ID")
@log_format_option
def rm(id_: str) -> None:
    """Remove a checkpoint, here and from the nodes that hold its image."""
    from clouder import api
    from clouder.cli.making import tell_reader
    from clouder.cli.progress import telling

    with telling() as report:
        removed = api.remove_checkpoint(id_, report=report)
    tell_reader(f"checkpoint {removed} is gone")


@command.command(epilog="\b\nExample:\n  clouder checkpoint restore demo counter-20260101 --node demo-node-2")
@cluster_argument
@click.argument("id_", metavar="ID")
@click.option("--node", metavar="NAME", help="Where to; without it the best node is chosen.")
@click.option("--name", metavar="POD", help="Name of the new pod.  [default: POD-restored]")
@output_option
@log_format_option
def restore(cluster: str, id_: str, node: str | None, name: str | None, output: str) -> None:
    """Start a pod from a checkpoint: it goes on where it was frozen."""
    from clouder import api
    from clouder.cli.making import tell_reader
    from clouder.cli.output import show
    from clouder.cli.progress import telling

    with telling() as report:
        done = api.restore_checkpoint(cluster, id_, node=node, name=name, report=report)
    show(done, output, table=f"{done.namespace}/{done.pod} runs on {done.node} after {done.seconds:.1f} s")
    tell_reader(f"  kubectl --context clouder-{cluster} -n {done.namespace} logs -f {done.pod}")
