"""Which hosts a step is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clouder.cluster import Cluster
    from clouder.inventory import Host


def every_host(cluster: Cluster) -> tuple[Host, ...]:
    """All machines of the spec."""
    wanted = {node.name for node in cluster.spec.nodes()}
    return cluster.inventory.where(lambda host: host.name in wanted)


def leader(cluster: Cluster) -> tuple[Host, ...]:
    """The control plane on which the cluster is initialised and looked after."""
    return (cluster.inventory.leader,)


def workers(cluster: Cluster) -> tuple[Host, ...]:
    """All machines that are no control plane."""
    return tuple(host for host in every_host(cluster) if host.role == "node")


def criu_hosts(cluster: Cluster) -> tuple[Host, ...]:
    """The machines that are to checkpoint and restore."""
    return every_host(cluster) if cluster.spec.criu else ()
