"""OpenStack on loopback: as much of it as the true Terraform provider asks for.

Every kind of thing is made, listed, changed and removed in the same way; what differs stands in `MAKING`,
`REMOVING` and `ACTIONS`.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Network
from typing import Any
from urllib.parse import parse_qs, urlsplit

Item = dict[str, Any]

PASSWORD = "testing"
REGION = "GRA11"
FLAVORS = ("b3-8", "b3-16", "c3-16")
SERVICES = {
    "identity": "identity/v3",
    "image": "image",
    "compute": "compute/v2.1",
    "network": "network",
    "load-balancer": "load-balancer",
}
# (service, path of the collection) -> (key of many, key of one)
KINDS = {
    "image/v2/images": ("images", ""),
    "compute/v2.1/servers": ("servers", "server"),
    "compute/v2.1/os-keypairs": ("keypairs", "keypair"),
    "compute/v2.1/flavors": ("flavors", "flavor"),
    **{
        f"network/v2.0/{kind}s": (f"{kind.replace('-', '_')}s", kind.replace("-", "_"))
        for kind in (
            "network",
            "subnet",
            "router",
            "port",
            "floatingip",
            "security-group",
            "security-group-rule",
        )
    },
    **{
        f"load-balancer/v2.0/lbaas/{kind}s": (f"{kind}s", kind)
        for kind in ("loadbalancer", "listener", "pool", "healthmonitor")
    },
}


class Refused(Exception):
    """An answer with an error: its code and text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass
class Cloud:
    """What there is, by collection and id; `refuse` may answer with an error before anything is made."""

    things: dict[str, dict[str, Item]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    made: int = 0
    refuse: Callable[[str, Item], tuple[int, str] | None] = lambda _kind, _item: None
    lock: threading.RLock = field(default_factory=threading.RLock)

    def all(self, kind: str) -> dict[str, Item]:
        """Those of a collection, named by its last word."""
        [found] = [things for path, things in self.things.items() if path.rpartition("/")[2] == kind]
        return found

    def left(self) -> list[str]:
        """The names of everything that a user made."""
        return [
            f"{kind.rpartition('/')[2]}/{item.get('name') or item.get('description') or item['id']}"
            for kind, things in self.things.items()
            for item in things.values()
            if not item.get("given")
        ]


def furnished() -> Cloud:
    """A project with a public network, flavors and an image, and nothing else."""
    cloud = Cloud()
    for name in FLAVORS:
        _keep(cloud, "compute/v2.1/flavors", {"id": f"flavor-{name}", "name": name, "ram": 8192, "vcpus": 2})
    _keep(
        cloud,
        "image/v2/images",
        {"id": "image-debian", "name": "Debian 13", "visibility": "public", "status": "active", "tags": []},
    )
    _keep(
        cloud,
        "network/v2.0/networks",
        {"id": "ext-net", "name": "Ext-Net", "router:external": True, "status": "ACTIVE", "subnets": []},
    )
    return cloud


def _keep(cloud: Cloud, kind: str, item: Item) -> None:
    cloud.things[kind][item["id"]] = {**item, "given": True}


# What a thing has besides what was asked for


def _server(cloud: Cloud, item: Item) -> Item:
    flavor = next(one for one in cloud.all("flavors").values() if one["id"] == item.pop("flavorRef"))
    ports = [cloud.all("ports")[network["port"]] for network in item.get("networks", [])]
    for port in ports:
        port["device_id"] = item["id"]
    addresses = [
        {"addr": ip["ip_address"], "version": 4, "OS-EXT-IPS-MAC:mac_addr": port["mac_address"]}
        for port in ports
        for ip in port["fixed_ips"]
    ]
    return {
        **item,
        "status": "ACTIVE",
        "flavor": {"id": flavor["id"]},
        "image": "",
        "addresses": {cloud.all("networks")[ports[0]["network_id"]]["name"]: addresses},
        "OS-EXT-AZ:availability_zone": "nova",
        "OS-EXT-STS:vm_state": "active",
        "OS-EXT-STS:power_state": 1,
        "adminPass": "x",
        "os-extended-volumes:volumes_attached": [],
    }


def _port(cloud: Cloud, item: Item) -> Item:
    for address in item.get("fixed_ips", []):
        subnet = cloud.all("subnets")[address["subnet_id"]]
        cloud.made += 1
        address.setdefault("ip_address", str(IPv4Network(subnet["cidr"])[10 + cloud.made]))
    return {**item, "status": "ACTIVE", "mac_address": f"fa:16:3e:00:00:{cloud.made % 256:02x}"}


def _floatingip(cloud: Cloud, item: Item) -> Item:
    cloud.made += 1
    address = str(IPv4Network("198.51.100.0/24")[cloud.made % 250 + 1])
    return {**item, "floating_ip_address": address, "status": "ACTIVE"}


def _loadbalancer(cloud: Cloud, item: Item) -> Item:
    subnet = cloud.all("subnets")[item["vip_subnet_id"]]
    port = _create(
        cloud,
        "network/v2.0/ports",
        {
            "network_id": subnet["network_id"],
            "fixed_ips": [{"subnet_id": subnet["id"]}],
            "device_owner": "Octavia",
        },
    )
    return {
        **_active(cloud, item),
        "vip_port_id": port["id"],
        "vip_address": port["fixed_ips"][0]["ip_address"],
    }


def _active(_: Cloud, item: Item) -> Item:
    return {**item, "provisioning_status": "ACTIVE", "operating_status": "ONLINE", "admin_state_up": True}


def _listener(cloud: Cloud, item: Item) -> Item:
    return {**_active(cloud, item), "loadbalancers": [{"id": item["loadbalancer_id"]}]}


def _pool(cloud: Cloud, item: Item) -> Item:
    listener = cloud.all("listeners")[item["listener_id"]]
    return {
        **_active(cloud, item),
        "listeners": [{"id": listener["id"]}],
        "loadbalancers": listener["loadbalancers"],
        "members": [],
    }


def _monitor(cloud: Cloud, item: Item) -> Item:
    cloud.all("pools")[item["pool_id"]]["healthmonitor_id"] = item["id"]
    return {**_active(cloud, item), "pools": [{"id": item["pool_id"]}]}


def _security_group(_: Cloud, item: Item) -> Item:
    return {**item, "security_group_rules": []}


def _status(_: Cloud, item: Item) -> Item:
    return {"external_gateway_info": None, "subnets": [], **item, "status": "ACTIVE"}


def _subnet(_: Cloud, item: Item) -> Item:
    network = IPv4Network(item["cidr"])
    pools = [{"start": str(network[2]), "end": str(network[-2])}]
    defaults = {"gateway_ip": str(network[1]), "enable_dhcp": True, "allocation_pools": pools}
    return {**defaults, "dns_nameservers": [], "host_routes": [], **item}


MAKING: dict[str, Callable[[Cloud, Item], Item]] = {
    "servers": _server,
    "ports": _port,
    "floatingips": _floatingip,
    "loadbalancers": _loadbalancer,
    "listeners": _listener,
    "pools": _pool,
    "healthmonitors": _monitor,
    "security-groups": _security_group,
    "networks": _status,
    "routers": _status,
    "subnets": _subnet,
}


def _create(cloud: Cloud, kind: str, item: Item) -> Item:
    if refused := cloud.refuse(kind.rpartition("/")[2], item):
        raise Refused(*refused)
    name = item["name"] if kind.endswith("os-keypairs") else str(uuid.uuid4())
    make = MAKING.get(kind.rpartition("/")[2], lambda _cloud, plain: plain)
    made = make(cloud, {"tags": [], **item, "id": name})
    cloud.things[kind][name] = made
    return made


# What is more than making, changing and removing


def _add_interface(cloud: Cloud, router: Item, body: Item) -> Item:
    subnet = cloud.all("subnets")[body["subnet_id"]]
    port = _create(
        cloud,
        "network/v2.0/ports",
        {
            "network_id": subnet["network_id"],
            "device_id": router["id"],
            "device_owner": "network:router_interface",
            "fixed_ips": [{"subnet_id": subnet["id"], "ip_address": subnet["gateway_ip"]}],
        },
    )
    return {"id": router["id"], "subnet_id": subnet["id"], "port_id": port["id"]}


def _remove_interface(cloud: Cloud, router: Item, body: Item) -> Item:
    for name, port in list(cloud.all("ports").items()):
        if port.get("device_id") == router["id"]:
            del cloud.all("ports")[name]
    return {"id": router["id"], **body}


def _tag(_: Cloud, thing: Item, body: Item) -> Item:
    thing["tags"] = sorted(body["tags"])
    return {"tags": thing["tags"]}


def _add_member(cloud: Cloud, pool: Item, body: Item) -> Item:
    member = _active(cloud, {"weight": 1, **body["member"], "id": str(uuid.uuid4())})
    pool["members"].append(member)
    return {"member": member}


# What a thing has below it, all of it empty here.
NOTHING: Item = {"interfaceAttachments": [], "volumeAttachments": [], "extra_specs": {}}
ACTIONS: dict[str, Callable[[Cloud, Item, Item], Item]] = {
    "add_router_interface": _add_interface,
    "remove_router_interface": _remove_interface,
    "tags": _tag,
    "members": _add_member,
}


def _remove(cloud: Cloud, kind: str, name: str) -> None:
    removed = cloud.things[kind].pop(name)
    if "vip_port_id" in removed:
        cloud.all("ports").pop(removed["vip_port_id"], None)


class Handler(BaseHTTPRequestHandler):
    """One request: find the collection, then list, make, show, change or remove."""

    cloud: Cloud
    address: str

    def log_message(self, *_: object) -> None:
        """The tests say what matters."""

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def _answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        path = urlsplit(self.path)
        try:
            with self.cloud.lock:
                code, answer = self._route(path.path.strip("/"), parse_qs(path.query), body)
        except Refused as refused:
            code, answer = refused.code, {"error": {"code": refused.code, "message": str(refused)}}
        except KeyError as missing:
            code, answer = 404, {"itemNotFound": {"code": 404, "message": f"there is no {missing}"}}
        self._send(code, answer)

    def _send(self, code: int, answer: Item | None) -> None:
        data = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(code)
        if "token" in (answer or {}):
            self.send_header("X-Subject-Token", "a-token")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _route(self, path: str, query: dict[str, list[str]], body: Item) -> tuple[int, Item | None]:
        if path == "identity/v3/auth/tokens":
            return 201, self._token(body)
        if self.headers.get("X-Auth-Token") != "a-token":
            raise Refused(401, "The request you have made requires authentication.")
        kind = next(kind for kind in (*KINDS, "") if re.match(rf"{re.escape(kind)}(/|$)", path) or not kind)
        if not kind:
            raise Refused(404, f"the double does not know {self.command} {path}")
        rest = path.removeprefix(kind).strip("/")
        if rest in ("", "detail"):
            return self._collection(kind, query, body)
        return self._member(kind, *rest.split("/"), body=body)

    def _token(self, body: Item) -> Item:
        identity = body["auth"]["identity"]
        if identity["password"]["user"]["password"] != PASSWORD:
            raise Refused(401, "The request you have made requires authentication.")
        catalog = [
            {
                "type": service,
                "name": service,
                "id": service,
                "endpoints": [
                    {
                        "id": service,
                        "interface": "public",
                        "region": REGION,
                        "region_id": REGION,
                        "url": f"{self.address}/{path}",
                    }
                ],
            }
            for service, path in SERVICES.items()
        ]
        project = {"id": "project", "name": "project", "domain": {"id": "default", "name": "Default"}}
        return {
            "token": {
                "catalog": catalog,
                "project": project,
                "user": {"id": "user", "name": "user", "domain": project["domain"]},
                "expires_at": "2099-01-01T00:00:00.000000Z",
                "issued_at": "2026-01-01T00:00:00.000000Z",
                "methods": ["password"],
            }
        }

    def _collection(self, kind: str, query: dict[str, list[str]], body: Item) -> tuple[int, Item]:
        many, one = KINDS[kind]
        if self.command == "POST":
            code = 202 if one == "server" else 201
            return code, {one: _create(self.cloud, kind, body[one])}
        found = [item for item in self.cloud.things[kind].values() if _fits(item, query)]
        if many == "keypairs":
            return 200, {many: [{"keypair": item} for item in found]}
        return 200, {many: found}

    def _member(self, kind: str, name: str, *rest: str, body: Item) -> tuple[int, Item | None]:
        thing = self.cloud.things[kind][name]
        _, one = KINDS[kind]
        if rest[:1] == ("members",) and len(rest) == 2:
            return self._of_pool(thing, rest[1], body)
        if rest and self.command == "GET":
            return 200, {**NOTHING, "tags": thing.get("tags", [])}
        if rest:
            return 201 if self.command == "POST" else 200, ACTIONS[rest[0]](self.cloud, thing, body)
        if self.command == "DELETE":
            _remove(self.cloud, kind, name)
            return 204, None
        if self.command in ("PUT", "PATCH"):
            thing.update(body[one])
        return 200, {one: thing} if one else thing

    def _of_pool(self, pool: Item, name: str, body: Item) -> tuple[int, Item | None]:
        member = {item["id"]: item for item in pool["members"]}[name]
        if self.command == "DELETE":
            pool["members"].remove(member)
            return 204, None
        member.update(body.get("member", {}))
        return 200, {"member": member}


def _fits(item: Item, query: dict[str, list[str]]) -> bool:
    """Whether a filter of the query that the item has a field for agrees."""
    return all(
        str(item[key]).lower() == values[0].lower()
        for key, values in query.items()
        if key in item and key != "tags"
    )


@contextmanager
def running(cloud: Cloud) -> Iterator[str]:
    """The address of a server for `cloud`, until the end."""
    handler = type("Bound", (Handler,), {"cloud": cloud})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.address = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield handler.address  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
