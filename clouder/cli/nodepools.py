"""`clouder k8s create-nodepool`, `update-nodepool`, `delete-nodepool`, `nodepools`: groups of like nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from clouder.cli.options import log_format_option, name_argument, output_option

if TYPE_CHECKING:
    from clouder.cli.options import Command
    from clouder.pools import Verb
    from clouder.scaling import Scaling


def _pool_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Of the cluster that stands before; nothing where there is none."""
    from clouder import api
    from clouder.errors import ClouderError

    try:
        names = [row.name for row in api.nodepools(str(ctx.params.get("name")))]
    except ClouderError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _xpus(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    from clouder.marks import XPUS

    return [CompletionItem(name) for name in XPUS if name.startswith(incomplete)]


pool_argument = click.argument("pool", shell_complete=_pool_names)
size_option = click.option(
    "--flavor", "--size", "size", metavar="SIZE", help="Machine size.  [default: the provider's]"
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Print spec, Terraform plan and steps per host; change nothing."
)
POOL_OPTIONS = (
    click.option("--min", type=int, metavar="N", help="Never fewer nodes; 0 in a new pool."),
    click.option("--desired", type=int, metavar="N", help="How many nodes; 1 in a new pool."),
    click.option("--max", type=int, metavar="N", help="Never more nodes; 200 in a new pool."),
    click.option("--roles", metavar="ROLE[,ROLE]", help="Labels node-role.kubernetes.io/ROLE."),
    click.option("--labels", metavar="KEY=VALUE[,…]", help="Labels of its nodes."),
    click.option("--taints", metavar="KEY=VALUE:EFFECT[,…]", help="Taints of its nodes."),
    click.option(
        "--xpu", metavar="KIND", shell_complete=_xpus, help="Accelerator, such as gpu-cuda: label and taint."
    ),
)
LEAVE_OPTIONS = (
    click.option(
        "--drain-timeout",
        type=click.IntRange(1),
        metavar="SECONDS",
        help="How long a node may take to become empty.  [default: 300]",
    ),
    click.option(
        "--force", is_flag=True, help="Also pods that nothing starts again elsewhere; they are lost."
    ),
)


def _with(command: Command, *options: Any) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def _pool_options(command: Command) -> Command:
    return _with(command, *POOL_OPTIONS)


def _leave_options(command: Command) -> Command:
    return _with(command, *LEAVE_OPTIONS)


@click.command(
    "create-nodepool",
    epilog="""\b
Examples:
  clouder k8s create-nodepool demo web --desired 2 --labels tier=web
  clouder k8s create-nodepool my-cluster gpu-workers \\
      --flavor Standard_NC4as_T4_v3 --min 0 --desired 1 --max 5 \\
      --roles jupyter --xpu gpu-cuda
A second call goes on where the first one stopped.""",
)
@name_argument
@click.argument("pool")
@size_option
@_pool_options
@dry_run_option
@output_option
@log_format_option
def create(name: str, pool: str, dry_run: bool, output: str, **flags: Any) -> None:
    """Add a pool of nodes to a cluster.

    Its machines are made, prepared and joined; the others are not touched.
    """
    _change("create", name, pool, flags, dry_run=dry_run, output=output)


@click.command(
    "update-nodepool",
    epilog="""\b
Examples:
  clouder k8s update-nodepool demo workers --desired 5
  clouder k8s update-nodepool demo web --labels tier=front --taints ''
A second call goes on where the first one stopped.""",
)
@name_argument
@pool_argument
@_pool_options
@_leave_options
@dry_run_option
@output_option
@log_format_option
def update(  # noqa: PLR0917 (the flags of the command line, one by one)
    name: str, pool: str, drain_timeout: int | None, force: bool, dry_run: bool, output: str, **flags: Any
) -> None:
    """Change how many nodes a pool has, or what they bear.

    What is given takes the place of what was there, '' takes all of it away. Of a pool that gets smaller
    the nodes with the highest numbers leave: they are cordoned and drained, and nothing is destroyed while
    a disruption budget, or a pod that nothing would start elsewhere, stands in the way.
    """
    _change(
        "update", name, pool, flags, drain_timeout=drain_timeout, force=force, dry_run=dry_run, output=output
    )


@click.command("delete-nodepool", epilog="\b\nExample:\n  clouder k8s delete-nodepool demo web")
@name_argument
@pool_argument
@_leave_options
@dry_run_option
@output_option
@log_format_option
def delete(  # noqa: PLR0917 (the flags of the command line, one by one)
    name: str, pool: str, drain_timeout: int | None, force: bool, dry_run: bool, output: str
) -> None:
    """Drain all nodes of a pool, and remove it."""
    _change(
        "delete", name, pool, {}, drain_timeout=drain_timeout, force=force, dry_run=dry_run, output=output
    )


@click.command(epilog="\b\nExample:\n  clouder k8s nodepools demo -o json")
@name_argument
@output_option
def nodepools(name: str, output: str) -> None:
    """List the pools of a cluster.

    Reads files only: what the spec wants, and how many machines there are of it.
    """
    from clouder import api
    from clouder.cli.output import show
    from clouder.cli.tables import pools_table

    rows = api.nodepools(name)
    show(rows, output, table=pools_table(rows))


COMMANDS = (create, update, delete, nodepools)


def _change(
    verb: Verb,
    name: str,
    pool: str,
    flags: dict[str, Any],
    *,
    dry_run: bool,
    output: str,
    drain_timeout: int | None = None,
    force: bool = False,
) -> None:
    from clouder import api, pools
    from clouder.cli.making import tell_reader
    from clouder.cli.progress import telling
    from clouder.cli.tables import scaling_text
    from clouder.steps.leaving import Patience

    edit = pools.Edit(verb, name, pool, pools.values(flags))
    scaling = api.plan_nodepool(edit)
    if dry_run:
        _show_plan(scaling, output)
        return
    tell_reader(scaling_text(scaling))
    with telling() as report:
        api.change_nodepool(edit, patience=Patience(drain_timeout or Patience.seconds, force), report=report)
    _show_result(name, pool, output)


def _show_plan(scaling: Scaling, output: str) -> None:
    from clouder import api
    from clouder.cli.output import show
    from clouder.cli.tables import preview_text, scaling_text

    preview = api.preview_nodepool(scaling)
    text = f"{scaling_text(scaling, notes=False)}\n\n{preview_text(preview, full=True)}"
    show(preview, output, table=text)


def _show_result(name: str, pool: str, output: str) -> None:
    from clouder import api
    from clouder.cli.making import tell_reader
    from clouder.cli.output import show

    row = next((row for row in api.nodepools(name) if row.name == pool), None)
    if row is None:
        tell_reader(f"Pool {pool} of {name} is gone, and its machines with it.")
        return
    nodes = "1 node" if row.machines == 1 else f"{row.machines} nodes"
    next_line = f"\n  kubectl get nodes -l clouder.dev/pool={pool}" if row.machines else ""
    tell_reader(f"Pool {pool} of {name} has {nodes}.{next_line}")
    if output != "table":
        show(row, output, table="")
