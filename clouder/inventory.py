"""The hosts of a cluster, read from Terraform's outputs and checked before anything connects to them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Literal

from clouder.errors import NotFoundError, TerraformError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

# The name becomes the hostname of the machine and the name of the Kubernetes node: one DNS label.
HOST_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?\Z")
LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
DNS_NAME = re.compile(rf"(?=.{{1,253}}\Z){LABEL}(\.{LABEL})*\Z")
USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}\Z")
POOL = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?\Z")
HOST_KEY = re.compile(r"ssh-ed25519 [A-Za-z0-9+/=]{68}( [ -~]*)?\Z")
PROVIDER_TEXT = re.compile(r"[A-Za-z0-9._:/@+=-]{0,512}\Z")


@dataclass(frozen=True)
class Bastion:
    """The host through which SSH goes, with its public host key ("ssh-ed25519 AAAA...")."""

    host: str
    port: int
    user: str
    host_key: str


@dataclass(frozen=True)
class Address:
    """Where SSH listens: host name or IP, port, and the user who logs in."""

    host: str
    port: int
    user: str
    bastion: Bastion | None = None


@dataclass(frozen=True)
class Host:
    """One machine; `public_ip`, `provider_id` and `zone` are empty where the provider has none."""

    name: str
    role: Literal["master", "node"]
    pool: str
    ssh: Address
    private_ip: str
    public_ip: str = ""
    provider_id: str = ""
    zone: str = ""


@dataclass(frozen=True)
class Inventory:
    """All hosts, control planes first, each group in natural order (node-2 before node-10)."""

    hosts: tuple[Host, ...]

    @classmethod
    def from_outputs(cls, hosts: Sequence[Mapping[str, Any]]) -> Inventory:
        """The inventory in Terraform's `hosts` output; raises TerraformError naming the wrong field."""
        if not isinstance(hosts, (list, tuple)):
            raise _wrong("hosts", "must be a list", hosts)
        found = [_host(f"hosts[{index}]", item) for index, item in enumerate(hosts)]
        for what in ("name", "ssh"):
            _refuse_doubles(what, [getattr(host, what) for host in found])
        return cls(tuple(sorted(found, key=_position)))

    @property
    def leader(self) -> Host:
        """The first control plane, where the cluster is initialised; raises NotFoundError."""
        for host in self.control_planes:
            return host
        raise NotFoundError("this cluster has no control plane machine", fix="clouder k8s create makes one")

    @property
    def control_planes(self) -> tuple[Host, ...]:
        """The hosts with the role `master`."""
        return self.where(lambda host: host.role == "master")

    @property
    def workers(self) -> tuple[Host, ...]:
        """The hosts with the role `node`."""
        return self.where(lambda host: host.role == "node")

    def where(self, predicate: Callable[[Host], bool]) -> tuple[Host, ...]:
        """The hosts for which `predicate` holds, in order."""
        return tuple(host for host in self.hosts if predicate(host))

    def get(self, name: str) -> Host:
        """The host called `name`; raises NotFoundError listing those there are."""
        for host in self.hosts:
            if host.name == name:
                return host
        names = ", ".join(host.name for host in self.hosts) or "none"
        raise NotFoundError(f"no host is called {name}; there are: {names}")


def natural(name: str) -> list[str | int]:
    """A sort key under which node-2 comes before node-10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _position(host: Host) -> tuple[bool, list[str | int]]:
    return host.role != "master", natural(host.name)


def _host(path: str, item: Any) -> Host:
    ssh = _field(path, item, "ssh")
    return Host(
        name=_text(path, item, "name", _matches(HOST_NAME)),
        role=_role(path, item),
        pool=_text(path, item, "pool", _matches(POOL)),
        ssh=Address(
            host=_text(f"{path}.ssh", ssh, "host", _is_host),
            port=_port(f"{path}.ssh", ssh),
            user=_text(f"{path}.ssh", ssh, "user", _matches(USER)),
            bastion=_bastion(f"{path}.ssh", ssh),
        ),
        private_ip=_text(path, item, "private_ip", _is_ip),
        public_ip=_text(path, item, "public_ip", _is_ip, optional=True),
        provider_id=_text(path, item, "provider_id", _matches(PROVIDER_TEXT), optional=True),
        zone=_text(path, item, "zone", _matches(PROVIDER_TEXT), optional=True),
    )


def _bastion(path: str, ssh: Any) -> Bastion | None:
    item = _field(path, ssh, "bastion")
    if item is None:
        return None
    path = f"{path}.bastion"
    return Bastion(
        host=_text(path, item, "host", _is_host),
        port=_port(path, item),
        user=_text(path, item, "user", _matches(USER)),
        host_key=_text(path, item, "host_key", _matches(HOST_KEY)),
    )


def _field(path: str, item: Any, key: str, default: Any = None) -> Any:
    if not isinstance(item, dict):
        raise _wrong(path, "must be an object", item)
    return item.get(key, default)


def _text(path: str, item: Any, key: str, allowed: Callable[[str], bool], *, optional: bool = False) -> str:
    value = _field(path, item, key)
    if optional and value in (None, ""):
        return ""
    if not isinstance(value, str) or not allowed(value):
        raise _wrong(
            f"{path}.{key}", "is missing" if value is None else "has a form that is not allowed", value
        )
    return value


def _role(path: str, item: Any) -> Literal["master", "node"]:
    role = _field(path, item, "role")
    if role == "master":
        return "master"
    if role == "node":
        return "node"
    raise _wrong(f"{path}.role", "must be master or node", role)


def _port(path: str, item: Any) -> int:
    port = _field(path, item, "port")
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
        raise _wrong(f"{path}.port", "must be a whole number from 1 to 65535", port)
    return port


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda value: pattern.match(value) is not None


def _is_host(value: str) -> bool:
    return DNS_NAME.match(value) is not None or _is_ip(value)


def _is_ip(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return "%" not in value  # a zone such as fe80::1%eth0 means something on one machine only


def _refuse_doubles(what: str, values: Iterable[Any]) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise _wrong(f"hosts[].{what}", "is there twice", value)
        seen.add(value)


def _wrong(path: str, problem: str, value: Any) -> TerraformError:
    return TerraformError(
        f"Terraform's output {path} {problem}: {value!r:.100}",
        fix="look at the `hosts` output of the module: terraform output hosts",
    )
