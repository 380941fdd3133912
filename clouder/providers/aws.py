"""AWS: nodes as EC2 instances in a VPC of the cluster's own, behind network load balancers."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clouder.errors import SpecError
from clouder.providers import aws_sweep, caller, place
from clouder.providers import price as prices
from clouder.providers.aws_client import Client
from clouder.providers.aws_errors import FAULTS
from clouder.providers.provider import Provider, common_tfvars

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clouder.spec import ClusterSpec

REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]\Z")
SIZE = re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9-]+\Z")
DEFAULT_SIZE = "t3.large"  # 2 CPUs, 8 GiB: what kubeadm asks of a control plane, with room
VOLUME_GIB = 40
LOAD_BALANCERS = 2


@dataclass(frozen=True)
class World:
    """What AWS and the internet say; empty where nobody had to ask."""

    zones: Mapping[str, frozenset[str]]  # by size: the zones of the region that have it
    allowed_cidrs: tuple[str, ...]


def tfvars(spec: ClusterSpec, previous: Mapping[str, Any]) -> dict[str, Any]:
    """The Terraform values; asks AWS for the zones of nodes that are new."""
    region = check_spec(spec, previous)
    return allocate(spec, previous, look_around(spec, previous, region), region=region)


def check_spec(spec: ClusterSpec, previous: Mapping[str, Any] | None = None) -> str:
    """The region; raises SpecError for what this provider cannot do."""
    place.check_sizes(spec, SIZE, kind="an EC2 instance type", example=DEFAULT_SIZE)
    place.check_count(spec, "AWS")
    region = spec.region or (previous or {}).get("region", "") or _region_of_the_environment()
    if not region:
        raise SpecError(
            "region: none is given, and the environment has none", fix="--region eu-west-1, or set AWS_REGION"
        )
    if not REGION.match(region):
        raise _no_region(region)
    return region


def client(region: str | None = None) -> Client:
    """AWS in `region`, else in the region of the environment; raises SpecError for one that cannot be."""
    wanted = region or _region_of_the_environment()
    if wanted and not REGION.match(wanted):
        raise _no_region(wanted)
    return Client(wanted) if wanted else Client()


def _no_region(region: str) -> SpecError:
    return SpecError(
        f"region: {region} is not a region of AWS", fix="clouder aws regions lists those there are"
    )


def _region_of_the_environment() -> str:
    """As Terraform reads it; boto3 alone would overlook AWS_REGION."""
    from clouder.providers.aws_client import region_of_the_profile

    stated = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return stated or region_of_the_profile()


def look_around(spec: ClusterSpec, previous: Mapping[str, Any], region: str) -> World:
    """Asks AWS which zones have the sizes of new nodes, and the internet for this machine's address."""
    known = previous.get("nodes", {})
    sizes = {node.size or DEFAULT_SIZE for node in spec.nodes() if node.name not in known}
    zones = Client(region).zones_of(sorted(sizes)) if sizes else {}
    return World(zones, tuple(caller.allowed_cidrs(spec, previous)))


def allocate(spec: ClusterSpec, previous: Mapping[str, Any], world: World, *, region: str) -> dict[str, Any]:
    """The Terraform values, given what the world says; what `previous` holds stays where it is."""
    options = previous.get("options") or {
        "vpc_cidr": place.free_network(spec),
        "zones": _common_zones(world, region),
        "volume_gib": VOLUME_GIB,
        "ami_id": "",
    }
    values = common_tfvars(spec)
    known = previous.get("nodes", {})
    for number, (name, node) in enumerate(values["nodes"].items()):
        node["size"] = node["size"] or DEFAULT_SIZE
        size = node["size"]
        node["zone"] = (
            known[name]["zone"]
            if name in known
            else place.zone_of(number, options["zones"], world.zones[size], size=f"instance type {size}")
        )
    return {**values, "region": region, "allowed_cidrs": list(world.allowed_cidrs), "options": options}


def _common_zones(world: World, region: str) -> list[str]:
    """Up to three zones that have every size."""
    for size, zones in world.zones.items():
        if not zones:
            raise SpecError(
                f"{region} has no instance type {size}", fix="choose another size or region, such as t3.large"
            )
    return place.common_zones(world.zones, region)


def check_access(spec: ClusterSpec) -> None:
    """Raise SpecError for a wrong spec, AccessError unless AWS accepts the credentials."""
    Client(check_spec(spec)).identity()


def sweep(spec: ClusterSpec, tfvars: Mapping[str, Any]) -> None:
    """Remove whatever still bears the tags of this very cluster."""
    aws_sweep.sweep(Client(tfvars["region"]), spec.name, tfvars["ssh_public_key"])


def sweep_orphans(spec: ClusterSpec, tfvars: Mapping[str, Any], held: frozenset[str]) -> None:
    """The same for what a killed run made and Terraform does not hold: no machine is there twice."""
    aws_sweep.sweep(Client(tfvars["region"]), spec.name, tfvars["ssh_public_key"], held)


def price(spec: ClusterSpec) -> str:
    """What the cluster may cost a month, in one line."""
    region = check_spec(spec)
    sizes = [node.size or DEFAULT_SIZE for node in spec.nodes()]
    found = prices.estimate("aws", region, sizes, disk_gib=VOLUME_GIB, load_balancers=LOAD_BALANCERS)
    return prices.line(found, region)


def notes(spec: ClusterSpec) -> tuple[str, ...]:
    """The price, told before anything is made."""
    return (price(spec),)


AWS = Provider(
    name="aws",
    title="AWS (EC2 instances)",
    default_region="",
    default_sizes={"master": DEFAULT_SIZE, "node": DEFAULT_SIZE},
    ssh_user="admin",
    tfvars=tfvars,
    check_access=check_access,
    sweep=sweep,
    sweep_orphans=sweep_orphans,
    notes=notes,
    faults=FAULTS,
    required_providers={"aws": {"source": "hashicorp/aws", "version": ">= 5.60, < 7.0"}},
    provider_arguments={"aws": {"region": "var.region"}},
)
