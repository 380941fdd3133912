"""One cluster: what is wanted, where it runs and which hosts it has; every step gets it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clouder import addons, remote_state
from clouder import bundle as bundles
from clouder.errors import NotFoundError, SpecError
from clouder.inventory import Inventory
from clouder.providers import provider_of
from clouder.providers.provider import tried
from clouder.workspace import Workspace

if TYPE_CHECKING:
    from clouder.bundle import Bundle
    from clouder.inventory import Host
    from clouder.providers import Provider
    from clouder.spec import ClusterSpec, Node
    from clouder.workspace import Outputs


@dataclass(frozen=True)
class Cluster:
    """Spec, provider and workspace, and from the first apply on the outputs of Terraform."""

    spec: ClusterSpec
    provider: Provider
    workspace: Workspace
    outputs: Outputs | None = None

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.spec.name

    @property
    def inventory(self) -> Inventory:
        """The machines; raises NotFoundError while there are none."""
        if self.outputs is None:
            raise NotFoundError(
                f"cluster {self.name} has no machines yet", fix=f"clouder k8s create {self.name} makes them"
            )
        return Inventory.from_outputs(self.outputs.hosts)

    @property
    def endpoint(self) -> str:
        """`host:port` of the API for the nodes; it stands in certificates and never moves."""
        assert self.outputs is not None
        return self.outputs.api_endpoint

    @property
    def access(self) -> str:
        """`host:port` of the API for the operator's machine."""
        assert self.outputs is not None
        return self.outputs.api_access

    @property
    def bundle(self) -> Bundle:
        """The packages and images of the spec's Kubernetes version; raises NotFoundError when not built."""
        found = bundles.find(self.spec.kubernetes_version)
        if found is None:
            raise NotFoundError(
                f"there is no bundle for Kubernetes {self.spec.kubernetes_version}",
                fix=f"clouder bundle build --kubernetes-version {self.spec.kubernetes_version}",
            )
        return found

    def with_outputs(self, outputs: Outputs | None) -> Cluster:
        """The same cluster after Terraform ran."""
        return replace(self, outputs=outputs)

    def node(self, host: Host) -> Node:
        """What the spec says of a host; a host that is leaving has no node."""
        for node in self.spec.nodes():
            if node.name == host.name:
                return node
        raise NotFoundError(f"{host.name} is not in the spec of {self.name}")


def check(spec: ClusterSpec) -> Provider:
    """The spec's provider, when this version can make such a cluster; raises SpecError otherwise."""
    provider = provider_of(spec.provider)
    if provider.unproven and provider.name not in tried():
        raise SpecError(
            f"provider: {provider.name} is not finished: {provider.unproven}",
            fix=f"choose another provider, or try it all the same: CLOUDER_UNPROVEN={provider.name}",
        )
    if spec.kubernetes_version not in bundles.SUPPORTED:
        raise SpecError(
            f"kubernetesVersion: {spec.kubernetes_version} is not supported",
            fix=f"choose one of {', '.join(bundles.SUPPORTED)}",
        )
    _check_machines(spec, provider)
    addons.check(spec)
    remote_state.check(spec)
    return provider


def _check_machines(spec: ClusterSpec, provider: Provider) -> None:
    """Machines are named in the spec exactly where the provider does not make them."""
    if provider.keeps_machines:
        if not spec.hosts or spec.ssh is None:
            raise SpecError(
                f"{'ssh' if spec.hosts else 'hosts'}: the {provider.name} provider needs the addresses of "
                "the machines and a login",
                fix="--host master=10.0.0.1 --host node-1=10.0.0.2 --ssh-user USER --ssh-key FILE",
            )
        return
    given = {"hosts": spec.hosts, "ssh": spec.ssh, "controlPlane.endpoint": spec.control_plane.endpoint}
    extra = [field for field, value in given.items() if value]
    if extra:
        raise SpecError(
            f"{', '.join(extra)}: the {provider.name} provider makes its machines itself",
            fix="leave it out, or take the machines that you have with --provider baremetal",
        )


def open_cluster(name: str) -> Cluster:
    """The stored cluster `name`; raises NotFoundError."""
    workspace = Workspace.open(name)
    spec = workspace.spec()
    return Cluster(spec, provider_of(spec.provider), workspace, workspace.outputs())
