"""What an addon is: one record of facts and plain functions, and the manifests it puts into a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from clouder.bundle import charts, extra
from clouder.render import render

if TYPE_CHECKING:
    from clouder.bundle import Bundle
    from clouder.bundle.parts import Progress
    from clouder.spec import ClusterSpec
    from clouder.workspace import Outputs


class Place(Protocol):
    """What an addon may know of the cluster it goes into; a Cluster is one."""

    @property
    def spec(self) -> ClusterSpec:
        """What the user wants."""

    @property
    def outputs(self) -> Outputs | None:
        """What Terraform told, with the addons' values among it."""

    @property
    def endpoint(self) -> str:
        """`host:port` of the API for the nodes."""

    @property
    def bundle(self) -> Bundle:
        """The packages and images of the nodes."""


Values = Callable[[Place], Mapping[str, str]]


@dataclass(frozen=True)
class Addon:
    """One thing that can be put into a cluster: manifests of ours, an upstream chart, or both.

    Ours are `templates/addons/<name>/<name>.yaml.j2`; the values of a chart are `values.yaml.j2` beside it.

    values:    what the templates are rendered with.
    waits:     what has to work before the cluster counts as ready: `<namespace> <kind>/<name>`, with `-` for
               the namespace of what has none.
    images:    whether the nodes get its images from a bundle of its own, made by the recipe
               `bundle/recipes/addons/<name>.json`; else they are in the cluster's bundle, or are pulled.
    chart:     a row of `bundle/recipes/addons/charts.lock.json`.
    manifests: whether there are any of ours.
    providers: the only providers it works on; empty: all.
    cloud_controller: whether it is the cloud controller manager that nodes have to wait for.
    unproven:  what was never run of it; while that is not empty, a create takes CLOUDER_UNPROVEN=<name>.
    """

    name: str
    title: str
    values: Values
    waits: tuple[str, ...] = ()
    images: bool = False
    chart: str = ""
    manifests: bool = True
    providers: tuple[str, ...] = ()
    cloud_controller: bool = False
    unproven: str = ""

    def prepare(self, progress: Progress) -> None:
        """Builds or fetches what the addon needs on this machine; raises ClouderError, AccessError."""
        if self.images:
            extra.ensure(self.name, progress=progress)
        if self.chart:
            charts.ensure(self.chart)
            extra.ensure(charts.HELM, progress=progress)

    def prepared(self) -> bool:
        """Whether `prepare` would find everything there."""
        extras = [*([self.name] if self.images else []), *([charts.HELM] if self.chart else [])]
        return all(extra.load(name).directory.is_dir() for name in extras)

    def manifest(self, place: Place) -> bytes:
        """Everything of the addon for this cluster, one YAML stream."""
        parts = []
        if self.manifests:
            parts.append(render(f"addons/{self.name}/{self.name}.yaml.j2", **self.values(place)).encode())
        if self.chart:
            parts.append(self._rendered_chart(place))
        return b"---\n".join(parts)

    def chart_values(self, place: Place) -> str:
        """The chart's values for this cluster, a YAML text."""
        return render(f"addons/{self.name}/values.yaml.j2", **self.values(place))

    def _rendered_chart(self, place: Place) -> bytes:
        version = place.spec.kubernetes_version
        values = self.chart_values(place)
        return charts.template(self.chart, self.name, values, namespace="kube-system", kubernetes=version)


def told(place: Place, *names: str) -> dict[str, str]:
    """What Terraform told for addons, by `names`; raises KeyError when the module does not tell it."""
    assert place.outputs is not None
    return {name: str(place.outputs.addon_values[name]) for name in names}
