"""What Clouder installs into a cluster: one row and one folder of manifests each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clouder.render import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from clouder.cluster import Cluster


@dataclass(frozen=True)
class Addon:
    """A folder `templates/addons/<name>` and the values of its templates."""

    name: str
    values: Callable[[Cluster], dict[str, str]]

    def manifest(self, cluster: Cluster) -> bytes:
        """The addon's manifests for this cluster, one YAML stream."""
        return render(f"addons/{self.name}/{self.name}.yaml.j2", **self.values(cluster)).encode()


def _flannel(cluster: Cluster) -> dict[str, str]:
    host, _, port = cluster.endpoint.rpartition(":")
    return {
        "pod_cidr": cluster.spec.network.pod_cidr,
        "image": cluster.bundle.lock.image("ghcr.io/flannel-io/flannel"),
        "api_host": host,
        "api_port": port,
    }


ADDONS = {addon.name: addon for addon in (Addon("flannel", _flannel),)}
