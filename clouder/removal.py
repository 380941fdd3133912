"""Taking a cluster away: machines, keys, files and its entries in kubectl's file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clouder.cluster import Cluster, open_cluster
from clouder.kubeconfig import forget
from clouder.running import alone, logged
from clouder.step import Action, Event, Workflow

if TYPE_CHECKING:
    from pathlib import Path

    from clouder.step import Reporter
    from clouder.terraform_event import TerraformEvent


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
    from clouder import engine

    cluster = open_cluster(name)
    with alone(cluster.workspace, "k8s delete", report):
        with logged(cluster.workspace, "k8s delete", report) as (log, tell):
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
