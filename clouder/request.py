"""From flags, a file, the stored spec and the current context to one resolved spec."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clouder import contexts
from clouder.errors import SpecError, UsageError
from clouder.spec import MAX_BYTES, load_yaml, parse
from clouder.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clouder.spec import ClusterSpec

WORKERS = 2  # of k8s create
MACHINE_WORKERS = 3  # of kubeadm vm-create
POOL = "workers"

# Where the value of each flag stands in cluster.yaml; those of the worker pool are set apart below.
PLACES = {
    "provider": ("provider",),
    "region": ("region",),
    "kubernetes_version": ("kubernetesVersion",),
    "cni": ("network", "cni"),
    "criu": ("criu",),
    "control_plane_size": ("controlPlane", "size"),
    "pod_cidr": ("network", "podCidr"),
    "service_cidr": ("network", "serviceCidr"),
    "allowed_cidr": ("allowedCidrs",),
}
POOL_PLACES = {"workers": "desired", "worker_size": "size"}
FLAGS = {"workers": "--worker-count", "worker_size": "--worker-size"}


def resolve(
    name: str | None, flags: Mapping[str, Any], *, file: str | None = None, workers: int = WORKERS
) -> ClusterSpec:
    """The spec that is asked for; flags that are None change nothing. Raises SpecError, UsageError.

    A flag is laid over the file, over the stored spec where the cluster exists, else over the defaults.
    """
    given = {flag: value for flag, value in flags.items() if value is not None}
    if "allowed_cidr" in given:
        given["allowed_cidr"] = given["allowed_cidr"].split(",")
    data = _from_file(file, name) if file else _from_name(name, workers)
    for flag, value in given.items():
        if flag in PLACES:
            _put(data, PLACES[flag], value)
        else:
            _pool(data, FLAGS[flag])[POOL_PLACES[flag]] = value
    return parse(data, source="the spec" if not file else "standard input" if file == "-" else file)


def exists(name: str | None) -> bool:
    """Whether there is a cluster of that name."""
    return name in Workspace.names()


def _from_name(name: str | None, workers: int) -> dict[str, Any]:
    if not name:
        raise UsageError("the name of the cluster is missing", fix="give it as NAME, or a spec with -f FILE")
    if exists(name):
        return Workspace.open(name).spec().model_dump(mode="json", by_alias=True)
    return {"name": name, "provider": contexts.provider(), "pools": [{"name": POOL, "desired": workers}]}


def _from_file(file: str, name: str | None) -> dict[str, Any]:
    data = load_yaml(_read(file), source="standard input" if file == "-" else file)
    stated = data.setdefault("name", name)
    if name and stated != name:
        raise UsageError(
            f"the name is {name}, but {file} says {stated}", fix="leave NAME out, or change the file"
        )
    data.setdefault("provider", contexts.provider())
    return data


def _read(file: str) -> bytes:
    """At most one byte more than a spec may have, so that a device cannot fill the memory."""
    try:
        if file == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with Path(file).open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise SpecError(
            f"cannot read {file}: {error.strerror}", fix="give a cluster.yaml that exists"
        ) from error


def _put(data: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    for key in place[:-1]:
        data = data.setdefault(key, {})
        if not isinstance(data, dict):
            return  # parse says what is wrong with it
    data[place[-1]] = value


def _pool(data: dict[str, Any], flag: str) -> dict[str, Any]:
    pools = data.setdefault("pools", [{"name": POOL}])
    for pool in pools if isinstance(pools, list) else []:
        if isinstance(pool, dict) and pool.get("name", POOL) == POOL:
            return pool
    raise UsageError(
        f"{flag} is for the pool `{POOL}`, which the spec does not have", fix="change the file instead"
    )
