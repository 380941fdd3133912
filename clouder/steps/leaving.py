"""Taking a cluster off machines that stay when it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clouder.step import Step
from clouder.steps.select import every_host

if TYPE_CHECKING:
    from clouder.cluster import Cluster
    from clouder.inventory import Host


def _kept_hosts(cluster: Cluster) -> tuple[Host, ...]:
    """The machines, where a delete does not destroy them."""
    return every_host(cluster) if cluster.provider.keeps_machines and cluster.outputs else ()


# Always to be done, and without a marker: a marker would be the one thing left of the cluster.
RESET = Step("reset", "Take the cluster off", on=_kept_hosts, when=lambda _: True)
