"""The part of a spec for machines that are there already: their addresses, and how SSH reaches them."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

HOST = re.compile(
    r"[a-z]([a-z0-9-]{0,21}[a-z0-9])?\Z"
)  # after a cluster's name of 40 it is still a DNS label
MASTER = "master"
LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
NAME_OR_ADDRESS = re.compile(rf"(?=.{{1,253}}\Z){LABEL}(\.{LABEL})*\Z")
# 51 bytes, of which the first 19 are the same for all: the kind of the key and the length of what follows.
HOST_KEY = r"^ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}( [ -~]*)?\z"
SSH_PORT = 22
API_PORT = 6443


def _ipv4(value: str) -> str:
    try:
        return str(IPv4Address(value))
    except AddressValueError as error:
        raise ValueError(f"{value!r} is no IPv4 address; Kubernetes needs the machine's own") from error


def _name_or_address(value: str) -> str:
    if not NAME_OR_ADDRESS.match(value):
        raise ValueError(f"{value!r} is neither a host name nor an IPv4 address")
    return value


def _path(value: str) -> str:
    if not value.startswith(("/", "~/")) or not value.isprintable():
        raise ValueError(f"{value!r}: write an absolute path, or one that begins with ~/")
    return value


def _endpoint(value: str) -> str:
    if value:
        _name_or_address(split_port(value, API_PORT)[0])
    return value


def split_port(text: str, default: int) -> tuple[str, int]:
    """`HOST[:PORT]` as its two parts; raises ValueError."""
    host, colon, port = text.partition(":")
    if colon and not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise ValueError(f"{text!r}: after the colon comes a port from 1 to 65535")
    return host, int(port) if colon else default


def _machine(value: Any) -> Any:
    """Also `10.0.0.1` and `10.0.0.1:2222`."""
    if not isinstance(value, str):
        return value
    address, port = split_port(value, SSH_PORT)
    return {"address": address, "port": port}


def _bastion(value: Any) -> Any:
    """Also `[user@]host[:port]`."""
    if not isinstance(value, str):
        return value
    user, at, rest = value.rpartition("@")
    host, port = split_port(rest, SSH_PORT)
    return {**({"user": user} if at else {}), "host": host, "port": port}


def _hosts(value: dict[str, Machine]) -> dict[str, Machine]:
    seen: dict[str, str] = {}
    for name, machine in value.items():
        if not HOST.match(name):
            raise ValueError(f"{name!r} is no name of a host: use 1 to 23 of a-z, 0-9 and -, a letter first")
        other = seen.setdefault(machine.address, name)
        if other != name:
            raise ValueError(f"{other} and {name} have the same address, {machine.address}")
    return value


class Model(BaseModel):
    """A frozen part of a spec, with camelCase keys; unknown keys and wrong types are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=to_camel, validate_by_name=True
    )


Port = Annotated[int, Field(ge=1, le=65535)]
User = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}\z")]
HostKey = Annotated[
    str,
    StringConstraints(pattern=rf"{HOST_KEY}|^\z"),
    Field(description="Its public key, ssh-ed25519 AAAA..."),
]
Endpoint = Annotated[
    str,
    AfterValidator(_endpoint),
    Field(
        description="HOST[:PORT] that leads to the control plane of given machines; empty: its own address"
    ),
]


class Machine(Model):
    """One machine; `10.0.0.1` and `10.0.0.1:2222` are short for it."""

    address: Annotated[str, AfterValidator(_ipv4), Field(description="Its own IPv4 address")]
    port: Port = SSH_PORT
    host_key: HostKey = ""

    @property
    def host(self) -> str:
        """Where its sshd listens."""
        return self.address


class Bastion(Model):
    """The host through which SSH goes; `user@host:port` is short for it."""

    host: Annotated[str, AfterValidator(_name_or_address)]
    port: Port = SSH_PORT
    user: Annotated[User, Field(description="Who logs in there")] = "root"
    host_key: HostKey = ""


class Ssh(Model):
    """How to log in to given machines: as whom, with which key, and how to know them."""

    user: Annotated[User, Field(description="Who logs in; root, or one who needs no password for sudo")]
    key_file: Annotated[str, AfterValidator(_path), Field(description="Private key; it is never copied")]
    host_keys: Annotated[str, AfterValidator(lambda value: value and _path(value))] = Field(
        default="", description="A known_hosts file with the keys of the machines"
    )
    trust_on_first_use: bool = Field(
        default=False, description="Take the keys that the machines show at first, and no others afterwards"
    )
    bastion: Annotated[Bastion, BeforeValidator(_bastion, json_schema_input_type=Bastion | str)] | None = None


Hosts = Annotated[
    dict[str, Annotated[Machine, BeforeValidator(_machine, json_schema_input_type=Machine | str)]],
    AfterValidator(_hosts),
    Field(description="Machines that are there already: names that begin with master are control planes"),
]
