"""Taking a cluster off machines that stay when it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clouder.addons import external_cloud
from clouder.step import Step
from clouder.steps.select import every_host, leader

if TYPE_CHECKING:
    from clouder.cluster import Cluster
    from clouder.inventory import Host


def _kept_hosts(cluster: Cluster) -> tuple[Host, ...]:
    """The machines, where a delete does not destroy them."""
    return every_host(cluster) if cluster.provider.keeps_machines and cluster.outputs else ()


def _controlled(cluster: Cluster) -> tuple[Host, ...]:
    """The leader, where a controller makes things in the cloud that Terraform does not know."""
    return leader(cluster) if external_cloud(cluster.spec) and cluster.outputs else ()


RELEASE = Step("release", "Give back load balancers and volumes", on=_controlled, when=lambda _: True)
# Always to be done, and without a marker: a marker would be the one thing left of the cluster.
RESET = Step("reset", "Take the cluster off", on=_kept_hosts, when=lambda _: True)
