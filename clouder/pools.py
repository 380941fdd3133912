"""Changes of one node pool, as edits of a spec; what they do to the machines follows from the spec alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from clouder.errors import NotFoundError, SpecError, UsageError
from clouder.spec import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clouder.spec import ClusterSpec, NodePool

Verb = Literal["create", "update", "delete"]
CREATED = 1  # nodes of a new pool, unless it must have more


@dataclass(frozen=True)
class Edit:
    """What is asked of the pool of a cluster; `values` are fields of a pool as in cluster.yaml."""

    verb: Verb
    cluster: str
    pool: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The words after `clouder` that ask for it."""
        return f"k8s {self.verb}-nodepool"


@dataclass(frozen=True)
class PoolRow:
    """A pool as the spec wants it; `machines` is how many of it are there."""

    name: str
    size: str
    desired: int
    min: int
    max: int
    machines: int
    roles: tuple[str, ...]
    labels: dict[str, str]
    taints: tuple[str, ...]
    xpu: str


def values(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that flags stand for; one that is None changes nothing, an empty text empties a list."""
    given = {name: value for name, value in flags.items() if value is not None}
    return {name: FORMS[name](value) if name in FORMS else value for name, value in given.items()}


def _items(text: str) -> list[str]:
    return [item for item in text.split(",") if item]


def _pairs(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in _items(text):
        key, equals, value = item.partition("=")
        if not equals or key in found:
            problem = f"{key} is there twice" if equals else f"{item} has no value"
            raise UsageError(f"--labels: {problem}", fix="--labels team=blue,tier=web")
        found[key] = value
    return found


FORMS: dict[str, Callable[[str], Any]] = {"labels": _pairs, "roles": _items, "taints": _items}


def edited(spec: ClusterSpec, edit: Edit) -> ClusterSpec:
    """The spec after `edit`; again is the same. Raises SpecError, NotFoundError."""
    return EDITS[edit.verb](spec, edit)


def _created(spec: ClusterSpec, edit: Edit) -> ClusterSpec:
    if edit.pool in names(spec):
        _refuse_another(pool_of(spec, edit.pool), edit)
        return spec
    desired = max(CREATED, edit.values.get("min", 0))
    return _with(spec, [*_pools(spec), {"name": edit.pool, "desired": desired, **edit.values}])


def _refuse_another(pool: NodePool, edit: Edit) -> None:
    """The same call again goes on; another one is a mistake."""
    wanted = {**_fields(pool), **edit.values}
    wanted = _fields(parse({"name": "x", "pools": [wanted]}, source="the spec").pools[0])
    stored = _fields(pool)
    other = [key for key in stored if stored[key] != wanted[key]]
    if other:
        told = "; ".join(f"{key} is {shown(stored[key])}, asked is {shown(wanted[key])}" for key in other)
        raise SpecError(
            f"cluster {edit.cluster} has a pool {pool.name} already: {told}",
            fix=f"clouder k8s update-nodepool {edit.cluster} {pool.name}, or choose another name",
        )


def _updated(spec: ClusterSpec, edit: Edit) -> ClusterSpec:
    pool_of(spec, edit.pool)
    return _with(
        spec, [{**pool, **edit.values} if pool["name"] == edit.pool else pool for pool in _pools(spec)]
    )


def _emptied(spec: ClusterSpec, edit: Edit) -> ClusterSpec:
    """A pool goes when its last node is gone: until then it can be kept after all."""
    return _updated(spec, Edit("update", edit.cluster, edit.pool, {"desired": 0, "min": 0}))


EDITS: dict[Verb, Callable[[ClusterSpec, Edit], ClusterSpec]] = {
    "create": _created,
    "update": _updated,
    "delete": _emptied,
}


def without(spec: ClusterSpec, name: str) -> ClusterSpec:
    """The spec without the pool."""
    return _with(spec, [pool for pool in _pools(spec) if pool["name"] != name])


def names(spec: ClusterSpec) -> tuple[str, ...]:
    """The names of the pools."""
    return tuple(pool.name for pool in spec.pools)


def pool_of(spec: ClusterSpec, name: str) -> NodePool:
    """The pool called `name`; raises NotFoundError."""
    for pool in spec.pools:
        if pool.name == name:
            return pool
    raise NotFoundError(
        f"cluster {spec.name} has no pool {name}; there are: {', '.join(names(spec)) or 'none'}",
        fix=f"clouder k8s nodepools {spec.name}, or make it: clouder k8s create-nodepool {spec.name} {name}",
    )


def rows(spec: ClusterSpec, hosts: Sequence[Mapping[str, Any]]) -> list[PoolRow]:
    """The pools of a spec, in its order, and how many of `hosts` are theirs."""
    return [
        PoolRow(machines=sum(host["pool"] == pool.name for host in hosts), **pool.model_dump())
        for pool in spec.pools
    ]


def shown(value: Any) -> str:
    """A field of a pool as text: as on the command line, and `none` for nothing."""
    if isinstance(value, dict):
        value = [f"{key}={text}" for key, text in value.items()]
    text = ",".join(value) if isinstance(value, (list, tuple)) else str(value)
    return text or "none"


def changes(before: NodePool | None, after: NodePool) -> list[tuple[str, str, str]]:
    """The fields that change: name, text before (empty for a new pool), text afterwards."""
    old, new = _fields(before) if before else {}, _fields(after)
    return [
        (key, shown(old[key]) if old else "", shown(value))
        for key, value in new.items()
        if key != "name" and (value != old[key] if old else value not in ("", [], {}))
    ]


def _fields(pool: NodePool) -> dict[str, Any]:
    return pool.model_dump(mode="json", by_alias=True)


def _pools(spec: ClusterSpec) -> list[dict[str, Any]]:
    return [_fields(pool) for pool in spec.pools]


def _with(spec: ClusterSpec, pools: list[dict[str, Any]]) -> ClusterSpec:
    data = {**spec.model_dump(mode="json", by_alias=True), "pools": pools}
    return parse(data, source="the spec")
