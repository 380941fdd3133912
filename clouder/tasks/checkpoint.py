"""`invoke checkpoint.…`: `clouder checkpoint` for Invoke."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.tasks import task

from clouder.cli import checkpoint
from clouder.tasks.calling import call

if TYPE_CHECKING:
    from invoke.context import Context


@task(positional=["cluster", "pod"], auto_shortflags=False)
def create(
    _: Context,
    cluster: str,
    pod: str,
    namespace: str = "default",
    container: str | None = None,
    output: str = "table",
) -> None:
    """Freeze a container of a running pod, which goes on running."""
    call(
        checkpoint.create,
        cluster=cluster,
        pod=pod,
        namespace=namespace,
        container=container,
        output=output,
    )


@task(positional=[], auto_shortflags=False)
def ls(_: Context, cluster: str | None = None, output: str = "table") -> None:
    """List the checkpoints of a cluster, or of all."""
    call(checkpoint.ls, cluster=cluster, output=output)


@task(positional=["id_"], auto_shortflags=False)
def show(_: Context, id_: str, output: str = "yaml") -> None:
    """Show the manifest of a checkpoint; ID may be cut short."""
    call(checkpoint.show, id_=id_, output=output)


@task(positional=["id_"], auto_shortflags=False)
def rm(_: Context, id_: str) -> None:
    """Remove a checkpoint, here and from the nodes that hold its image."""
    call(checkpoint.rm, id_=id_)


@task(positional=["cluster", "id_"], auto_shortflags=False)
def restore(
    _: Context,
    cluster: str,
    id_: str,
    node: str | None = None,
    name: str | None = None,
    output: str = "table",
) -> None:
    """Start a pod from a checkpoint: it goes on where it was frozen."""
    call(checkpoint.restore, cluster=cluster, id_=id_, node=node, name=name, output=output)
