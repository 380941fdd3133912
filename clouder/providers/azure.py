"""Azure: nodes as virtual machines in a resource group of the cluster's own, behind a load balancer."""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from clouder.errors import SpecError
from clouder.providers import azure_client, azure_config, caller, place
from clouder.providers import price as prices
from clouder.providers.azure_client import Client
from clouder.providers.azure_errors import FAULTS
from clouder.providers.provider import Provider, common_tfvars

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clouder.spec import ClusterSpec

REGION = re.compile(r"[a-z]+[0-9]?\Z")
SIZE = re.compile(r"[A-Z][A-Za-z]+_[A-Za-z0-9_-]+\Z")
DEFAULT_SIZE = "Standard_D2s_v5"  # 2 CPUs, 8 GiB: what kubeadm asks of a control plane, with room
IMAGE = "Debian:debian-13:13-gen2:latest"
VOLUME_GIB = 64


@dataclass(frozen=True)
class World:
    """What Azure and the internet say; empty where nobody had to ask."""

    zones: Mapping[str, frozenset[str]]  # by size that the region has: its zones, none where there are none
    allowed_cidrs: tuple[str, ...]


def tfvars(spec: ClusterSpec, previous: Mapping[str, Any]) -> dict[str, Any]:
    """The Terraform values; asks Azure for the zones of nodes that are new."""
    region = check_spec(spec, previous)
    subscription = _subscription(previous)
    around = look_around(spec, previous, region, subscription)
    return allocate(spec, previous, around, region=region, subscription=subscription)


def check_spec(spec: ClusterSpec, previous: Mapping[str, Any] | None = None) -> str:
    """The region; raises SpecError for what this provider cannot do."""
    place.check_sizes(spec, SIZE, kind="a VM size of Azure", example=DEFAULT_SIZE)
    place.check_count(spec, "Azure")
    region = spec.region or (previous or {}).get("region", "")
    if not region:
        raise SpecError("region: none is given", fix="--region westeurope")
    if not REGION.match(region):
        raise SpecError(
            f"region: {region} is not a region of Azure in its short form", fix="--region westeurope"
        )
    return region


def _subscription(previous: Mapping[str, Any]) -> str:
    """A cluster stays in its subscription, whatever the environment says later."""
    kept = previous.get("options", {}).get("subscription_id", "")
    return str(kept or Client(azure_config.settings()).subscription_id)


def look_around(spec: ClusterSpec, previous: Mapping[str, Any], region: str, subscription: str) -> World:
    """Asks Azure which zones have the sizes of new nodes, and the internet for this machine's address."""
    known = previous.get("nodes", {})
    sizes = {node.size or DEFAULT_SIZE for node in spec.nodes() if node.name not in known}
    here = replace(azure_config.settings(), subscription_id=subscription, subscription_source="the cluster")
    zones = Client(here).zones_of(sorted(sizes), region) if sizes else {}
    return World(zones, tuple(caller.allowed_cidrs(spec, previous)))


def allocate(
    spec: ClusterSpec, previous: Mapping[str, Any], world: World, *, region: str, subscription: str
) -> dict[str, Any]:
    """The Terraform values, given what the world says; what `previous` holds stays where it is."""
    values = common_tfvars(spec)
    known = previous.get("nodes", {})
    for node in values["nodes"].values():
        node["size"] = node["size"] or DEFAULT_SIZE
    missing = {node["size"] for name, node in values["nodes"].items() if name not in known} - set(world.zones)
    if missing:
        raise SpecError(
            f"{region} has no VM size {', '.join(sorted(missing))} for this subscription",
            fix=f"choose another size or region, such as {DEFAULT_SIZE}",
        )
    options = previous.get("options") or {
        "subscription_id": subscription,
        "network_cidr": place.free_network(spec),
        "zones": _common_zones(world, region),
        "volume_gib": VOLUME_GIB,
        "image": IMAGE,
    }
    for number, (name, node) in enumerate(values["nodes"].items()):
        node["zone"] = (
            known[name]["zone"] if name in known else _zone(node["size"], number, options["zones"], world)
        )
    return {**values, "region": region, "allowed_cidrs": list(world.allowed_cidrs), "options": options}


def _common_zones(world: World, region: str) -> list[str]:
    """Up to three zones that have every size; none in a region without zones."""
    if not all(world.zones.values()):
        return []
    return place.common_zones(world.zones, region)


def _zone(size: str, number: int, zones: list[str], world: World) -> str:
    """Nodes go round the zones."""
    if not zones:
        return ""
    return place.zone_of(number, zones, world.zones[size], size=f"VM size {size}")


def check_access(spec: ClusterSpec) -> None:
    """Raise SpecError for a wrong spec, AccessError unless Azure accepts the credentials."""
    check_spec(spec)
    azure_client.check_access()


def environment(spec: ClusterSpec) -> dict[str, str]:  # noqa: ARG001
    """Terraform signs in as Clouder does."""
    return azure_config.environment()


def price(spec: ClusterSpec) -> str:
    """What the cluster may cost a month, in one line."""
    region = check_spec(spec)
    sizes = [node.size or DEFAULT_SIZE for node in spec.nodes()]
    found = prices.estimate("azure", region, sizes, disk_gib=VOLUME_GIB, load_balancers=1, gateways=1)
    return prices.line(found, region)


def notes(spec: ClusterSpec) -> tuple[str, ...]:
    """The price, told before anything is made."""
    return (price(spec),)


def adopt(spec: ClusterSpec, tfvars: Mapping[str, Any]) -> dict[str, str]:  # noqa: ARG001
    """Where everything is that the module makes: by its address the id, what others hang on first.

    All names in the module are known beforehand, so that what a killed terraform made is found by them.
    """
    owner = hashlib.sha256(tfvars["ssh_public_key"].encode()).hexdigest()[:8]  # as in network.tf
    subscription = f"/subscriptions/{tfvars['options']['subscription_id']}"
    group = f"{subscription}/resourceGroups/clouder-{tfvars['cluster_name']}-{owner}"
    found = {
        "azurerm_resource_group.network": group,
        **_network(f"{group}/providers/Microsoft.Network"),
        **_identity(group, subscription),
    }
    for name, node in tfvars["nodes"].items():
        found |= _node(group, name, node)
    return found


def _network(network: str) -> dict[str, str]:
    vnet, nat, lb = (
        f"{network}/virtualNetworks/network",
        f"{network}/natGateways/nat",
        f"{network}/loadBalancers/api",
    )
    address = f"{network}/publicIPAddresses"
    found = {
        "azurerm_virtual_network.network": vnet,
        "azurerm_public_ip.nat": f"{address}/nat",
        "azurerm_public_ip.lb": f"{address}/api",
        "azurerm_nat_gateway.nat": nat,
        "azurerm_nat_gateway_public_ip_association.nat": f"{nat}|{address}/nat",
        "azurerm_lb.lb": lb,
        "azurerm_lb_backend_address_pool.api": f"{lb}/backendAddressPools/control-planes",
        "azurerm_lb_probe.api": f"{lb}/probes/api",
        "azurerm_lb_rule.api": f"{lb}/loadBalancingRules/api",
    }
    for part in ("control-plane", "nodes"):
        subnet, group = f"{vnet}/subnets/{part}", f"{network}/networkSecurityGroups/{part}"
        found |= {
            f'azurerm_subnet.part["{part}"]': subnet,
            f'azurerm_network_security_group.part["{part}"]': group,
            f'azurerm_subnet_nat_gateway_association.part["{part}"]': subnet,
            f'azurerm_subnet_network_security_group_association.part["{part}"]': subnet,
            f'azurerm_network_security_rule.deny["{part}"]': f"{group}/securityRules/deny",
        }
        for rule in RULES[part]:
            address_of = f'azurerm_network_security_rule.allow["{part}/{rule}"]'
            found[address_of] = f"{group}/securityRules/{rule}"
    return found


COMMON_RULES = ("ssh", "inside-tcp", "inside-udp", "icmp", "probes")
RULES = {  # as in security.tf
    "control-plane": (*COMMON_RULES, "api", "api-nodes", "api-egress", "etcd"),
    "nodes": COMMON_RULES,
}


def _identity(group: str, subscription: str) -> dict[str, str]:
    role, assignment = (uuid.uuid5(uuid.NAMESPACE_URL, f"{group}/{what}") for what in ("role", "assignment"))
    authorization = "providers/Microsoft.Authorization"
    return {
        "azurerm_user_assigned_identity.control_plane": (
            f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/control-plane"
        ),
        "azurerm_role_definition.controllers": (
            f"{subscription}/{authorization}/roleDefinitions/{role}|{group}"
        ),
        "azurerm_role_assignment.controllers": f"{group}/{authorization}/roleAssignments/{assignment}",
    }


def _node(group: str, name: str, node: Mapping[str, Any]) -> dict[str, str]:
    network = f"{group}/providers/Microsoft.Network"
    card = f"{network}/networkInterfaces/{name}"
    found = {
        f'azurerm_public_ip.node["{name}"]': f"{network}/publicIPAddresses/{name}",
        f'azurerm_network_interface.node["{name}"]': card,
    }
    if node["role"] == "master":
        pool = f"{network}/loadBalancers/api/backendAddressPools/control-planes"
        found[f'azurerm_network_interface_backend_address_pool_association.api["{name}"]'] = (
            f"{card}/ipConfigurations/node|{pool}"
        )
    machine = f"{group}/providers/Microsoft.Compute/virtualMachines/{name}"
    return {**found, f'azurerm_linux_virtual_machine.node["{name}"]': machine}


AZURE = Provider(
    name="azure",
    unproven="its machines were made on a stand-in for Azure only, and no cluster was ever set up on them",
    title="Azure (virtual machines)",
    default_region="",
    default_sizes={"master": DEFAULT_SIZE, "node": DEFAULT_SIZE},
    ssh_user="clouder",
    tfvars=tfvars,
    check_access=check_access,
    environment=environment,
    faults=FAULTS,
    notes=notes,
    adopt=adopt,
    required_providers={"azurerm": {"source": "hashicorp/azurerm", "version": ">= 4.20, < 6.0"}},
    provider_arguments={
        "azurerm": {
            "subscription_id": "var.options.subscription_id",
            # No more than the module needs: registering all that azurerm knows takes minutes and rights.
            "resource_provider_registrations": '"none"',
            "resource_providers_to_register": (
                '["Microsoft.Compute", "Microsoft.ManagedIdentity", "Microsoft.Network", "Microsoft.Storage"]'
            ),
        }
    },
    provider_blocks={"azurerm": ("features",)},
)
