"""What clouds have in common: how many machines there may be and where, and of which sizes."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from clouder.errors import SpecError

if TYPE_CHECKING:
    import re
    from collections.abc import Collection, Iterator, Mapping

    from clouder.spec import ClusterSpec

MAX_NODES = 200
MAX_ZONES = 3


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


def check_sizes(spec: ClusterSpec, pattern: re.Pattern[str], *, kind: str, example: str) -> None:
    """Raise SpecError for a size that does not look like one of the cloud's."""
    for field, size in sizes(spec):
        if size and not pattern.match(size):
            raise SpecError(f"{field}: {size} is not {kind}", fix=f"write one such as {example}")


def check_count(spec: ClusterSpec, cloud: str) -> None:
    """Raise SpecError for more machines than one cluster may have."""
    if len(spec.nodes()) > MAX_NODES:
        raise SpecError(f"pools: a cluster on {cloud} has at most {MAX_NODES} nodes", fix="ask for fewer")


def common_zones(zones: Mapping[str, frozenset[str]], region: str) -> list[str]:
    """Up to three zones that have every size, given the zones of each; raises SpecError where none has."""
    common = sorted(frozenset.intersection(*zones.values()))
    if not common:
        raise SpecError(
            f"no zone of {region} has all of {', '.join(zones)}", fix="choose sizes that one zone has"
        )
    return common[:MAX_ZONES]


def zone_of(number: int, zones: list[str], having: Collection[str], *, size: str) -> str:
    """Nodes go round the `zones` of their cluster; those `having` their size, which an error calls `size`."""
    fitting = [zone for zone in zones if zone in having]
    if not fitting:
        raise SpecError(
            f"the zones of this cluster, {', '.join(zones)}, have no {size}", fix="choose another size"
        )
    return fitting[number % len(fitting)]
