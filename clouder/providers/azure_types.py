"""What Clouder shows of Azure, out of what ARM answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clouder.providers.azure_config import Settings


@dataclass(frozen=True)
class Account:
    """Who is signed in and how, and the subscription in use with where it was found."""

    subscription: str
    name: str
    state: str
    tenant: str
    user: str
    login: str
    login_source: str
    subscription_source: str


@dataclass(frozen=True)
class Subscription:
    """A subscription; `current` when it is the one in use."""

    id: str
    name: str
    state: str
    tenant: str
    current: bool


@dataclass(frozen=True)
class Region:
    """A region; `zones` is how many availability zones it has for the subscription."""

    name: str
    title: str
    geography: str
    zones: int


@dataclass(frozen=True)
class ResourceGroup:
    """A resource group; `cluster` is empty where Clouder did not make it."""

    name: str
    region: str
    cluster: str
    state: str


@dataclass(frozen=True)
class Machine:
    """A virtual machine; `cluster` and `role` are empty where Clouder did not make it."""

    name: str
    cluster: str
    role: str
    size: str
    region: str
    zone: str
    state: str
    public_ip: str
    private_ip: str
    resource_group: str
    id: str


def account(found: Mapping[str, Any], claims: Mapping[str, Any], settings: Settings, source: str) -> Account:
    """From the subscription and the claims of the token."""
    principal = settings.principal
    user = claims.get("upn") or claims.get("unique_name") or claims.get("preferred_username")
    return Account(
        found["subscriptionId"],
        found.get("displayName", ""),
        found.get("state", ""),
        str(claims.get("tid") or found.get("tenantId", "")),
        str(user or claims.get("appid") or (principal.client_id if principal else "")),
        "service principal" if principal else "az login",
        settings.principal_source,
        source,
    )


def subscriptions(items: Iterable[Mapping[str, Any]], current: str) -> list[Subscription]:
    """By name."""
    found = [
        Subscription(
            item["subscriptionId"],
            item.get("displayName", ""),
            item.get("state", ""),
            item.get("tenantId", ""),
            item["subscriptionId"].lower() == current.lower(),
        )
        for item in items
    ]
    return sorted(found, key=lambda item: (item.name, item.id))


def regions(items: Iterable[Mapping[str, Any]]) -> list[Region]:
    """The physical ones, by name: `asia` and the like hold no machines."""
    found = [
        Region(
            item["name"],
            item.get("displayName", ""),
            item.get("metadata", {}).get("geographyGroup", ""),
            len(item.get("availabilityZoneMappings") or []),
        )
        for item in items
        if item.get("metadata", {}).get("regionType") != "Logical"
    ]
    return sorted(found, key=lambda item: item.name)


def resource_groups(items: Iterable[Mapping[str, Any]]) -> list[ResourceGroup]:
    """By name."""
    found = [
        ResourceGroup(
            item["name"],
            item["location"],
            (item.get("tags") or {}).get("clouder-cluster", ""),
            item.get("properties", {}).get("provisioningState", ""),
        )
        for item in items
    ]
    return sorted(found, key=lambda item: item.name)


def machines(
    items: Iterable[Mapping[str, Any]],
    statuses: Iterable[Mapping[str, Any]],
    interfaces: Iterable[Mapping[str, Any]],
    addresses: Iterable[Mapping[str, Any]],
) -> list[Machine]:
    """By cluster and name; ARM keeps machine, power state, interface and address apart."""
    states = {item["id"].lower(): _power(item) for item in statuses}
    public = {item["id"].lower(): item["properties"].get("ipAddress", "") for item in addresses}
    cards = {item["id"].lower(): item for item in interfaces}
    found = [_machine(item, states, cards, public) for item in items]
    return sorted(found, key=lambda item: (item.cluster, item.name, item.id))


def zones_of(items: Iterable[Mapping[str, Any]], sizes: Sequence[str]) -> dict[str, frozenset[str]]:
    """By size: the zones that have it; a size that the subscription may not have is left out."""
    found = {
        item["name"]: _open_zones(item)
        for item in items
        if item.get("resourceType") == "virtualMachines" and item["name"] in sizes
    }
    return {size: zones for size, zones in found.items() if zones is not None}


def _open_zones(item: Mapping[str, Any]) -> frozenset[str] | None:
    """None where a restriction closes the whole region, or each of its zones."""
    there = {zone for place in item.get("locationInfo") or [] for zone in place.get("zones") or []}
    closed: set[str] = set()
    for limit in item.get("restrictions") or []:
        if limit.get("type") == "Location":
            return None
        closed.update((limit.get("restrictionInfo") or {}).get("zones") or [])
    return None if there and there <= closed else frozenset(there - closed)


def _machine(
    item: Mapping[str, Any],
    states: Mapping[str, str],
    cards: Mapping[str, Mapping[str, Any]],
    public: Mapping[str, str],
) -> Machine:
    properties, tags = item["properties"], item.get("tags") or {}
    private_ip, public_ip = _addresses(properties, cards, public)
    return Machine(
        name=item["name"],
        cluster=tags.get("clouder-cluster", ""),
        role=tags.get("clouder-role", ""),
        size=properties.get("hardwareProfile", {}).get("vmSize", ""),
        region=item["location"],
        zone=", ".join(item.get("zones") or []),
        state=states.get(item["id"].lower()) or properties.get("provisioningState", "").lower(),
        public_ip=public_ip,
        private_ip=private_ip,
        resource_group=item["id"].split("/")[4],
        id=item["id"],
    )


def _power(item: Mapping[str, Any]) -> str:
    """`running`, `deallocated`, …; empty where Azure does not say."""
    view = item.get("properties", {}).get("instanceView", {})
    codes = [str(status.get("code", "")) for status in view.get("statuses") or []]
    return next((code.partition("/")[2] for code in codes if code.startswith("PowerState/")), "")


def _addresses(
    properties: Mapping[str, Any], cards: Mapping[str, Mapping[str, Any]], public: Mapping[str, str]
) -> tuple[str, str]:
    """Of the first interface's first configuration."""
    for reference in properties.get("networkProfile", {}).get("networkInterfaces") or []:
        card = cards.get(reference["id"].lower(), {})
        for configuration in card.get("properties", {}).get("ipConfigurations") or []:
            inner = configuration.get("properties", {})
            outer = (inner.get("publicIPAddress") or {}).get("id", "")
            return inner.get("privateIPAddress", ""), public.get(outer.lower(), "")
    return "", ""
