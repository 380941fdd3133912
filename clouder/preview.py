"""What a create would do, said before it does anything: machines, and the steps of each host."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

from clouder import bundle as bundles
from clouder.addons import wanted
from clouder.cluster import Cluster, check
from clouder.connections import Connections
from clouder.runlog import RunLog
from clouder.step import Action, Check, Step, Todo
from clouder.steps.machines import RENDER
from clouder.store import private_dir
from clouder.survey import Failure, Survey, survey
from clouder.workspace import Outputs, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from clouder.inventory import Host
    from clouder.plan import Change
    from clouder.spec import ClusterSpec, Node
    from clouder.step import Event, Workflow

REACH_SECONDS = 5.0  # a machine that is off must not hold up a look at the plan
FIRST_ADDRESS = IPv4Address("198.18.0.0")  # set apart for tests by RFC 2544: no machine has it
LEFT_OUT = ("runs", "checkpoints", "process", "tmp", "lock", "plan")


@dataclass(frozen=True)
class HostPlan:
    """The titles of the steps that a host has before it, and of those that are done; `problem` when it was
    asked and gave no answer."""

    host: str
    todo: tuple[str, ...]
    done: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Preview:
    """What a workflow would do for a spec: `machines` is Terraform's plan, or None where it was not asked."""

    spec: ClusterSpec
    exists: bool
    here: tuple[str, ...]  # titles of what is done on this machine
    machines: tuple[Change, ...] | None
    hosts: tuple[HostPlan, ...]
    notes: tuple[str, ...]


def outline(spec: ClusterSpec, workflow: Workflow) -> Preview:
    """The whole way from nothing, from the spec alone: neither Terraform nor a machine is asked."""
    provider = check(spec)
    provider.check_access(spec)
    cluster = Cluster(spec, provider, Workspace(Path(spec.name)))
    return _preview(cluster, workflow, None, {}, exists=spec.name in Workspace.names())


def plan(spec: ClusterSpec, workflow: Workflow) -> Preview:
    """The same after asking Terraform and the machines that are there; nothing is changed.

    Works on a copy of the workspace, which is thrown away. Raises SpecError, AccessError, TerraformError.
    """
    provider = check(spec)
    provider.check_access(spec)
    with _copy(spec) as workspace:
        cluster = RENDER.run(Cluster(spec, provider, workspace, workspace.outputs()), _ignore)
        changes = workspace.plan()
        workspace.check(changes)
        asked = _ask(cluster, workflow) if cluster.outputs and _bundle(spec) else {}
        found = _preview(cluster, workflow, changes.changes, asked, exists=spec.name in Workspace.names())
        stopped = tuple(f"{name} is stopped; it will be started" for name in changes.starts)
        return replace(found, notes=(*found.notes, *stopped))


@contextmanager
def _copy(spec: ClusterSpec) -> Iterator[Workspace]:
    """A workspace as it is now, outside of the home; keys are in it, so it is 0700 and goes at the end."""
    with tempfile.TemporaryDirectory(prefix="clouder-plan-") as folder:
        path = Path(folder) / "clusters" / spec.name
        if spec.name in Workspace.names():
            ignored = shutil.ignore_patterns(*LEFT_OUT)
            shutil.copytree(Workspace.open(spec.name).path, path, symlinks=True, ignore=ignored)
        workspace = Workspace(private_dir(path))
        workspace.save_spec(spec)
        yield workspace


def _preview(
    cluster: Cluster,
    workflow: Workflow,
    machines: tuple[Change, ...] | None,
    asked: Mapping[str, Survey | Failure],
    *,
    exists: bool,
) -> Preview:
    steps = tuple(part for part in workflow.parts if isinstance(part, Step))
    complete = _with_all_machines(cluster)
    todo = {
        host.name: _todo(complete, host, steps, asked.get(host.name)) for host in complete.inventory.hosts
    }
    known = Todo({name: frozenset(names) for name, names in todo.items()})
    plans = tuple(
        _host(complete, host, steps, known, asked.get(host.name)) for host in complete.inventory.hosts
    )
    here = tuple(part.title for part in workflow.parts if isinstance(part, (Action, Check)))
    return Preview(cluster.spec, exists, here, machines, plans, _notes(cluster))


def _todo(cluster: Cluster, host: Host, steps: Sequence[Step], answer: Survey | Failure | None) -> list[str]:
    mine = [step for step in steps if step.when is None and host in step.on(cluster)]
    done = answer.done if isinstance(answer, Survey) else ()
    return [step.name for step in mine if step not in done]


def _host(
    cluster: Cluster, host: Host, steps: Sequence[Step], known: Todo, answer: Survey | Failure | None
) -> HostPlan:
    def wanted(step: Step) -> bool:
        if step.when is None and step.name in known.steps[host.name]:
            return True
        holds = step.anew(known) if step.when is None else step.when(known)
        return holds and host in step.on(cluster)

    answered = answer.done if isinstance(answer, Survey) else ()
    done = tuple(step.title for step in answered if not wanted(step))
    problem = answer.error.message if isinstance(answer, Failure) else ""
    return HostPlan(host.name, tuple(step.title for step in steps if wanted(step)), done, problem)


def _with_all_machines(cluster: Cluster) -> Cluster:
    """The cluster with a made-up address for each machine that is not there yet, so that steps can choose.

    Machines that leave are there still.
    """
    there = {host["name"]: host for host in cluster.outputs.hosts} if cluster.outputs else {}
    hosts = [
        there.pop(node.name) if node.name in there else _made_up(node, str(FIRST_ADDRESS + number))
        for number, node in enumerate(cluster.spec.nodes(), start=1)
    ]
    hosts += there.values()
    return cluster.with_outputs(Outputs(tuple(hosts), f"{FIRST_ADDRESS}:6443", f"{FIRST_ADDRESS}:6443", {}))


def _made_up(node: Node, address: str) -> dict[str, Any]:
    ssh = {"host": address, "port": 22, "user": "root"}
    return {"name": node.name, "role": node.role, "pool": node.pool, "ssh": ssh, "private_ip": address}


def _ask(cluster: Cluster, workflow: Workflow) -> dict[str, Survey | Failure]:
    """What each machine that is there says of its steps."""
    steps = [part for part in workflow.parts if isinstance(part, Step)]
    log = RunLog(cluster.workspace.path / "runs" / "plan")
    with Connections(cluster, patience=REACH_SECONDS) as connections:
        surveys, failures = survey(cluster, steps, connections, _ignore, log)
    return {**{item.target.host.name: item for item in surveys}, **{item.host: item for item in failures}}


def _notes(cluster: Cluster) -> tuple[str, ...]:
    spec = cluster.spec
    built = [addon.name for addon in wanted(spec) if not addon.prepared()]
    told = cluster.provider.notes(spec)
    told += tuple(f"what {name} needs is not there yet; it will be built first" for name in built)
    if _bundle(spec):
        return told
    return (*told, f"there is no bundle for Kubernetes {spec.kubernetes_version} yet; it will be built first")


def _bundle(spec: ClusterSpec) -> bool:
    return bundles.find(spec.kubernetes_version) is not None


def _ignore(_: Event) -> None:
    """A plan has no progress to tell."""
