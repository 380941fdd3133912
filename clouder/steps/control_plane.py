"""The control plane: kubeadm init, what it needs at once, and the kubeconfig."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from clouder.addons import NETWORKS, external_cloud
from clouder.render import asset, render
from clouder.step import Late, Step, Target, Todo
from clouder.steps.select import leader

if TYPE_CHECKING:
    from clouder.cluster import Cluster


def somebody_joins(todo: Todo) -> bool:
    """Whether a machine is still to become a node."""
    return bool(todo.hosts("join"))


def ignored_preflight(facts: dict[str, str]) -> str:
    """The kubeadm checks that cannot pass on a node that is a container or has cgroup v1."""
    return "SystemVerification,Swap" if facts["container"] == "yes" or facts["cgroup"] == "v1" else "none"


def _init_files(target: Target) -> dict[str, bytes]:
    cluster, facts = target.cluster, target.facts
    config = render(
        "kubeadm/init.yaml.j2",
        cluster=cluster.name,
        node=target.host.name,
        address=target.host.private_ip,
        external_cloud=external_cloud(target.cluster.spec),
        provider_id=target.host.provider_id,
        endpoint=cluster.endpoint,
        names=sorted({address.rpartition(":")[0] for address in (cluster.endpoint, cluster.access)}),
        kubernetes_version=cluster.spec.kubernetes_version,
        pod_cidr=cluster.spec.network.pod_cidr,
        service_cidr=cluster.spec.network.service_cidr,
        schedulable=not any(node.role == "node" for node in cluster.spec.nodes()),
        cgroup_v1=facts["cgroup"] == "v1",
        in_container=facts["container"] == "yes",
    )
    return {"init.yaml": config.encode(), "preflight": ignored_preflight(dict(facts)).encode()}


def _rbac_files(_: Target) -> dict[str, bytes]:
    return {"rbac.yaml": asset("templates/node/rbac.yaml").read_bytes()}


def _flannel_files(target: Target) -> dict[str, bytes]:
    return {"flannel.yaml": NETWORKS["flannel"].manifest(target.cluster)}


def _fetched(target: Target) -> dict[str, str]:
    path = target.cluster.workspace.admin_conf
    return {"FETCHED": hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "-"}


def _save_kubeconfig(cluster: Cluster, name: str, text: str) -> None:
    assert name == "admin.conf"
    cluster.workspace.save_kubeconfig(text, cluster.access)


def _token_files(_: Target, late: Late) -> dict[str, bytes]:
    return {"joining": "\n".join(late.todo.hosts("join")).encode()}


INIT = Step("init", "Initialise the control plane", on=leader, files=_init_files, once=True)
ALLOW_CHECKPOINT = Step("rbac", "Allow checkpoints", on=leader, files=_rbac_files)
CREATE_TOKEN = Step("token", "Make a join token", on=leader, late_files=_token_files, when=somebody_joins)
FETCH_KUBECONFIG = Step(
    "kubeconfig", "Fetch the kubeconfig", on=leader, values=_fetched, receive=_save_kubeconfig, once=True
)
INSTALL_FLANNEL = Step("flannel", "Install Flannel", on=leader, files=_flannel_files)
