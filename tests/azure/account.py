"""An Azure subscription in memory: what is in it, and what Azure adds to what one puts there."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]

TENANT = "11111111-1111-1111-1111-111111111111"
SUBSCRIPTION = "22222222-2222-2222-2222-222222222222"
ROOT = f"/subscriptions/{SUBSCRIPTION}"
REGION = "westeurope"
WHEN = "2026-01-01T00:00:00Z"
# By the type of the parent: its parts, which stand in its own body too.
PARTS = {
    "virtualnetworks": ("subnets",),
    "networksecuritygroups": ("securityRules",),
    "loadbalancers": ("frontendIPConfigurations", "backendAddressPools", "probes", "loadBalancingRules"),
    "networkinterfaces": ("ipConfigurations",),
}
# By size: the zones of REGION that have it. The last one is for other subscriptions only.
SIZES = {
    "Standard_D2s_v5": ["1", "2", "3"],
    "Standard_D4s_v5": ["1", "2", "3"],
    "Standard_NC4as_T4_v3": ["2"],
    "Standard_B2s": [],
    "Standard_M8ms": None,
}


class Refused(Exception):
    """What ARM answers instead."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}")
        self.status, self.body = status, {"error": {"code": code, "message": message}}


@dataclass
class Account:
    """`things` by their ids in lower case; parts of things stand in the bodies of these."""

    things: dict[str, Body] = field(default_factory=dict)
    addresses: int = 9
    custom_data: dict[str, str] = field(default_factory=dict)  # by the id of the machine; Azure tells nobody

    # What is there

    def get(self, path: str) -> Body:
        """The thing or the part of a thing at `path`; raises Refused."""
        found = self.find(path)
        if found is None:
            raise Refused(404, _absent(path), f"The Resource '{path}' was not found.")
        return found

    def find(self, path: str) -> Body | None:
        """The same, or None."""
        place = _key(path)
        if place in self.things:
            return self.things[place]
        parent, kind, name = _parent(path)
        for part in self._parts(parent, kind) or []:
            if part["name"].lower() == name.lower():
                return part
        return None

    def list(self, path: str) -> list[Body]:
        """All things below `path`, which ends with a type: of a group, or of the subscription."""
        scope, _, kind = path.lower().rstrip("/").rpartition("/providers/")
        if not scope:
            scope, _, kind = path.lower().rstrip("/").rpartition("/")
        if kind == "resourcegroups":
            return [body for place, body in self.things.items() if place.count("/") == 4]
        inside = [(place, body) for place, body in self.things.items() if place.startswith(f"{scope}/")]
        if kind == "resources":
            return [body for place, body in inside if "/microsoft.authorization/" not in place]
        return [body for place, body in inside if f"/providers/{kind}/" in place]

    def _parts(self, parent: str, kind: str) -> list[Body] | None:
        """The list in the body of `parent` that parts of this kind stand in."""
        body = self.things.get(_key(parent))
        names = PARTS.get(_type(parent), ())
        name = next((name for name in names if name.lower() == kind.lower()), None)
        if body is None or name is None:
            return None
        found: list[Body] = body["properties"].setdefault(name, [])
        return found

    # What changes

    def put(self, path: str, body: Body) -> tuple[int, Body]:
        """Make it, or change it; the status and what is there now. Raises Refused."""
        old = self.find(path)
        parent, kind, name = _parent(path)
        parts = self._parts(parent, kind)
        if parts is None:
            self._check_place(path)
            self.things[_key(path)] = self._whole(path, body, old)
            return (200 if old else 201), self.things[_key(path)]
        made = {**body, "id": path, "name": name, "etag": 'W/"1"'}
        made.setdefault("properties", {})["provisioningState"] = "Succeeded"
        parts[:] = [part for part in parts if part["name"].lower() != name.lower()] + [made]
        return (200 if old else 201), made

    def patch(self, path: str, change: Body) -> tuple[int, Body]:
        """Change what is there."""
        old = self.get(path)
        body = {**old, **change, "properties": {**old["properties"], **change.get("properties", {})}}
        return self.put(path, body)

    def delete(self, path: str) -> int:
        """The status: 204 where there was nothing. Raises Refused for what something else uses."""
        place = _key(path)
        if self.find(path) is None:
            return 204
        if place.count("/") > 4:  # a group goes with all that is in it
            self._check_unused(path)
        for name in [name for name in self.things if name == place or name.startswith(f"{place}/")]:
            del self.things[name]
        parent, kind, name = _parent(path)
        parts = self._parts(parent, kind)
        if parts is not None:
            parts[:] = [part for part in parts if part["name"].lower() != name.lower()]
        return 200

    def _check_place(self, path: str) -> None:
        scope = path.lower().partition("/providers/")[0]
        if scope.count("/") == 4 and scope != _key(path) and scope not in self.things:
            group = path.split("/")[4]
            raise Refused(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")

    def _check_unused(self, path: str) -> None:
        place = _key(path)
        for other, body in self.things.items():
            if other == place or place.startswith(f"{other}/") or other.startswith(f"{place}/"):
                continue
            if f'"{place}' in json.dumps(body).lower():
                raise Refused(400, "InUse", f"{path} is in use by {body['id']} and cannot be deleted.")

    # What Azure adds

    def _whole(self, path: str, body: Body, old: Body | None) -> Body:
        name, kind = path.rstrip("/").rpartition("/")[2], _type(path)
        made = {**body, "id": path.rstrip("/"), "name": name, "type": _full_type(path), "etag": 'W/"1"'}
        properties = made["properties"] = {**body.get("properties", {}), "provisioningState": "Succeeded"}
        for part_kind in PARTS.get(kind, ()):
            properties[part_kind] = properties.get(part_kind) or []
            for part in properties[part_kind]:
                part["id"] = f"{made['id']}/{part_kind}/{part['name']}"
                part.setdefault("properties", {})["provisioningState"] = "Succeeded"
        add = getattr(self, f"_add_{kind}", None)
        if add:
            add(made, properties, (old or {}).get("properties", {}))
        return made

    def _next(self) -> int:
        self.addresses += 1
        return self.addresses

    def _add_publicipaddresses(self, made: Body, properties: Body, old: Body) -> None:
        properties["ipAddress"] = old.get("ipAddress") or f"20.0.0.{self._next()}"
        if label := (properties.get("dnsSettings") or {}).get("domainNameLabel"):
            properties["dnsSettings"]["fqdn"] = f"{label}.{made['location']}.cloudapp.azure.com"

    def _add_networkinterfaces(self, made: Body, properties: Body, old: Body) -> None:
        kept = {
            part["name"]: part["properties"]["privateIPAddress"] for part in old.get("ipConfigurations", [])
        }
        for part in properties["ipConfigurations"]:
            inner = part["properties"]
            inner["privateIPAddress"] = kept.get(part["name"]) or f"10.0.1.{self._next()}"
            inner.setdefault("primary", True)

    def _add_userassignedidentities(self, made: Body, properties: Body, old: Body) -> None:
        for name in ("principalId", "clientId"):
            properties[name] = old.get(name) or str(uuid.uuid4())
        properties["tenantId"] = TENANT

    def _add_roledefinitions(self, made: Body, properties: Body, old: Body) -> None:
        made["id"] = f"{ROOT}/providers/Microsoft.Authorization/roleDefinitions/{made['name']}"
        properties.update(type="CustomRole", createdOn=old.get("createdOn", WHEN), updatedOn=WHEN)

    def _add_roleassignments(self, made: Body, properties: Body, old: Body) -> None:
        properties["scope"] = made["id"].partition("/providers/")[0]

    def _add_virtualmachines(self, made: Body, properties: Body, old: Body) -> None:
        if not any((properties.get("additionalCapabilities") or {}).values()):
            properties.pop("additionalCapabilities", None)
        properties["vmId"] = old.get("vmId") or str(uuid.uuid4())
        properties["timeCreated"] = WHEN
        for identity in (made.get("identity") or {}).get("userAssignedIdentities") or {}:
            made["identity"]["userAssignedIdentities"][identity] = {}
        disk = properties["storageProfile"]["osDisk"]
        place = f"{made['id'].rpartition('/virtualMachines/')[0]}/disks/{disk['name']}"
        kind = disk.setdefault("managedDisk", {})
        kind["id"] = place
        if data := properties["osProfile"].pop("customData", None):
            self.custom_data[made["id"].lower()] = data
        if self.find(place) is None:
            size = {"diskSizeGB": disk.get("diskSizeGB", 30), "osType": "Linux", "diskState": "Attached"}
            sku = {"name": kind.get("storageAccountType", "Standard_LRS")}
            self.put(place, {"location": made["location"], "sku": sku, "properties": size})


def skus(region: str) -> list[Body]:
    """What Microsoft.Compute/skus answers: sizes among other things."""
    found: list[Body] = [{"resourceType": "disks", "name": "Premium_LRS", "locations": [region]}]
    for name, zones in SIZES.items():
        limits = [{"type": "Location", "reasonCode": "NotAvailableForSubscription"}] if zones is None else []
        place = {"location": region, "zones": zones or []}
        found.append(
            {
                "resourceType": "virtualMachines",
                "name": name,
                "locations": [region],
                "locationInfo": [place],
                "restrictions": limits,
            }
        )
    return found


def _key(path: str) -> str:
    """Ids differ in case only; role definitions have one for each scope that they are asked at."""
    place = path.rstrip("/").lower()
    marker = "/providers/microsoft.authorization/roledefinitions/"
    return f"{ROOT}{marker}{place.rpartition('/')[2]}" if marker in place else place


def _parent(path: str) -> tuple[str, str, str]:
    parent, _, name = path.rstrip("/").rpartition("/")
    parent, _, kind = parent.rpartition("/")
    return parent, kind, name


def _type(path: str) -> str:
    return path.rstrip("/").split("/")[-2].lower()


def _full_type(path: str) -> str:
    _, marker, rest = path.partition("/providers/")
    if not marker:
        return "Microsoft.Resources/resourceGroups"
    words = rest.split("/")
    return "/".join([words[0], *words[1::2]])


def _absent(path: str) -> str:
    return "ResourceGroupNotFound" if path.count("/") == 4 else "ResourceNotFound"
