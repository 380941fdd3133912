"""What the user wants: one frozen, validated ClusterSpec, from flags or `cluster.yaml`."""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    model_serializer,
    model_validator,
)

from clouder import safeyaml
from clouder.errors import SpecError
from clouder.machines import MASTER, Endpoint, Hosts, Model, Ssh
from clouder.marks import Labels, Roles, Taints, Xpu, labels_of, taints_of
from clouder.state import LocalState, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_BYTES = safeyaml.MAX_BYTES
load_yaml = safeyaml.load_yaml
NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?\Z")
RESERVED_NAMES = {
    "con",
    "nul",
    "true",
    "false",
    "null",
    "yes",
    "no",
    "on",
    "off",
    "localhost",
    "default",
    "all",
}
MAX_POOL_SIZE = 200
MAX_HOST_NAME = 63  # one DNS label, RFC 1123


def _name(value: str) -> str:
    if not NAME.match(value):
        raise ValueError("use 1 to 40 of a-z, 0-9 and -, starting with a letter and not ending with -")
    if value in RESERVED_NAMES:
        raise ValueError(f"{value} is a reserved word; choose another name")
    return value


def _cidr(value: str) -> str:
    try:
        network = IPv4Network(value)
    except ValueError as error:
        raise ValueError(f"{error}; write it as 10.244.0.0/16") from error
    if network.prefixlen > 24:
        raise ValueError("is too small; use a prefix of at most /24")
    return value


def _source(value: str) -> str:
    try:
        network = IPv4Network(value)
    except ValueError as error:
        raise ValueError(f"{error}; write it as 203.0.113.7/32") from error
    if network.prefixlen == 0:
        raise ValueError("would let in the whole internet; name the networks that are yours")
    return str(network)


Name = Annotated[str, AfterValidator(_name)]
Source = Annotated[str, AfterValidator(_source)]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?\z|^\z")]
Version = Annotated[str, StringConstraints(pattern=r"^v1\.[0-9]{1,3}\.[0-9]{1,3}\z")]
Cidr = Annotated[str, AfterValidator(_cidr)]


class ControlPlane(Model):
    """The control plane nodes."""

    count: Annotated[
        int, Field(ge=1, le=1, description="How many control plane nodes; this version makes one")
    ] = 1
    size: Annotated[Word, Field(description="Machine size; empty: the provider's default")] = ""
    endpoint: Endpoint = ""


class NodePool(Model):
    """Worker nodes of one kind."""

    name: Name = "workers"
    desired: Annotated[int, Field(ge=0, le=MAX_POOL_SIZE, description="How many nodes")] = 2
    min: Annotated[int, Field(ge=0, le=MAX_POOL_SIZE, description="Never fewer nodes")] = 0
    max: Annotated[int, Field(ge=0, le=MAX_POOL_SIZE, description="Never more nodes")] = MAX_POOL_SIZE
    size: Annotated[Word, Field(description="Machine size; empty: the provider's default")] = ""
    labels: Labels = Field(default={})
    roles: Roles = ()
    taints: Taints = ()
    xpu: Xpu = ""


class Network(Model):
    """Address ranges inside the cluster."""

    cni: Literal["flannel"] = "flannel"
    pod_cidr: Cidr = "10.244.0.0/16"
    service_cidr: Cidr = "10.96.0.0/12"

    @model_validator(mode="after")
    def _disjoint(self) -> Network:
        if IPv4Network(self.pod_cidr).overlaps(IPv4Network(self.service_cidr)):
            raise ValueError("podCidr and serviceCidr overlap; choose ranges apart from each other")
        return self


class Node(Model):
    """One machine of the cluster, before it exists."""

    name: str
    role: Literal["master", "node"]
    pool: str
    size: str = ""
    labels: dict[str, str] = Field(default={})
    taints: tuple[str, ...] = ()


class ClusterSpec(Model):
    """What the user wants; everything else follows from it."""

    api_version: Literal["clouder.dev/v1alpha1"] = "clouder.dev/v1alpha1"
    kind: Literal["Cluster"] = "Cluster"
    name: Name
    provider: Word = "local"
    region: Word = ""
    kubernetes_version: Version = "v1.36.3"
    control_plane: ControlPlane = ControlPlane()
    pools: tuple[NodePool, ...] = (NodePool(),)
    network: Network = Network()
    allowed_cidrs: Annotated[
        tuple[Source, ...],
        Field(description="Who may reach SSH and the API of rented machines; empty: your own address"),
    ] = ()
    addons: Annotated[
        tuple[Word, ...], Field(description="What is installed beside the network, such as metrics-server")
    ] = ()
    criu: Annotated[bool, Field(description="Make the nodes ready to checkpoint and restore pods")] = True
    hosts: Hosts = Field(default={})
    ssh: Ssh | None = None
    state: State = LocalState()

    @model_validator(mode="after")
    def _unique_pools(self) -> ClusterSpec:
        names = [pool.name for pool in self.pools]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"pools: {name} is there twice; give each pool its own name")
            if name in {"master", "node", "control-plane"}:
                raise ValueError(
                    f"pools: {name} is taken by the nodes Clouder names itself; choose another name"
                )
        for node in self.nodes():
            if len(node.name) > MAX_HOST_NAME:
                raise ValueError(
                    f"pools: the node {node.name} has a name of more than {MAX_HOST_NAME} characters;"
                    " choose a shorter name for the cluster or the pool"
                )
        return self

    @model_validator(mode="after")
    def _count_hosts(self) -> ClusterSpec:
        """Where the machines are given, the pools are as large as their names say."""
        if not self.hosts:
            return self
        masters = [name for name in self.hosts if name.startswith(MASTER)]
        if len(masters) != self.control_plane.count:
            raise ValueError(
                f"hosts: {len(masters)} names begin with {MASTER} ({', '.join(masters) or 'none'}), "
                f"but controlPlane.count is {self.control_plane.count}"
            )
        pools = [_sized(pool, self._workers(pool)) for pool in self.pools]
        return self.model_copy(update={"pools": tuple(pools)})

    @model_validator(mode="after")
    def _pools_in_bounds(self) -> ClusterSpec:
        """After the hosts were counted: only then `desired` is what it will be."""
        if faults := [fault for pool in self.pools for fault in _out_of_bounds(pool)]:
            raise ValueError("\n".join(faults))
        return self

    @model_serializer(mode="wrap")
    def _without_nothing(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Most clusters have neither hosts nor ssh nor addons, and keep the state here: it is not shown."""
        shown = handler(self)
        empty = {key for key in ("hosts", "ssh", "addons") if not shown[key]}
        if shown["state"] == {"backend": "local"}:
            empty.add("state")
        return {key: value for key, value in shown.items() if key not in empty}

    def _workers(self, pool: NodePool) -> list[str]:
        """The given hosts of a pool."""
        return [
            name for name in self.hosts if not name.startswith(MASTER) and self._pool(name).name == pool.name
        ]

    def _pool(self, host: str) -> NodePool:
        """`gpu-1` is in the pool `gpu` where there is one; all others are in `workers` or the only pool."""
        named = {pool.name: pool for pool in self.pools}
        for name in (host.rpartition("-")[0], "workers"):
            if name in named:
                return named[name]
        if len(named) != 1:
            raise ValueError(f"hosts: {host} is of no pool; call it POOL-1, or add a pool called workers")
        return self.pools[0]

    def nodes(self) -> tuple[Node, ...]:
        """The machines, control planes first; a name never moves when another node goes."""
        if self.hosts:
            return tuple(self._given())
        return (*self._masters(), *(node for pool in self.pools for node in _pool_nodes(self.name, pool)))

    def _masters(self) -> Iterator[Node]:
        for number in range(1, self.control_plane.count + 1):
            suffix = "master" if number == 1 else f"master-{number}"
            yield Node(
                name=f"{self.name}-{suffix}",
                role="master",
                pool="control-plane",
                size=self.control_plane.size,
            )

    def _given(self) -> Iterator[Node]:
        for name in sorted(self.hosts, key=lambda name: not name.startswith(MASTER)):
            full = f"{self.name}-{name}"
            if name.startswith(MASTER):
                yield Node(name=full, role="master", pool="control-plane", size=self.control_plane.size)
            else:
                yield _node(full, self._pool(name))


def _sized(pool: NodePool, hosts: list[str]) -> NodePool:
    if "desired" in pool.model_fields_set and pool.desired != len(hosts):
        raise ValueError(
            f"pools.{pool.name}.desired: {pool.desired}, but hosts has {len(hosts)} of it; leave desired out"
        )
    return pool.model_copy(update={"desired": len(hosts)})


def _out_of_bounds(pool: NodePool) -> Iterator[str]:
    path = f"pools.{pool.name}"
    if pool.min > pool.max:
        yield f"{path}.min: {pool.min} is more than max, {pool.max}; lower min or raise max"
    elif pool.desired < pool.min:
        yield f"{path}.desired: {pool.desired} is less than min, {pool.min}; raise desired or lower min"
    elif pool.desired > pool.max:
        yield f"{path}.desired: {pool.desired} is more than max, {pool.max}; lower desired or raise max"


def _pool_nodes(cluster: str, pool: NodePool) -> Iterator[Node]:
    stem = "node" if pool.name == "workers" else pool.name
    for number in range(1, pool.desired + 1):
        yield _node(f"{cluster}-{stem}-{number}", pool)


def _node(name: str, pool: NodePool) -> Node:
    return Node(
        name=name,
        role="node",
        pool=pool.name,
        size=pool.size,
        labels=labels_of(pool.labels, pool.roles, pool.xpu),
        taints=taints_of(pool.taints, pool.xpu),
    )


def parse(data: Mapping[str, Any], *, source: str = "spec") -> ClusterSpec:
    """The spec in `data` (camelCase keys as in cluster.yaml); raises SpecError, one line a fault."""
    try:
        return ClusterSpec.model_validate_json(_json(data))
    except ValidationError as error:
        faults = [_explain(item) for item in error.errors()]
        raise SpecError(
            f"{source}: " + "\n".join(faults), fix="clouder spec schema prints every field and its limits"
        ) from error


def _json(data: Mapping[str, Any]) -> str:
    """JSON mode of pydantic is strict about types and still takes a list for a tuple."""
    import json

    try:
        return json.dumps(data)
    except (TypeError, ValueError) as error:
        raise SpecError(f"the spec holds a value that is not text, number, list or map: {error}") from error


PLAIN_WORDS = {
    "extra_forbidden": "is not a known field; remove it or correct its spelling",
    "missing": "is missing",
    "string_pattern_mismatch": "has a form that is not allowed: {input!r}",
    "string_type": "must be text; write it in quotes: {input!r}",
}
PATTERN_HINTS = {"kubernetesVersion": 'write it as "v1.36.3"', "size": "use letters, digits, . _ and -"}


def _explain(item: Any) -> str:
    path = ".".join(str(part) for part in item["loc"])
    text = PLAIN_WORDS.get(item["type"], item["msg"].removeprefix("Value error, ")).format(
        input=item["input"]
    )
    hint = PATTERN_HINTS.get(str(item["loc"][-1]), "") if item["loc"] else ""
    return f"{path}: {text}" + (f"; {hint}" if hint else "") if path else text


def dump(spec: ClusterSpec) -> str:
    """`cluster.yaml` of the resolved spec; loading it gives the same spec."""
    return safeyaml.dump_yaml(spec.model_dump(mode="json", by_alias=True))


def schema() -> dict[str, Any]:
    """JSON Schema of cluster.yaml, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **ClusterSpec.model_json_schema(by_alias=True),
    }
