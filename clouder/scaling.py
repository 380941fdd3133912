"""Changing a pool of a cluster that runs: first the spec, then the work that follows from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clouder import pools
from clouder.cluster import Cluster, check, open_cluster
from clouder.errors import NotFoundError, SpecError
from clouder.running import running
from clouder.steps.leaving import leaving, who_blocks

if TYPE_CHECKING:
    from clouder.pools import Edit, PoolRow
    from clouder.preview import Preview
    from clouder.spec import ClusterSpec, NodePool
    from clouder.step import Reporter
    from clouder.steps.leaving import Patience


@dataclass(frozen=True)
class Scaling:
    """What an edit comes to: the pool before and after, machines that are made and that go, notes."""

    edit: Edit
    spec: ClusterSpec
    before: NodePool | None
    after: NodePool
    joins: tuple[str, ...]
    leaves: tuple[str, ...]
    notes: tuple[str, ...]


def plan_nodepool(edit: Edit) -> Scaling:
    """What the edit would do, from files alone; raises SpecError, NotFoundError, AccessError."""
    cluster = open_cluster(edit.cluster)
    wanted = _wanted(cluster, edit)
    there = {host["name"] for host in wanted.outputs.hosts} if wanted.outputs else set()
    return Scaling(
        edit,
        wanted.spec,
        next((pool for pool in cluster.spec.pools if pool.name == edit.pool), None),
        pools.pool_of(wanted.spec, edit.pool),
        tuple(node.name for node in wanted.spec.nodes() if node.name not in there),
        tuple(host.name for host in leaving(wanted)),
        wanted.provider.notes(wanted.spec),
    )


def preview_nodepool(scaling: Scaling) -> Preview:
    """What it would do, after asking Terraform and the machines; changes nothing."""
    from clouder import preview
    from clouder.workflows import APPLY

    return preview.plan(scaling.spec, APPLY)


def change_nodepool(edit: Edit, *, patience: Patience, report: Reporter) -> Cluster:
    """Makes, changes or removes a pool; the same call again goes on where the last one stopped.

    Nodes that leave are emptied first; raises RemoteError naming the pods that stand in the way, and destroys
    nothing then.
    """
    from clouder import engine
    from clouder.workflows import apply

    workspace = _wanted(open_cluster(edit.cluster), edit).workspace
    with running(workspace, edit.command, report, arguments=f"{edit.cluster} {edit.pool}") as (log, tell):
        cluster = _wanted(open_cluster(edit.cluster), edit)  # alone now: no other run changes the spec
        workspace.save_spec(cluster.spec)
        with who_blocks(cluster):
            cluster = engine.run(cluster, apply(patience), report=tell, log=log)
        if edit.verb == "delete":
            cluster = replace(cluster, spec=pools.without(cluster.spec, edit.pool))
            workspace.save_spec(cluster.spec)
        return cluster


def nodepools(name: str) -> list[PoolRow]:
    """The pools of a cluster; reads files only."""
    cluster = open_cluster(name)
    return pools.rows(cluster.spec, cluster.outputs.hosts if cluster.outputs else ())


def _wanted(cluster: Cluster, edit: Edit) -> Cluster:
    """The cluster with the spec after the edit, when it can be carried out."""
    if not cluster.workspace.kubeconfig.exists():
        raise NotFoundError(
            f"cluster {cluster.name} has no Kubernetes yet", fix=f"clouder k8s create {cluster.name}"
        )
    if cluster.provider.keeps_machines:
        _refuse_given_machines(cluster, edit)
    spec = pools.edited(cluster.spec, edit)
    check(spec).check_access(spec)
    return replace(cluster, spec=spec)


def _refuse_given_machines(cluster: Cluster, edit: Edit) -> None:
    """Where the spec names the machines, a pool is as large as their names say."""
    if edit.verb == "update":
        desired = edit.values.get("desired")
        if desired in {None, pools.pool_of(cluster.spec, edit.pool).desired}:
            return
    name = cluster.name
    raise SpecError(
        f"the machines of {name} are named in its spec, and its pools are as large as these names say; "
        "this version cannot change the machines of a cluster that exists",
        fix=f"clouder k8s delete {name}, which keeps the machines, and create it again with the --host "
        "options it is to have",
    )
