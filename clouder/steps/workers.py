"""Workers join, get their labels and taints, and become Ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clouder.addons import external_cloud
from clouder.marks import split_taint
from clouder.render import render
from clouder.step import Late, Step, Target
from clouder.steps.control_plane import ignored_preflight, somebody_joins
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
        # From the first moment on: by the time a node is labelled, a pod that must not be on it might be.
        taints=[split_taint(taint) for taint in target.cluster.node(target.host).taints],
    )
    return {"join.yaml": config.encode(), "preflight": ignored_preflight(dict(target.facts)).encode()}


def _marks(node: Node) -> list[str]:
    """Labels as key=value, taints as key=value:Effect."""
    role = {"node-role.kubernetes.io/worker": ""} if node.role == "node" else {}
    labels = {"clouder.dev/pool": node.pool, **role, **node.labels}
    return sorted([*(f"{key}={value}" for key, value in labels.items()), *node.taints])


def _mark_values(target: Target) -> dict[str, str]:
    lines = [f"{node.name} {mark}" for node in target.cluster.spec.nodes() for mark in _marks(node)]
    return {"WANTED": "\n".join(lines)}


def _names(target: Target) -> dict[str, str]:
    return {"NODES": " ".join(node.name for node in target.cluster.spec.nodes())}


def _expected(target: Target, late: Late) -> dict[str, bytes]:
    names = [node.name for node in target.cluster.spec.nodes() if node.name not in late.failed]
    return {"expected": "\n".join(names).encode()}


JOIN = Step(
    "join", "Join", on=workers, values=_join_values, late_files=_join_files, needs=("token",), once=True
)
LABEL_NODES = Step(
    "labels", "Label the nodes", on=leader, values=_mark_values, late_files=_expected, after=("join",)
)
WAIT_READY = Step(
    "ready", "Wait until all nodes are Ready", on=leader, values=_names, late_files=_expected, after=("join",)
)
# Before the run there may be no token, and in the middle of it one that was made for those that join.
REMOVE_TOKENS = Step("tokens", "Remove join tokens", on=leader, after=("join",), anew=somebody_joins)
