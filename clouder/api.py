"""What Clouder can do, as plain functions; `clouder` and `invoke` are two thin faces of them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from clouder import engine, status
from clouder.cluster import Cluster, check, open_cluster
from clouder.errors import Aborted, NotFoundError, SpecError
from clouder.kubeconfig import forget, merge
from clouder.workflows import APPLY, MACHINES, SETUP
from clouder.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clouder.spec import ClusterSpec
    from clouder.status import Status
    from clouder.step import Event, Reporter, Workflow

__all__ = ["Aborted", "clusters", "create", "create_machines", "delete", "kubeconfig", "setup", "show", "use"]


def create(spec: ClusterSpec, *, report: Reporter) -> Cluster:
    """Machines and Kubernetes, all of it; the same call again goes on where the last one stopped."""
    return _work(_claim(spec), APPLY, "k8s create", report)


def create_machines(spec: ClusterSpec, *, report: Reporter) -> Cluster:
    """The machines alone."""
    return _work(_claim(spec), MACHINES, "kubeadm vm-create", report)


def setup(name: str, *, report: Reporter) -> Cluster:
    """Kubernetes on the machines that are there; raises NotFoundError when there are none."""
    cluster = open_cluster(name)
    if cluster.outputs is None:
        raise NotFoundError(f"cluster {name} has no machines yet", fix=f"clouder kubeadm vm-create {name}")
    return _work(cluster, SETUP, "kubeadm setup", report)


def _claim(spec: ClusterSpec) -> Cluster:
    """The workspace of `spec`, new or the one that already has this very spec; raises SpecError for another."""
    provider = check(spec)
    provider.check_access(spec)
    if spec.name in Workspace.names():
        return _same(open_cluster(spec.name), spec)
    return Cluster(spec, provider, Workspace.create(spec))


def _same(cluster: Cluster, spec: ClusterSpec) -> Cluster:
    stored, wanted = cluster.spec.model_dump(by_alias=True), spec.model_dump(by_alias=True)
    changed = [
        f"{key}: {stored[key]!r} is stored, {wanted[key]!r} is asked"
        for key in stored
        if stored[key] != wanted[key]
    ]
    if changed:
        raise SpecError(
            f"cluster {spec.name} exists with another spec\n" + "\n".join(changed),
            fix=f"go on with the stored spec: clouder k8s create {spec.name}, or take another name",
        )
    return cluster


def _work(cluster: Cluster, workflow: Workflow, command: str, report: Reporter) -> Cluster:
    with running(cluster.workspace, command, report) as (log, tell):
        return engine.run(cluster, workflow, report=tell, log=log)


@contextmanager
def running(workspace: Workspace, command: str, report: Reporter) -> Iterator[tuple[object, Reporter]]:
    """The cluster's lock and a log of this run; Ctrl-C becomes Interrupted."""
    with (
        workspace.lock(f"clouder {command} {workspace.name}"),
        workspace.run_log(command.replace(" ", "-")) as log,
    ):

        def tell(event: Event) -> None:
            log.event(event)
            report(event)

        workspace.journal("begin", command=command)
        try:
            yield log, tell
        except KeyboardInterrupt:
            workspace.journal("interrupted", command=command)
            raise engine.interrupted(f"clouder {command} {workspace.name}") from None
        except BaseException as error:
            workspace.journal("failed", command=command, error=str(error))
            raise
        workspace.journal("end", command=command)


def clusters() -> list[dict[str, str]]:
    """Each stored cluster: name, provider, Kubernetes version, nodes and state; reads files only."""
    return [status.row(open_cluster(name)) for name in Workspace.names()]


def show(name: str) -> Status:
    """What is known of a cluster, also when it is sick: machines, nodes, what is wrong and what to type."""
    return status.read(open_cluster(name))


def kubeconfig(name: str) -> Path:
    """The file with the cluster's kubeconfig; raises NotFoundError before setup has fetched it."""
    path = Workspace.open(name).kubeconfig
    if not path.exists():
        raise NotFoundError(f"cluster {name} has no kubeconfig yet", fix=f"clouder kubeadm setup {name}")
    return path


def use(name: str) -> Path:
    """Makes the cluster kubectl's current context; the file that was changed."""
    return merge(kubeconfig(name), name)


def delete(name: str, *, report: Reporter) -> None:
    """Machines, keys and files; what half a create left goes too."""
    cluster = open_cluster(name)
    with running(cluster.workspace, "k8s delete", report) as (_, tell):
        cluster.workspace.destroy(cluster.provider, on_event=tell)
        forget(name)
    cluster.workspace.remove()
