"""What clouds have in common: where a cluster's machines may be, and which sizes it asks for."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from clouder.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clouder.spec import ClusterSpec


def sizes(spec: ClusterSpec) -> Iterator[tuple[str, str]]:
    """The sizes of the spec, each with the path of its field; "" where it leaves one to the provider."""
    yield "controlPlane.size", spec.control_plane.size
    for pool in spec.pools:
        yield f"pools.{pool.name}.size", pool.size


def free_network(spec: ClusterSpec) -> str:
    """The first /16 of 10.0.0.0/8 that is clear of pods and services; raises SpecError."""
    inside = (IPv4Network(spec.network.pod_cidr), IPv4Network(spec.network.service_cidr))
    for number in range(256):
        network = IPv4Network(f"10.{number}.0.0/16")
        if not any(network.overlaps(taken) for taken in inside):
            return str(network)
    raise SpecError(
        "network: podCidr and serviceCidr leave no /16 of 10.0.0.0/8 for the machines",
        fix="make them smaller",
    )
