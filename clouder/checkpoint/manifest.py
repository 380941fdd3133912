"""The manifest of a checkpoint: what was frozen, where, and what a node needs to bring it back."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from typing import Any

from clouder.errors import ClouderError

API_VERSION = "clouder.dev/v1alpha1"
KIND = "Checkpoint"


@dataclass(frozen=True)
class Machine:
    """The node a checkpoint was made on, as far as a restore depends on it."""

    kernel: str
    architecture: str  # as Go and OCI say it: amd64, arm64
    cpu_model: str
    cpu_flags: tuple[str, ...]
    cgroup: str  # v1 or v2
    criu: str
    runc: str
    containerd: str
    kubelet: str


@dataclass(frozen=True)
class Checkpoint:
    """One frozen container; `source` holds metadata and spec of its pod as the API server gave them."""

    id: str
    cluster: str
    created: str  # UTC, RFC 3339
    namespace: str
    pod: str
    uid: str
    container: str
    node: str
    image: str  # the name the pod used
    image_ref: str  # the name containerd keeps it under: repository@digest, or the digest alone
    command: tuple[str, ...]  # the process as it was started, from the archive
    user: str  # uid:gid of that process
    machine: Machine
    size: int  # bytes of the archive
    sha256: str
    source: dict[str, Any]


def to_json(checkpoint: Checkpoint) -> str:
    """The manifest file."""
    return json.dumps({"apiVersion": API_VERSION, "kind": KIND, **_pack(checkpoint)}, indent=2) + "\n"


def from_json(text: str | bytes, *, where: str, fix: str = "") -> Checkpoint:
    """The checkpoint in a manifest file; raises ClouderError naming the field that is wrong."""
    try:
        data = json.loads(text)
        if not isinstance(data, dict) or data.get("kind") != KIND:
            raise ValueError("it is no checkpoint manifest")
        if data.get("apiVersion") != API_VERSION:
            raise ValueError(
                f"its apiVersion is {data.get('apiVersion')!r}, this version reads {API_VERSION}"
            )
        machine = _unpack(Machine, data.get("machine"))
        return Checkpoint(**{**_values(Checkpoint, data), "machine": Machine(**machine)})
    except ValueError as error:
        raise ClouderError(f"{where} is damaged: {error}", fix=fix) from error


def _pack(record: Machine | Checkpoint) -> dict[str, Any]:
    packed = {}
    for item in fields(record):
        value = getattr(record, item.name)
        packed[_camel(item.name)] = _pack(value) if isinstance(value, Machine) else value
    return packed


def _unpack(kind: type[Machine], data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ValueError("machine is missing")
    return _values(kind, data)


def _values(kind: type[Machine] | type[Checkpoint], data: dict[str, Any]) -> dict[str, Any]:
    return {item.name: _value(_camel(item.name), str(item.type), data) for item in fields(kind)}


def _value(key: str, kind: str, data: dict[str, Any]) -> Any:
    value = data.get(key)
    if kind == "str" and isinstance(value, str):
        return value
    if kind == "int" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind in ("Machine", "dict[str, Any]") and isinstance(value, dict):
        return value
    if kind.startswith("tuple") and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ValueError(f"{key} is missing or has the wrong type")


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found.group(1).upper(), name)
