"""What Clouder installs into a cluster: a network always, and the addons that the spec asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clouder.addons.addon import Addon
from clouder.addons.aws import AWS_CCM
from clouder.addons.azure import AZURE_CCM
from clouder.addons.flannel import FLANNEL
from clouder.addons.local_path import LOCAL_PATH
from clouder.addons.metrics_server import METRICS_SERVER
from clouder.errors import SpecError
from clouder.providers.provider import tried

if TYPE_CHECKING:
    from clouder.spec import ClusterSpec

__all__ = ["ADDONS", "NETWORKS", "Addon", "check", "external_cloud", "wanted"]

NETWORKS = {addon.name: addon for addon in (FLANNEL,)}  # `network.cni` of the spec
# `addons` of the spec, in the order of installation: other pods wait for a cloud controller manager.
ADDONS = {addon.name: addon for addon in (AWS_CCM, AZURE_CCM, LOCAL_PATH, METRICS_SERVER)}


def wanted(spec: ClusterSpec) -> tuple[Addon, ...]:
    """The addons of the spec, in the order in which they are installed."""
    return tuple(addon for name, addon in ADDONS.items() if name in spec.addons)


def external_cloud(spec: ClusterSpec) -> bool:
    """Whether a cloud controller manager is on, so that kubelets must leave to it what the cloud knows."""
    return any(addon.cloud_controller for addon in wanted(spec))


def check(spec: ClusterSpec) -> None:
    """Raise SpecError for an addon that there is not, or that does not work on the spec's provider."""
    for name in spec.addons:
        if name in NETWORKS:
            raise SpecError(
                f"addons: {name} is a network, not an addon", fix=f"write cni: {name}, below network"
            )
        if name not in ADDONS:
            raise SpecError(f"addons: there is no addon {name}", fix=f"choose among {', '.join(ADDONS)}")
        if spec.addons.count(name) > 1:
            raise SpecError(f"addons: {name} is there twice", fix="name it once")
        _check_one(ADDONS[name], spec)


def _check_one(addon: Addon, spec: ClusterSpec) -> None:
    if addon.providers and spec.provider not in addon.providers:
        raise SpecError(
            f"addons: {addon.name} does not work on the provider {spec.provider}",
            fix=f"leave it out; it is for {', '.join(addon.providers)}",
        )
    if addon.unproven and addon.name not in tried():
        raise SpecError(
            f"addons: {addon.name} is not finished: {addon.unproven}",
            fix=f"leave it out, or try it all the same: CLOUDER_UNPROVEN={','.join([*tried(), addon.name])}",
        )
