"""Machines that are there already, reached over SSH: nothing is made, and nothing is destroyed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from clouder import keys
from clouder.errors import AccessError, SpecError
from clouder.inventory import Address, Bastion
from clouder.providers.provider import Provider, common_tfvars

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clouder.machines import Bastion as GivenBastion
    from clouder.machines import Machine, Ssh
    from clouder.spec import ClusterSpec

NO_KEY_FIX = (
    "ssh-keyscan -t ed25519 ADDRESS... >FILE, compare it with the machines, then --ssh-known-hosts FILE; "
    "or --ssh-trust-on-first-use"
)


def tfvars(spec: ClusterSpec, previous: Mapping[str, Any]) -> dict[str, Any]:
    """The Terraform values, and in them the key of the bastion, over which the way to the others leads."""
    check_spec(spec)
    values = common_tfvars(spec)
    for name, machine in _machines(spec).items():
        values["nodes"][name] |= {"address": machine.address, "ssh_port": machine.port}
    ssh = _ssh(spec)
    return {
        **values,
        "allowed_cidrs": [],
        "options": {
            "endpoint": endpoint(spec),
            "ssh_user": ssh.user,
            "bastion": _bastion(ssh, ssh.bastion, previous) if ssh.bastion else None,
        },
    }


def check_spec(spec: ClusterSpec) -> None:
    """Raise SpecError for what nobody can do to a machine that is there."""
    sizes = {"controlPlane.size": spec.control_plane.size}
    sizes |= {f"pools.{pool.name}.size": pool.size for pool in spec.pools}
    for field, size in sizes.items():
        if size:
            raise SpecError(
                f"{field}: {size}, but a machine that is there has the size it has", fix="leave it out"
            )
    if spec.allowed_cidrs:
        raise SpecError(
            "allowedCidrs: Clouder does not touch the firewall of machines that are there", fix="leave it out"
        )


def check_access(spec: ClusterSpec) -> None:
    """Raise SpecError or AccessError unless there is a key to log in with and a way to know each machine."""
    check_spec(spec)
    ssh = _ssh(spec)
    keys.check(_path(ssh.key_file))
    if ssh.host_keys and not _path(ssh.host_keys).is_file():
        raise AccessError(f"cannot read {ssh.host_keys}: there is no such file", fix=NO_KEY_FIX)
    addresses: dict[str, Machine | GivenBastion] = {
        f"hosts.{name}": item for name, item in spec.hosts.items()
    }
    if ssh.bastion:
        addresses["ssh.bastion"] = ssh.bastion
    unknown = [field for field, item in addresses.items() if not _stated(ssh, item)]
    if unknown and not ssh.trust_on_first_use:
        raise SpecError(
            f"{', '.join(unknown)}: the host key is not given, so that anybody could pose as it",
            fix=NO_KEY_FIX,
        )


def host_keys(spec: ClusterSpec, tfvars: Mapping[str, Any], pinned: Mapping[str, str]) -> Mapping[str, str]:
    """The key of each node: as the spec states, else as pinned, else (if told so) as it shows now."""
    from clouder.hostkeys import read_all

    ssh, machines = _ssh(spec), _machines(spec)
    known = {**pinned, **{name: key for name, item in machines.items() if (key := _stated(ssh, item))}}
    bastion = tfvars["options"]["bastion"]
    unknown = {
        name: Address(item.address, item.port, ssh.user, Bastion(**bastion) if bastion else None)
        for name, item in machines.items()
        if name not in known
    }
    _allow(ssh, unknown)
    return {**known, **read_all(unknown, _path(ssh.key_file))}


def endpoint(spec: ClusterSpec) -> str:
    """`host:port` of the API: as the spec says, else the first control plane's own address."""
    from clouder.machines import API_PORT, split_port

    given = spec.control_plane.endpoint
    if not given:
        leader = next(node.name for node in spec.nodes() if node.role == "master")
        given = _machines(spec)[leader].address
    host, port = split_port(given, API_PORT)
    return f"{host}:{port}"


def notes(spec: ClusterSpec) -> tuple[str, ...]:
    """That the endpoint never moves, where it is a machine's own, and whose keys are trusted."""
    told = []
    if not spec.control_plane.endpoint:
        told.append(f"the API stays at {endpoint(spec)}; if more masters are to come, --endpoint NAME:PORT")
    if _ssh(spec).trust_on_first_use:
        told.append("the host keys that the machines show at first are taken for theirs")
    return tuple(told)


def _machines(spec: ClusterSpec) -> dict[str, Machine]:
    """The given machines by the names of their nodes."""
    return {f"{spec.name}-{name}": machine for name, machine in spec.hosts.items()}


def _ssh(spec: ClusterSpec) -> Ssh:
    assert spec.ssh is not None  # clouder.cluster.check has seen to it
    return spec.ssh


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _stated(ssh: Ssh, item: Machine | GivenBastion) -> str:
    """The host key that the user gave: beside the address, or in the known_hosts file."""
    from clouder.handshake import known_host_key

    if item.host_key:
        return " ".join(item.host_key.split()[:2])
    file = _path(ssh.host_keys)
    if not ssh.host_keys or not file.is_file():
        return ""  # what was pinned serves on, also when the file is gone; check_access asks for it
    return known_host_key(file, item.host, item.port)


def _bastion(ssh: Ssh, given: GivenBastion, previous: Mapping[str, Any]) -> dict[str, Any]:
    from clouder.hostkeys import read_all

    before = (previous or {"options": {}})["options"].get("bastion") or {}
    same = (before.get("host"), before.get("port")) == (given.host, given.port)
    key = _stated(ssh, given) or (before["host_key"] if same else "")
    if not key:
        address = {"bastion": Address(given.host, given.port, given.user)}
        _allow(ssh, address)
        key = read_all(address, _path(ssh.key_file))["bastion"]
    return {"host": given.host, "port": given.port, "user": given.user, "host_key": key}


def _allow(ssh: Ssh, unknown: Mapping[str, Address]) -> None:
    if unknown and not ssh.trust_on_first_use:
        raise AccessError(f"no host key of {', '.join(unknown)} is known", fix=NO_KEY_FIX)


BAREMETAL = Provider(
    name="baremetal",
    title="Machines that are there (SSH)",
    default_region="",
    default_sizes={"master": "", "node": ""},
    ssh_user="root",
    tfvars=tfvars,
    check_access=check_access,
    keeps_machines=True,
    host_keys=host_keys,
    notes=notes,
)
