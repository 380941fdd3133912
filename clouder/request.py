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
    from collections.abc import Callable, Mapping, Sequence

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
    "addon": ("addons",),
    "control_plane_size": ("controlPlane", "size"),
    "pod_cidr": ("network", "podCidr"),
    "service_cidr": ("network", "serviceCidr"),
    "allowed_cidr": ("allowedCidrs",),
    "host": ("hosts",),
    "endpoint": ("controlPlane", "endpoint"),
    "ssh_user": ("ssh", "user"),
    "ssh_key": ("ssh", "keyFile"),
    "ssh_known_hosts": ("ssh", "hostKeys"),
    "ssh_trust_on_first_use": ("ssh", "trustOnFirstUse"),
    "bastion": ("ssh", "bastion"),
}
POOL_PLACES = {"workers": "desired", "worker_size": "size"}
FLAGS = {"workers": "--worker-count", "worker_size": "--worker-size"}


def resolve(
    name: str | None, flags: Mapping[str, Any], *, file: str | None = None, workers: int = WORKERS
) -> ClusterSpec:
    """The spec that is asked for; flags that are None change nothing. Raises SpecError, UsageError.

    A flag is laid over the file, over the stored spec where the cluster exists, else over the defaults.
    """
    given = {
        flag: FORMS.get(flag, _as_it_is)(value)
        for flag, value in flags.items()
        if _says_something(flag, value)
    }
    data = _from_file(file, name) if file else _from_name(name, workers)
    if "host" in given:
        _forget_sizes(data)
    for flag, value in given.items():
        if flag in PLACES:
            _put(data, PLACES[flag], value)
        else:
            _pool(data, FLAGS[flag])[POOL_PLACES[flag]] = value
    return parse(data, source="the spec" if not file else "standard input" if file == "-" else file)


def _says_something(flag: str, value: Any) -> bool:
    """A flag that can be given many times, or that has no opposite, is empty where it is not given."""
    return bool(value) if flag in {"host", "addon", "ssh_trust_on_first_use"} else value is not None


def _as_it_is(value: Any) -> Any:
    return value


def _hosts(items: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in items:
        name, equals, address = item.partition("=")
        if not equals or name in found:
            problem = f"{name} is there twice" if equals else f"{item} has no address"
            raise UsageError(f"--host: {problem}", fix="--host master=10.0.0.1 --host node-1=10.0.0.2")
        found[name] = address
    return found


def _absolute(path: str) -> str:
    """As it will be found from any directory later."""
    return str(Path(path).expanduser().absolute())


# What the text of a flag stands for, where it is not the value itself.
FORMS: dict[str, Callable[[Any], Any]] = {
    "allowed_cidr": lambda text: text.split(","),
    "addon": list,
    "host": _hosts,
    "ssh_key": _absolute,
    "ssh_known_hosts": _absolute,
}


def _forget_sizes(data: dict[str, Any]) -> None:
    """The names of given machines say how large the pools are."""
    pools = data.get("pools")
    for pool in pools if isinstance(pools, list) else []:
        if isinstance(pool, dict):
            pool.pop("desired", None)


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
