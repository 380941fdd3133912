"""Nodes as containers on this machine; each cluster has a Docker network and a block of loopback ports."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any
from zlib import crc32

from clouder.errors import AccessError, SpecError
from clouder.providers import docker
from clouder.providers.local_errors import FAULTS
from clouder.providers.provider import Provider, common_tfvars
from clouder.render import asset
from clouder.store import home

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from clouder.spec import ClusterSpec

# Slot n of a hundred is the network 10.213.n.0/24 and the ports from 20000 + 120 n. They end below 32768,
# where Linux begins to hand out ports to outgoing connections.
SLOTS = 100
FIRST_PORT = 20000
PORTS_OF_A_SLOT = 120
STARTED = ("running", "paused", "restarting", "exited")  # not `created`: its port may be why it never started
LB_HOST = 2
FIRST_NODE_HOST = 10
MAX_NODES = PORTS_OF_A_SLOT - 1
SIZE = re.compile(r"([1-9][0-9]{0,2}x[1-9][0-9]{2,6})?\Z")


@dataclass(frozen=True)
class World:
    """What is taken on this machine."""

    networks: tuple[IPv4Network, ...]  # of Docker and of other clusters, not the cluster's own
    has_network: bool  # the cluster's own exists
    containers: frozenset[str]  # the cluster's own that were started
    port_is_free: Callable[[int], bool]


def network(slot: int) -> IPv4Network:
    """The addresses of a slot."""
    return IPv4Network(f"10.213.{slot}.0/24")


def tfvars(spec: ClusterSpec, previous: Mapping[str, Any]) -> dict[str, Any]:
    """The Terraform values; call it under the lock of the home, since it looks for free addresses."""
    from clouder import nodeimage

    check_spec(spec)
    return allocate(spec, previous, look_around(spec), image=nodeimage.tag(spec))


def check_spec(spec: ClusterSpec) -> None:
    """Raise SpecError for what this provider cannot do."""
    for field, size in [("controlPlane.size", spec.control_plane.size)] + [
        (f"pools.{pool.name}.size", pool.size) for pool in spec.pools
    ]:
        if not SIZE.match(size):
            raise SpecError(
                f"{field}: {size} is not a size of the local provider",
                fix="write CPUs x MiB, such as 2x4096, or leave it out for no limit",
            )
    if spec.region not in {"", LOCAL.default_region}:
        raise SpecError(
            f"region: the local provider has one region, {LOCAL.default_region}", fix="leave it out"
        )
    if spec.allowed_cidrs:
        raise SpecError("allowedCidrs: local nodes are reached from this machine alone", fix="leave it out")
    if len(spec.nodes()) > MAX_NODES:
        raise SpecError(f"pools: one machine holds at most {MAX_NODES} local nodes", fix="ask for fewer")


def allocate(spec: ClusterSpec, previous: Mapping[str, Any], world: World, *, image: str) -> dict[str, Any]:
    """The Terraform values, given what is taken: what `previous` holds stays unless it was never made."""
    slot = _slot(spec, previous, world)
    numbers = _numbers(spec, previous, slot, world)
    values = common_tfvars(spec)
    for name, node in values["nodes"].items():
        number = numbers[name]
        node["address"] = str(network(slot)[FIRST_NODE_HOST + number])
        node["ssh_port"] = _port(slot, 1 + number)
    return {
        **values,
        "region": LOCAL.default_region,
        "allowed_cidrs": ["127.0.0.1/32"],
        "options": {
            "image": image,
            "network_cidr": str(network(slot)),
            "lb_address": str(network(slot)[LB_HOST]),
            "api_port": _port(slot, 0),
        },
    }


def _port(slot: int, number: int) -> int:
    return FIRST_PORT + slot * PORTS_OF_A_SLOT + number


def _slot(spec: ClusterSpec, previous: Mapping[str, Any], world: World) -> int:
    old = _old_slot(previous)
    if old is not None and (world.has_network or _is_free(old, spec, world)):
        return old
    # From a place of its own: clusters of two homes, made at the same moment, seldom want the same slot.
    first = crc32(spec.name.encode()) % SLOTS
    for step in range(SLOTS):
        slot = (first + step) % SLOTS
        if _is_free(slot, spec, world):
            return slot
    raise AccessError(
        f"all {SLOTS} networks 10.213.0.0/24 to {network(SLOTS - 1)} are taken, or their ports are",
        fix="delete a cluster (clouder k8s ls), or see `docker network ls` and `ss -ltn`",
    )


def _old_slot(previous: Mapping[str, Any]) -> int | None:
    return int(previous["options"]["network_cidr"].split(".")[2]) if previous else None


def _is_free(slot: int, spec: ClusterSpec, world: World) -> bool:
    inside = (IPv4Network(spec.network.pod_cidr), IPv4Network(spec.network.service_cidr))
    return not any(
        network(slot).overlaps(taken) for taken in (*world.networks, *inside)
    ) and world.port_is_free(_port(slot, 0))


def _numbers(spec: ClusterSpec, previous: Mapping[str, Any], slot: int, world: World) -> dict[str, int]:
    """Each node's place in the slot. A node keeps its own once it was started, or while its port is free."""
    numbers = {}
    if slot == _old_slot(previous):
        for name, node in previous["nodes"].items():
            number = node["ssh_port"] - _port(slot, 1)
            if name in world.containers or world.port_is_free(node["ssh_port"]):
                numbers[name] = number
    numbers = {node.name: numbers[node.name] for node in spec.nodes() if node.name in numbers}
    places = _free_places(slot, set(numbers.values()), world)
    for node in spec.nodes():
        if node.name not in numbers:
            numbers[node.name] = next(places)
    return numbers


def _free_places(slot: int, taken: Collection[int], world: World) -> Iterator[int]:
    for number in range(MAX_NODES):
        if number not in taken and world.port_is_free(_port(slot, 1 + number)):
            yield number
    raise AccessError(
        f"no free port is left in {_port(slot, 1)} to {_port(slot, MAX_NODES)}", fix="see `ss -ltn`"
    )


def look_around(spec: ClusterSpec) -> World:
    """What is taken on this machine now; without a Docker engine, what other clusters wrote down."""
    networks = dict(_networks_of_other_clusters(spec.name))
    containers: frozenset[str] = frozenset()
    has_network = False
    try:
        environment = docker.engine()
    except AccessError:  # a plan can be made without an engine; check_access guards the rest
        environment = None
    if environment is not None:
        containers = frozenset(_containers(spec, environment, *STARTED))
        for name, cidr in _docker_networks(environment):
            if name == f"clouder-{spec.name}":
                has_network = True
            else:
                networks[name] = cidr
    return World(tuple(networks.values()), has_network, containers, _port_is_free)


def _networks_of_other_clusters(name: str) -> Iterator[tuple[str, IPv4Network]]:
    for path in home().glob("clusters/*/terraform/terraform.tfvars.json"):
        cluster = path.parts[-3]
        if cluster == name:
            continue
        try:
            yield f"cluster/{cluster}", IPv4Network(json.loads(path.read_text())["options"]["network_cidr"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # another provider's, or one that is being deleted


def _docker_networks(environment: dict[str, str]) -> Iterator[tuple[str, IPv4Network]]:
    for item in _inspect_networks(environment):
        for config in item["IPAM"]["Config"] or []:
            if ":" not in config.get("Subnet", ":"):
                yield item["Name"], IPv4Network(config["Subnet"])


def _inspect_networks(environment: dict[str, str]) -> list[dict[str, Any]]:
    """All networks; a network that goes between the list and the look, with its cluster, is no failure."""
    while True:
        ids = docker.run("network", "ls", "--quiet", environment=environment).split()
        if not ids:
            return []
        try:
            found: list[dict[str, Any]] = json.loads(
                docker.run("network", "inspect", *ids, environment=environment)
            )
        except AccessError as error:
            if "not found" in error.message or "no such network" in error.message.lower():
                continue
            raise
        return found


def _containers(spec: ClusterSpec, environment: dict[str, str], *states: str) -> list[str]:
    """Names of this cluster's containers, of those in one of `states` where any is given."""
    filters = [f"label=clouder-cluster={spec.name}", *(f"status={state}" for state in states)]
    args = [word for item in filters for word in ("--filter", item)]
    return docker.run("ps", "--all", "--format", "{{.Names}}", *args, environment=environment).split()


def _port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def check_access(spec: ClusterSpec) -> None:
    """Raise AccessError, with the fix, unless a Docker engine on this machine answers."""
    check_spec(spec)
    docker.engine()


def environment(spec: ClusterSpec) -> dict[str, str]:  # noqa: ARG001
    """Where terraform's scripts find the engine."""
    return docker.engine()


def missing(spec: ClusterSpec) -> tuple[str, ...]:
    """What somebody removed, and what was never started: terraform_data does not look at it again."""
    environment = docker.engine()
    there = set(_containers(spec, environment, *STARTED))
    addresses = {f'terraform_data.node["{node.name}"]': node.name for node in spec.nodes()}
    addresses["terraform_data.lb"] = f"{spec.name}-lb"
    gone = [address for address, name in addresses.items() if name not in there]
    networks = docker.run("network", "ls", "--format", "{{.Name}}", environment=environment).split()
    if f"clouder-{spec.name}" not in networks:
        gone.append("terraform_data.network")
    return tuple(gone)


def stopped(spec: ClusterSpec) -> tuple[str, ...]:
    """The containers that are stopped, as after `docker stop`; their data is still in them."""
    return tuple(sorted(_containers(spec, docker.engine(), "exited")))


def start(spec: ClusterSpec, names: tuple[str, ...]) -> None:  # noqa: ARG001
    """Start containers that are stopped."""
    docker.run("start", *names, environment=docker.engine())


def sweep(spec: ClusterSpec, tfvars: Mapping[str, Any]) -> None:
    """Remove every container and network of the cluster; the module's own script tells which are its."""
    owner = hashlib.sha256(tfvars["ssh_public_key"].encode()).hexdigest()[:16]  # as in network.tf
    script = asset("terraform/local/scripts/sweep.sh")
    done = subprocess.run(
        ["sh", str(script)],
        env={**os.environ, **docker.engine(), "CLUSTER": spec.name, "OWNER": owner},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AccessError(
            f"what is left of {spec.name} cannot be removed: {done.stderr.strip()}",
            fix=f"docker ps --all --filter label=clouder-cluster={spec.name}",
        )


LOCAL = Provider(
    name="local",
    title="This machine (Docker containers)",
    default_region="local",
    default_sizes={"master": "", "node": ""},
    ssh_user="root",
    tfvars=tfvars,
    check_access=check_access,
    environment=environment,
    missing=missing,
    stopped=stopped,
    start=start,
    sweep=sweep,
    faults=FAULTS,
    image_builder="docker",
)
