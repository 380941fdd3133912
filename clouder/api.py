"""What Clouder can do, as plain functions; `clouder` and `invoke` are two thin faces of them."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clouder import engine, preview, status
from clouder.cluster import Cluster, check, open_cluster
from clouder.errors import Aborted, ClouderError, NotFoundError, SpecError
from clouder.kubeconfig import forget, merge
from clouder.step import Action, Event, Workflow
from clouder.workflows import APPLY, MACHINES, SETUP
from clouder.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clouder.checkpoint import Checkpoint, Restored
    from clouder.preview import Preview
    from clouder.runlog import RunLog
    from clouder.spec import ClusterSpec
    from clouder.status import Row, Status
    from clouder.step import Reporter
    from clouder.terraform_event import TerraformEvent

__all__ = [
    "Aborted",
    "Removal",
    "clusters",
    "create",
    "create_checkpoint",
    "create_machines",
    "delete",
    "kubeconfig",
    "plan",
    "plan_delete",
    "restore_checkpoint",
    "runs",
    "setup",
    "show",
    "use",
]


def plan(spec: ClusterSpec, *, machines_only: bool = False, ask: bool = True) -> Preview:
    """What create, or create_machines, would do; changes nothing.

    With `ask` Terraform makes a plan and the machines that exist say what is done on them; without, the
    whole way is told from the spec alone.
    """
    workflow = MACHINES if machines_only else APPLY
    return preview.plan(spec, workflow) if ask else preview.outline(spec, workflow)


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
    """The workspace of `spec`, new or the one that has this very spec; raises SpecError for another."""
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
def running(workspace: Workspace, command: str, report: Reporter) -> Iterator[tuple[RunLog, Reporter]]:
    """The cluster's lock and a log of this run; Ctrl-C becomes Interrupted."""
    with _alone(workspace, command, report), _logged(workspace, command, report) as both:
        yield both


def _alone(workspace: Workspace, command: str, report: Reporter) -> AbstractContextManager[None]:
    def waiting(event: TerraformEvent) -> None:
        report(Event("", "terraform/", "Wait for an earlier terraform", event.kind, note=event.message))

    return workspace.lock(f"clouder {command} {workspace.name}", on_event=waiting)


@contextmanager
def _logged(workspace: Workspace, command: str, report: Reporter) -> Iterator[tuple[RunLog, Reporter]]:
    with workspace.run_log(command) as log:

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


def clusters() -> list[Row]:
    """Each stored cluster, the half-made and the damaged too; reads files only."""
    return [_row(name) for name in Workspace.names()]


def _row(name: str) -> Row:
    try:
        return status.row(open_cluster(name))
    except ClouderError as error:
        return status.broken_row(name, error)


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


@dataclass(frozen=True)
class Removal:
    """What a delete takes away."""

    name: str
    provider: str
    path: Path
    machines: tuple[str, ...]
    checkpoints: tuple[str, ...]


def plan_delete(name: str) -> Removal:
    """What delete would take away; reads files only. Raises NotFoundError."""
    from clouder.checkpoint import listing

    cluster = open_cluster(name)
    prepared = cluster.outputs or cluster.workspace.directory.exists()  # a killed create leaves no outputs
    machines = tuple(node.name for node in cluster.spec.nodes()) if prepared else ()
    kept = tuple(checkpoint.id for checkpoint in listing(name))
    return Removal(name, cluster.spec.provider, cluster.workspace.path, machines, kept)


def delete(name: str, *, report: Reporter) -> None:
    """Machines, keys and files; what half a create left goes too."""
    cluster = open_cluster(name)
    with _alone(cluster.workspace, "k8s delete", report):
        with _logged(cluster.workspace, "k8s delete", report) as (log, tell):
            engine.run(cluster, REMOVE, report=tell, log=log)
        forget(name)
        cluster.workspace.remove()


def _destroy(cluster: Cluster, report: Reporter) -> Cluster:
    def tell(event: TerraformEvent) -> None:
        step = f"terraform/{event.address}"
        report(Event("", step, event.address, event.kind, event.seconds, event.message))

    cluster.workspace.destroy(cluster.provider, on_event=tell)
    return cluster.with_outputs(None)


REMOVE = Workflow("remove", (Action("machines", "Remove the machines", _destroy),))


def runs(name: str) -> list[Path]:
    """The folders of all runs of a cluster, oldest first."""
    return sorted(path for path in (Workspace.open(name).path / "runs").glob("*/"))


def create_checkpoint(
    cluster: str, pod: str, *, namespace: str = "default", container: str | None = None, report: Reporter
) -> Checkpoint:
    """Freezes a container of a running pod, which goes on running, and brings the archive home."""
    from clouder import checkpoint as checkpoints

    opened = open_cluster(cluster)
    with running(opened.workspace, "checkpoint create", report) as (_, tell):
        return checkpoints.create(opened, pod, namespace=namespace, container=container, report=tell)


def restore_checkpoint(
    cluster: str, checkpoint: str, *, node: str | None = None, name: str | None = None, report: Reporter
) -> Restored:
    """Starts a pod from a checkpoint, where `node` is None on the best node."""
    from clouder import checkpoint as checkpoints

    opened = open_cluster(cluster)
    with running(opened.workspace, "checkpoint restore", report) as (_, tell):
        return checkpoints.restore(opened, checkpoint, node=node, name=name, report=tell)
