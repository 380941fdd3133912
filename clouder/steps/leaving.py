"""Nodes that leave a cluster, emptied before their machines go; a cluster that leaves machines that stay."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clouder.addons import external_cloud
from clouder.errors import RemoteError
from clouder.step import Step
from clouder.steps.select import every_host, leader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clouder.cluster import Cluster
    from clouder.inventory import Host
    from clouder.step import Target

BLOCKS = "blocks: "  # as templates/node/drain.sh begins a line with what stands in the way


@dataclass(frozen=True)
class Patience:
    """How long a node may take to become empty, and whether pods may be lost that nothing starts again."""

    seconds: int = 300
    force: bool = False


def leaving(cluster: Cluster) -> tuple[Host, ...]:
    """The machines that are there and that the spec does not name any more."""
    if cluster.outputs is None:
        return ()
    wanted = {node.name for node in cluster.spec.nodes()}
    return cluster.inventory.where(lambda host: host.name not in wanted)


def _leader_of_leaving(cluster: Cluster) -> tuple[Host, ...]:
    return leader(cluster) if leaving(cluster) else ()


def _names(target: Target) -> dict[str, str]:
    return {"NODES": " ".join(host.name for host in leaving(target.cluster))}


# Without a marker: between two runs a node may have come back, and pods with it.
FORGET = Step(
    "forget", "Take the leaving nodes out", on=_leader_of_leaving, values=_names, when=lambda _: True
)


def leave(patience: Patience) -> tuple[Step, Step]:
    """The steps that stand before the machines of nodes are destroyed."""

    def values(target: Target) -> dict[str, str]:
        force = "--force" if patience.force else ""
        return {**_names(target), "PATIENCE": str(patience.seconds), "FORCE": force}

    drain = Step(
        "drain", "Empty the leaving nodes", on=_leader_of_leaving, values=values, when=lambda _: True
    )
    return drain, FORGET


@contextmanager
def who_blocks(cluster: Cluster) -> Iterator[None]:
    """A drain that failed is told as the pods that stand in the way, and how to keep the nodes instead."""
    try:
        yield
    except RemoteError as error:
        lines = error.details.splitlines()
        blocks = [line.removeprefix(BLOCKS) for line in lines if line.startswith(BLOCKS)]
        if not blocks:
            raise
        raise RemoteError(
            "\n".join(["nodes that are to leave could not be emptied; nothing was removed", *blocks]),
            fix=f"when these pods are gone: clouder k8s create {cluster.name}; {_to_keep(cluster)}",
            details="\n".join(line for line in lines if line.startswith("log: ")),
        ) from error


def _to_keep(cluster: Cluster) -> str:
    """The commands that make every pool as large again as it is."""
    sizes = Counter(host.pool for host in cluster.inventory.workers)
    pools = sorted({host.pool for host in leaving(cluster)})
    commands = [
        f"clouder k8s update-nodepool {cluster.name} {pool} --desired {sizes[pool]}" for pool in pools
    ]
    return f"to keep the nodes: {', '.join(commands)}"


def _kept_hosts(cluster: Cluster) -> tuple[Host, ...]:
    """The machines, where a delete does not destroy them."""
    return every_host(cluster) if cluster.provider.keeps_machines and cluster.outputs else ()


def _controlled(cluster: Cluster) -> tuple[Host, ...]:
    """The leader, where a controller makes things in the cloud that Terraform does not know."""
    return leader(cluster) if external_cloud(cluster.spec) and cluster.outputs else ()


RELEASE = Step("release", "Give back load balancers and volumes", on=_controlled, when=lambda _: True)
# Always to be done, and without a marker: a marker would be the one thing left of the cluster.
RESET = Step("reset", "Take the cluster off", on=_kept_hosts, when=lambda _: True)
