"""What Clouder can do, as plain functions; `clouder` and `invoke` are two thin faces of them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from clouder import status
from clouder.cluster import Cluster, check, open_cluster
from clouder.errors import Aborted, ClouderError, NotFoundError, SpecError, UsageError
from clouder.kubeconfig import merge
from clouder.removal import Removal, delete, plan_delete
from clouder.running import running
from clouder.scaling import Scaling, change_nodepool, nodepools, plan_nodepool, preview_nodepool
from clouder.spec import ClusterSpec
from clouder.step import Event
from clouder.steps.leaving import who_blocks
from clouder.store import cache
from clouder.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from clouder.checkpoint import Checkpoint, Restored
    from clouder.checkpoint.checks import Finding
    from clouder.preview import Preview
    from clouder.status import Row, Status
    from clouder.step import Reporter, Workflow
    from clouder.terraform_lint import Check

__all__ = [
    "Aborted",
    "BundleRow",
    "Removal",
    "Scaling",
    "build_bundle",
    "change_nodepool",
    "clusters",
    "create",
    "create_checkpoint",
    "create_machines",
    "criu_doctor",
    "delete",
    "export_terraform",
    "kubeconfig",
    "lint_terraform",
    "list_bundles",
    "list_checkpoints",
    "nodepools",
    "plan",
    "plan_delete",
    "plan_nodepool",
    "preview_nodepool",
    "remove_checkpoint",
    "restore_checkpoint",
    "running",
    "runs",
    "setup",
    "show",
    "show_checkpoint",
    "use",
    "verify_bundles",
]


def plan(spec: ClusterSpec, *, machines_only: bool = False, ask: bool = True) -> Preview:
    """What create, or create_machines, would do; changes nothing.

    With `ask` Terraform makes a plan and the machines that exist say what is done on them; without, the
    whole way is told from the spec alone.
    """
    from clouder import preview
    from clouder.workflows import APPLY, MACHINES

    if spec.name in Workspace.names():
        _same(open_cluster(spec.name), spec)
    workflow = MACHINES if machines_only else APPLY
    return preview.plan(spec, workflow) if ask else preview.outline(spec, workflow)


def create(spec: ClusterSpec, *, report: Reporter) -> Cluster:
    """Machines and Kubernetes, all of it; the same call again goes on where the last one stopped."""
    from clouder.workflows import APPLY

    return _work(_claim(spec), APPLY, "k8s create", report)


def create_machines(spec: ClusterSpec, *, report: Reporter) -> Cluster:
    """The machines alone."""
    from clouder.workflows import MACHINES

    return _work(_claim(spec), MACHINES, "kubeadm vm-create", report)


def setup(name: str, *, report: Reporter) -> Cluster:
    """Kubernetes on the machines that are there; raises NotFoundError when there are none."""
    from clouder.workflows import SETUP

    cluster = open_cluster(name)
    if cluster.outputs is None:
        raise NotFoundError(f"cluster {name} has no machines yet", fix=f"clouder kubeadm vm-create {name}")
    return _work(cluster, SETUP, "kubeadm setup", report)


def _claim(spec: ClusterSpec) -> Cluster:
    """The workspace of `spec`, new or the one that has this very spec; raises SpecError for another."""
    provider = check(spec)
    provider.check_access(spec)
    if spec.name not in Workspace.names():
        with suppress(UsageError):  # of two at once, the other was first
            return Cluster(spec, provider, Workspace.create(spec))
    return _same(open_cluster(spec.name), spec)


def _same(cluster: Cluster, spec: ClusterSpec) -> Cluster:
    stored, wanted = dict(_fields(cluster.spec)), dict(_fields(spec))
    changed = [
        f"{path}: {_words(stored, path)} is stored, {_words(wanted, path)} is asked"
        for path in sorted({*stored, *wanted})
        if stored.get(path) != wanted.get(path)
    ]
    if changed:
        raise SpecError(
            f"cluster {spec.name} exists with another spec\n" + "\n".join(changed),
            fix=f"go on with the stored spec: clouder k8s create {spec.name}; change its pools with "
            f"clouder k8s update-nodepool {spec.name} POOL; or take another name",
        )
    return cluster


def _fields(spec: ClusterSpec) -> Iterator[tuple[str, Any]]:
    """Every value of a spec by its path, such as `pools.0.desired`."""
    waiting: list[tuple[str, Any]] = [("", spec.model_dump(mode="json", by_alias=True))]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, list):
            value = dict(enumerate(value))
        if isinstance(value, dict):
            waiting += [(f"{path}.{key}".lstrip("."), item) for key, item in value.items()]
        else:
            yield path, value


def _words(values: Mapping[str, Any], path: str) -> str:
    return repr(values[path]) if path in values else "nothing"


def _work(cluster: Cluster, workflow: Workflow, command: str, report: Reporter) -> Cluster:
    from clouder import engine

    with running(cluster.workspace, command, report) as (log, tell), who_blocks(cluster):
        return engine.run(cluster, workflow, report=tell, log=log)


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


def runs(name: str) -> list[Path]:
    """The folders of all runs of a cluster, oldest first."""
    return sorted(path for path in (Workspace.open(name).path / "runs").glob("*/"))


def export_terraform(name: str, directory: Path) -> list[str]:
    """Writes the Terraform of a cluster, without state and secrets; the paths of the files in `directory`."""
    from clouder.terraform_export import export

    return export(open_cluster(name), directory)


def lint_terraform(name: str) -> list[Check]:
    """What terraform, tflint and checkov say about the Terraform of a cluster."""
    from clouder.terraform_lint import lint

    return lint(open_cluster(name))


def create_checkpoint(
    cluster: str, pod: str, *, namespace: str = "default", container: str | None = None, report: Reporter
) -> Checkpoint:
    """Freezes a container of a running pod, which goes on running, and brings the archive home."""
    from clouder import checkpoint as checkpoints

    opened = open_cluster(cluster)
    with running(opened.workspace, "checkpoint create", report, arguments=f"{cluster} {pod}") as (_, tell):
        return checkpoints.create(opened, pod, namespace=namespace, container=container, report=tell)


def restore_checkpoint(
    cluster: str, checkpoint: str, *, node: str | None = None, name: str | None = None, report: Reporter
) -> Restored:
    """Starts a pod from a checkpoint, where `node` is None on the best node."""
    from clouder import checkpoint as checkpoints

    opened = open_cluster(cluster)
    with running(opened.workspace, "checkpoint restore", report, arguments=f"{cluster} {checkpoint}") as (
        _,
        tell,
    ):
        return checkpoints.restore(opened, checkpoint, node=node, name=name, report=tell)


def list_checkpoints(cluster: str | None = None) -> list[Checkpoint]:
    """The checkpoints of a cluster, or of all, oldest first; raises NotFoundError for an unknown cluster."""
    from clouder import checkpoint as checkpoints

    if cluster is not None:
        Workspace.open(cluster)
    return checkpoints.listing(cluster)


def show_checkpoint(checkpoint: str) -> Checkpoint:
    """The checkpoint whose id is, or alone begins with, `checkpoint`."""
    from clouder import checkpoint as checkpoints

    return checkpoints.load(checkpoint)


def remove_checkpoint(checkpoint: str, *, report: Reporter) -> str:
    """Deletes a checkpoint, and its images from the nodes; returns its whole id."""
    from clouder import checkpoint as checkpoints

    return checkpoints.remove(checkpoint, report=report)


def criu_doctor(name: str, *, live: bool = True, report: Reporter) -> list[Finding]:
    """What CRIU can do on every node of a cluster, in the end proved with a real restore if `live`."""
    from clouder.checkpoint.doctor import doctor

    opened = open_cluster(name)
    with running(opened.workspace, "criu doctor", report) as (_, tell):
        return doctor(opened, live=live, report=tell)


@dataclass(frozen=True)
class BundleRow:
    """A bundle in the cache; `problems` is filled by verify alone."""

    name: str
    kubernetes_version: str
    source: str
    path: Path
    problems: tuple[str, ...] = ()


def build_bundle(
    kubernetes_version: str | None = None, *, source: str = "auto", report: Reporter
) -> BundleRow:
    """The bundle of a version, by default the spec's; built when it is not there. Raises UsageError."""
    from clouder import bundle
    from clouder.bundle.build import SOURCES

    def tell(event: bundle.Event) -> None:
        report(Event("", f"bundle/{event.part}", event.part, event.state, event.seconds, event.note))

    if source not in ("auto", *SOURCES):
        raise UsageError(f"--source: {source} is not one of auto, {', '.join(SOURCES)}", fix="--source auto")
    version = kubernetes_version or str(ClusterSpec.model_fields["kubernetes_version"].default)
    return _bundle_row(bundle.ensure(version, source=source, progress=tell).path)


def list_bundles() -> list[BundleRow]:
    """Every bundle in the cache, those of older recipes too."""
    return [_bundle_row(path) for path in sorted((cache() / "bundles").glob("v*/"))]


def verify_bundles(name: str | None = None) -> list[BundleRow]:
    """Compares the files of all bundles, or of those called `name` or of that version, with their locks."""
    from clouder.bundle import lock

    rows = [row for row in list_bundles() if name in (None, row.name, row.kubernetes_version)]
    if name and not rows:
        raise NotFoundError(f"there is no bundle {name}", fix="clouder bundle ls")
    return [replace(row, problems=tuple(lock.verify(row.path))) for row in rows]


def _bundle_row(path: Path) -> BundleRow:
    """Read from the name of the directory, so that a damaged bundle is listed too."""
    version, source, _ = f"{path.name}--".split("-", 2)
    return BundleRow(path.name, version, source, path)
