"""What Clouder installs into a cluster: one row and one folder of manifests each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clouder.render import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from clouder.bundle import Bundle
    from clouder.spec import ClusterSpec


@dataclass(frozen=True)
class Addon:
    """A folder `templates/addons/<name>` and the values of its templates."""

    name: str
    values: Callable[[ClusterSpec, Bundle], dict[str, str]]

    def manifest(self, spec: ClusterSpec, bundle: Bundle) -> bytes:
        """The addon's manifests for this cluster, one YAML stream."""
        return render(f"addons/{self.name}/{self.name}.yaml.j2", **self.values(spec, bundle)).encode()


def _flannel(spec: ClusterSpec, bundle: Bundle) -> dict[str, str]:
    return {"pod_cidr": spec.network.pod_cidr, "image": bundle.lock.image("ghcr.io/flannel-io/flannel")}


ADDONS = {addon.name: addon for addon in (Addon("flannel", _flannel),)}
