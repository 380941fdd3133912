"""Workers join, get their labels and become Ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clouder.addons import external_cloud
from clouder.render import render
from clouder.step import Late, Step, Target
from clouder.steps.control_plane import ignored_preflight
from clouder.steps.select import leader, workers

if TYPE_CHECKING:
    from clouder.spec import Node


def _join_values(target: Target) -> dict[str, str]:
    return {"NODE": target.host.name}


def _join_files(target: Target, late: Late) -> dict[str, bytes]:
    config = render(
        "kubeadm/join.yaml.j2",
        node=target.host.name,
        address=target.host.private_ip,
        external_cloud=external_cloud(target.cluster.spec),
        provider_id=target.host.provider_id,
        endpoint=target.cluster.endpoint,
        token=late.output("token", "token"),
        ca_hash=late.output("token", "ca-hash"),
    )
    return {"join.yaml": config.encode(), "preflight": ignored_preflight(dict(target.facts)).encode()}


def _labels(node: Node) -> dict[str, str]:
    role = {"node-role.kubernetes.io/worker": ""} if node.role == "node" else {}
    return {"clouder.dev/pool": node.pool, **role, **node.labels}


def _label_values(target: Target) -> dict[str, str]:
    lines = [
        " ".join([node.name, *(f"{key}={value}" for key, value in sorted(_labels(node).items()))])
        for node in target.cluster.spec.nodes()
    ]
    return {"LABELS": "\n".join(lines)}


def _names(target: Target) -> dict[str, str]:
    return {"NODES": " ".join(node.name for node in target.cluster.spec.nodes())}


def _expected(target: Target, late: Late) -> dict[str, bytes]:
    names = [node.name for node in target.cluster.spec.nodes() if node.name not in late.failed]
    return {"expected": "\n".join(names).encode()}


JOIN = Step(
    "join", "Join", on=workers, values=_join_values, late_files=_join_files, needs=("token",), once=True
)
LABEL_NODES = Step(
    "labels", "Label the nodes", on=leader, values=_label_values, late_files=_expected, after=("join",)
)
WAIT_READY = Step(
    "ready", "Wait until all nodes are Ready", on=leader, values=_names, late_files=_expected, after=("join",)
)
REMOVE_TOKENS = Step("tokens", "Remove join tokens", on=leader, after=("join",))
