"""`invoke cluster.…`: `clouder k8s` for Invoke."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.tasks import task

from clouder.cli import k8s, nodepools
from clouder.tasks.calling import call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke.context import Context


@task(positional=["name"], iterable=["host", "addon"], auto_shortflags=False)
def create(  # noqa: PLR0917 (the flags of the command line, one by one)
    _: Context,
    name: str,
    file: str | None = None,
    provider: str | None = None,
    region: str | None = None,
    workers: str | None = None,
    kubernetes_version: str | None = None,
    cni: str | None = None,
    criu: bool = True,
    control_plane_size: str | None = None,
    worker_size: str | None = None,
    pod_cidr: str | None = None,
    service_cidr: str | None = None,
    allowed_cidr: str | None = None,
    addon: Sequence[str] | None = None,
    host: Sequence[str] | None = None,
    endpoint: str | None = None,
    ssh_user: str | None = None,
    ssh_key: str | None = None,
    ssh_known_hosts: str | None = None,
    ssh_trust_on_first_use: bool = False,
    bastion: str | None = None,
    dry_run: bool = False,
    output: str = "table",
) -> None:
    """Make a cluster: machines, Kubernetes, network, CRIU."""
    call(
        k8s.create,
        name=name,
        file=file,
        provider=provider,
        region=region,
        workers=workers,
        kubernetes_version=kubernetes_version,
        cni=cni,
        criu=None if criu else False,  # True is what a spec says without the flag
        control_plane_size=control_plane_size,
        worker_size=worker_size,
        pod_cidr=pod_cidr,
        service_cidr=service_cidr,
        allowed_cidr=allowed_cidr,
        addon=addon,
        host=host,
        endpoint=endpoint,
        ssh_user=ssh_user,
        ssh_key=ssh_key,
        ssh_known_hosts=ssh_known_hosts,
        ssh_trust_on_first_use=ssh_trust_on_first_use,
        bastion=bastion,
        dry_run=dry_run,
        output=output,
    )


@task(auto_shortflags=False)
def ls(_: Context, output: str = "table") -> None:
    """List the clusters, half-made ones too."""
    call(k8s.ls, output=output)


@task(positional=["name"], auto_shortflags=False)
def status(_: Context, name: str, output: str = "table") -> None:
    """Show machines and nodes, what is wrong, and what to type."""
    call(k8s.status, name=name, output=output)


@task(positional=["name"], auto_shortflags=False)
def kubeconfig(_: Context, name: str, print_: bool = False) -> None:
    """Print where the kubeconfig of a cluster is."""
    call(k8s.kubeconfig, name=name, print_=print_)


@task(positional=["name"], auto_shortflags=False)
def use(_: Context, name: str) -> None:
    """Make the cluster kubectl's current context."""
    call(k8s.use, name=name)


@task(positional=["name"], auto_shortflags=False)
def delete(_: Context, name: str, yes: bool = False, force: bool = False) -> None:
    """Remove a cluster: machines, keys, checkpoints and files."""
    call(k8s.delete, name=name, yes=yes, force=force)


@task(positional=["name"], auto_shortflags=False)
def logs(_: Context, name: str, run: str | None = None, output: str = "table") -> None:
    """List the runs of a cluster, or print the logs of one."""
    call(k8s.logs, name=name, run=run, output=output)


@task(positional=["name", "pool"], auto_shortflags=False)
def create_nodepool(  # noqa: PLR0917 (the flags of the command line, one by one)
    _: Context,
    name: str,
    pool: str,
    size: str | None = None,
    min: str | None = None,  # noqa: A002 (as on the command line)
    desired: str | None = None,
    max: str | None = None,  # noqa: A002
    roles: str | None = None,
    labels: str | None = None,
    taints: str | None = None,
    xpu: str | None = None,
    dry_run: bool = False,
    output: str = "table",
) -> None:
    """Add a pool of nodes to a cluster."""
    call(
        nodepools.create,
        name=name,
        pool=pool,
        size=size,
        min=min,
        desired=desired,
        max=max,
        roles=roles,
        labels=labels,
        taints=taints,
        xpu=xpu,
        dry_run=dry_run,
        output=output,
    )


@task(positional=["name", "pool"], auto_shortflags=False)
def update_nodepool(  # noqa: PLR0917 (the flags of the command line, one by one)
    _: Context,
    name: str,
    pool: str,
    min: str | None = None,  # noqa: A002 (as on the command line)
    desired: str | None = None,
    max: str | None = None,  # noqa: A002
    roles: str | None = None,
    labels: str | None = None,
    taints: str | None = None,
    xpu: str | None = None,
    drain_timeout: str | None = None,
    force: bool = False,
    dry_run: bool = False,
    output: str = "table",
) -> None:
    """Change how many nodes a pool has, or what they bear."""
    call(
        nodepools.update,
        name=name,
        pool=pool,
        min=min,
        desired=desired,
        max=max,
        roles=roles,
        labels=labels,
        taints=taints,
        xpu=xpu,
        drain_timeout=drain_timeout,
        force=force,
        dry_run=dry_run,
        output=output,
    )


@task(positional=["name", "pool"], auto_shortflags=False)
def delete_nodepool(  # noqa: PLR0917 (the flags of the command line, one by one)
    _: Context,
    name: str,
    pool: str,
    drain_timeout: str | None = None,
    force: bool = False,
    dry_run: bool = False,
    output: str = "table",
) -> None:
    """Drain all nodes of a pool, and remove it."""
    call(
        nodepools.delete,
        name=name,
        pool=pool,
        drain_timeout=drain_timeout,
        force=force,
        dry_run=dry_run,
        output=output,
    )


@task(name="nodepools", positional=["name"], auto_shortflags=False)
def list_nodepools(_: Context, name: str, output: str = "table") -> None:
    """List the pools of a cluster."""
    call(nodepools.nodepools, name=name, output=output)
