"""OVH Public Cloud: nodes as OpenStack servers in a private network, behind an Octavia load balancer."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from clouder.errors import AccessError, SpecError
from clouder.providers import caller, place
from clouder.providers.ovh_errors import FAULTS, LOG_IN
from clouder.providers.provider import Provider, common_tfvars

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clouder.spec import ClusterSpec

REGION = re.compile(r"[A-Z][A-Z0-9-]*\Z")
SIZE = re.compile(r"[a-z][a-z0-9]*-[a-z0-9-]+\Z")
DEFAULT_SIZE = "b3-8"  # 2 CPUs, 8 GiB: what kubeadm asks of a control plane, with room
OPTIONS = {
    "external_network": "Ext-Net",
    "image_name": "Debian 13",
    "volume_gib": 40,
    "volume_type": "classic-luks",  # encrypted by OVH
}
# What has one of these groups of the environment can log in; clouds.yaml is read by the provider itself.
LOGINS = (
    ("OS_CLOUD",),
    ("OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD"),
    ("OS_AUTH_URL", "OS_APPLICATION_CREDENTIAL_ID", "OS_APPLICATION_CREDENTIAL_SECRET"),
    ("OS_AUTH_URL", "OS_TOKEN"),
)


def tfvars(spec: ClusterSpec, previous: Mapping[str, Any]) -> dict[str, Any]:
    """The Terraform values; asks the internet for this machine's address when the spec names nobody."""
    region = check_spec(spec, previous)
    return allocate(spec, previous, tuple(caller.allowed_cidrs(spec, previous)), region=region)


def check_spec(spec: ClusterSpec, previous: Mapping[str, Any] | None = None) -> str:
    """The region; raises SpecError for what this provider cannot do."""
    place.check_sizes(spec, SIZE, kind="a flavor of OVH", example=DEFAULT_SIZE)
    place.check_count(spec, "OVH")
    region = spec.region or (previous or {}).get("region", "") or os.environ.get("OS_REGION_NAME", "")
    if not region:
        raise SpecError(
            "region: none is given, and the environment has none", fix="--region GRA11, or set OS_REGION_NAME"
        )
    if not REGION.match(region):
        raise SpecError(
            f"region: {region} is not a region of OVH Public Cloud", fix="write one such as GRA11"
        )
    return region


def allocate(
    spec: ClusterSpec, previous: Mapping[str, Any], allowed_cidrs: tuple[str, ...], *, region: str
) -> dict[str, Any]:
    """The Terraform values; what `previous` holds stays where it is."""
    values = common_tfvars(spec)
    for node in values["nodes"].values():
        node["size"] = node["size"] or DEFAULT_SIZE
    options = previous.get("options") or {"network_cidr": place.free_network(spec), **OPTIONS}
    return {**values, "region": region, "allowed_cidrs": list(allowed_cidrs), "options": options}


def check_access(spec: ClusterSpec) -> None:
    """Raise SpecError for a wrong spec, AccessError when the environment holds no login.

    Whether OVH accepts it, terraform's plan tells, before anything is made.
    """
    check_spec(spec)
    if not any(all(os.environ.get(name) for name in login) for login in LOGINS):
        raise AccessError("OVH: no credentials are set", fix=LOG_IN)


OVH = Provider(
    name="ovh",
    unproven="its machines were made on a stand-in for OVH only, and no cluster was ever set up on them",
    title="OVH Public Cloud (OpenStack servers)",
    default_region="",
    default_sizes={"master": DEFAULT_SIZE, "node": DEFAULT_SIZE},
    ssh_user="debian",
    tfvars=tfvars,
    check_access=check_access,
    faults=FAULTS,
    required_providers={
        "openstack": {"source": "terraform-provider-openstack/openstack", "version": ">= 3.0, < 4.0"}
    },
    provider_arguments={"openstack": {"region": "var.region"}},
)
