"""`invoke kubeadm.…`: `clouder kubeadm` for Invoke."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.tasks import task

from clouder.cli import kubeadm
from clouder.tasks.calling import call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke.context import Context


@task(positional=["name"], iterable=["host", "addon"], auto_shortflags=False)
def vm_create(  # noqa: PLR0917 (the flags of the command line, one by one)
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
    """Make the machines alone: one master and its workers."""
    call(
        kubeadm.vm_create,
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


@task(positional=["name"], auto_shortflags=False)
def setup(_: Context, name: str) -> None:
    """Set up Kubernetes on the machines that are there."""
    call(kubeadm.setup, name=name)


@task(positional=["name"], auto_shortflags=False)
def get_config(_: Context, name: str) -> None:
    """Print the kubeconfig of a cluster."""
    call(kubeadm.get_config, name=name)
