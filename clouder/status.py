"""What is known of a cluster: from its files, its machines over SSH, and its API over the leader."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clouder.errors import ClouderError
from clouder.inventory import natural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clouder.cluster import Cluster
    from clouder.connection import Connection
    from clouder.inventory import Host
    from clouder.workspace import Workspace

REACH_SECONDS = 3.0
KUBECTL_SECONDS = 5
ASK_NODES = """kubectl --kubeconfig /etc/kubernetes/admin.conf get nodes --request-timeout={seconds}s -o \
jsonpath='{{range .items[*]}}{{"node "}}{{.metadata.name}}{{" "}}{{.status.nodeInfo.kubeletVersion}}{{" "}}\
{{.status.conditions[?(@.type=="Ready")].status}}{{"\\n"}}{{end}}'
"""


@dataclass(frozen=True)
class Machine:
    """One machine; `node` is Ready, NotReady, or empty where Kubernetes knows it not or cannot be asked."""

    name: str
    role: str
    address: str  # user@host:port
    reachable: bool
    node: str
    version: str
    problem: str


@dataclass(frozen=True)
class Status:
    """A cluster and its machines; `problems` is empty when it is healthy, `fix` is what to type next."""

    name: str
    provider: str
    kubernetes_version: str
    state: str
    healthy: bool
    machines: tuple[Machine, ...]
    problems: tuple[str, ...]
    fix: str


@dataclass(frozen=True)
class Row:
    """A cluster as its files tell: `nodes` is how many machines the spec asks for."""

    name: str
    provider: str
    kubernetes_version: str
    nodes: int
    state: str


def row(cluster: Cluster) -> Row:
    """One line of the list of clusters; reads files only."""
    spec = cluster.spec
    return Row(spec.name, spec.provider, spec.kubernetes_version, len(spec.nodes()), state(cluster.workspace))


def broken_row(name: str, error: ClouderError) -> Row:
    """The line of a cluster whose files cannot be read."""
    return Row(name, "", "", 0, f"damaged: {error.message.splitlines()[0]}")


def state(workspace: Workspace) -> str:
    """How far the cluster got (new, machines, created), and what stopped the last run, if something did."""
    reached = "new"
    if (workspace.path / "outputs.json").exists():
        reached = "machines"
    if workspace.kubeconfig.exists():
        reached = "created"
    last = _last_run(workspace)
    event, command = last.get("event", ""), last.get("command", "")
    begun = "running" if _is_running(workspace) else "killed"
    words = {"begin": begun, "interrupted": "stopped", "failed": "failed"}
    return f"{reached} ({command} {words[event]})" if event in words else reached


def _is_running(workspace: Workspace) -> bool:
    """Whether the process that took the cluster's lock last is there; the lock itself must not be touched."""
    try:
        owner = json.loads((workspace.path / "lock").read_text())
        os.kill(owner["pid"], 0)
    except PermissionError:
        return True
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True


def _last_run(workspace: Workspace) -> Mapping[str, str]:
    """The last line of the journal that tells how a run went."""
    try:
        lines = (workspace.path / "journal.jsonl").read_text(errors="replace").splitlines()
    except OSError:
        return {}
    for line in reversed(lines):
        try:
            found = json.loads(line)
        except ValueError:  # torn by a kill
            continue
        if isinstance(found, dict) and str(found.get("command", "")).startswith(("k8s ", "kubeadm ")):
            return found
    return {}


def read(cluster: Cluster) -> Status:
    """The live state; asks all machines at once and gives up on each after a few seconds."""
    spec, name = cluster.spec, cluster.name
    machines, problems = _look(cluster) if cluster.outputs else ((), ["there are no machines"])
    found = {machine.name for machine in machines}
    wanted = {node.name for node in spec.nodes()}
    if machines:
        problems += [f"{node} was not made" for node in sorted(wanted - found, key=natural)]
        problems += [f"{node} is to leave and is still there" for node in sorted(found - wanted, key=natural)]
    return Status(
        name=name,
        provider=spec.provider,
        kubernetes_version=spec.kubernetes_version,
        state=state(cluster.workspace),
        healthy=not problems,
        machines=machines,
        problems=tuple(problems),
        fix=f"clouder k8s create {name} goes on; clouder k8s delete {name} removes it" if problems else "",
    )


def _look(cluster: Cluster) -> tuple[tuple[Machine, ...], list[str]]:
    hosts = cluster.inventory.hosts
    with ThreadPoolExecutor(max_workers=len(hosts)) as pool:
        found = list(pool.map(lambda host: _reach(cluster, host), hosts))
    connections = {host.name: connection for host, connection in zip(hosts, found, strict=True)}
    try:
        nodes, trouble = _ask(cluster, connections)
    finally:
        for connection in connections.values():
            if not isinstance(connection, ClouderError):
                connection.close()
    machines = tuple(_machine(host, connections[host.name], nodes) for host in hosts)
    return machines, [*trouble, *_problems(machines, known=not trouble)]


def _reach(cluster: Cluster, host: Host) -> Connection | ClouderError:
    from clouder.connection import Connection

    workspace = cluster.workspace
    try:
        connection = Connection(host, key_file=workspace.key_file, host_key=workspace.host_key(host.name))
        connection.open(deadline=REACH_SECONDS)
    except ClouderError as error:
        return error
    return connection


def _ask(
    cluster: Cluster, connections: Mapping[str, Connection | ClouderError]
) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Kubelet version and Ready, by node; and why there is no answer."""
    from clouder.bootstrap import Payload

    leader = cluster.inventory.leader
    connection = connections[leader.name]
    if isinstance(connection, ClouderError):
        return {}, []  # the machine itself is the problem
    if not cluster.workspace.kubeconfig.exists():
        return {}, ["Kubernetes is not set up"]
    lines: list[str] = []
    script = ASK_NODES.format(seconds=KUBECTL_SECONDS).encode()
    try:
        code = connection.run(Payload({"main.sh": script}), on_line=lines.append)
    except ClouderError as error:
        return {}, [error.message]
    if code:
        return {}, [f"the API server does not answer: {lines[-1] if lines else f'kubectl ended with {code}'}"]
    return dict(_nodes(lines)), []


def _nodes(lines: Iterable[str]) -> Iterable[tuple[str, tuple[str, str]]]:
    for line in lines:
        match line.split():
            case ["node", name, version, ready]:
                yield name, (version, "Ready" if ready == "True" else "NotReady")
            case ["node", name, version]:
                yield name, (version, "NotReady")


def _machine(
    host: Host, connection: Connection | ClouderError, nodes: Mapping[str, tuple[str, str]]
) -> Machine:
    version, node = nodes.get(host.name, ("", ""))
    problem = connection.message if isinstance(connection, ClouderError) else ""
    address = f"{host.ssh.user}@{host.ssh.host}:{host.ssh.port}"
    return Machine(host.name, host.role, address, not problem, node, version, problem)


def _problems(machines: Iterable[Machine], *, known: bool) -> list[str]:
    found = []
    for machine in machines:
        if machine.problem:
            found.append(machine.problem)
        elif known and machine.node != "Ready":
            found.append(f"node {machine.name} is {machine.node or 'not in the cluster'}")
    return found
