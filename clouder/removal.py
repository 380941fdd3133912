"""Taking a cluster away: machines, keys, files and its entries in kubectl's file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clouder.cluster import Cluster, open_cluster
from clouder.errors import ConnectionFailed, RemoteError
from clouder.kubeconfig import forget
from clouder.running import alone, logged
from clouder.step import Action, Event, Workflow
from clouder.steps.leaving import RELEASE, RESET
from clouder.steps.machines import terraform_events

if TYPE_CHECKING:
    from pathlib import Path

    from clouder.step import Reporter


REACH_SECONDS = 15.0  # a machine that is off does not come back for a delete


@dataclass(frozen=True)
class Removal:
    """What a delete takes away."""

    name: str
    provider: str
    path: Path
    machines: tuple[str, ...]
    checkpoints: tuple[str, ...]
    keeps_machines: bool = False


def plan_delete(name: str) -> Removal:
    """What delete would take away; reads files only. Raises NotFoundError."""
    from clouder.checkpoint import listing

    cluster = open_cluster(name)
    prepared = cluster.outputs or cluster.workspace.directory.exists()  # a killed create leaves no outputs
    machines = tuple(node.name for node in cluster.spec.nodes()) if prepared else ()
    keeps = cluster.provider.keeps_machines
    kept = tuple(checkpoint.id for checkpoint in listing(name))
    return Removal(name, cluster.spec.provider, cluster.workspace.path, machines, kept, keeps)


def delete(name: str, *, report: Reporter, force: bool = False) -> None:
    """Machines, keys and files; what half a create left goes too.

    Machines that stay are freed of the cluster first; with `force` one that cannot be is told and left.
    """
    from clouder import engine

    cluster = open_cluster(name)
    with alone(cluster.workspace, "k8s delete", report):
        with logged(cluster.workspace, "k8s delete", report) as (log, tell):
            try:
                engine.run(cluster, LEAVE, report=tell, log=log, patience=REACH_SECONDS)
            except (ConnectionFailed, RemoteError) as error:
                if not force:
                    raise
                tell(Event("", RESET.name, RESET.title, "note", note=error.message))
            engine.run(cluster, REMOVE, report=tell, log=log)
        forget(name)
        cluster.workspace.remove()


def _destroy(cluster: Cluster, report: Reporter) -> Cluster:
    cluster.workspace.destroy(cluster.provider, on_event=terraform_events(report))
    return cluster.with_outputs(None)


LEAVE = Workflow("leave", (RELEASE, RESET), again="clouder k8s delete")
REMOVE = Workflow("remove", (Action("machines", "Remove the machines", _destroy),))
