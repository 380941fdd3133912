"""Freezes a container of a running pod, and brings the archive home."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from clouder.checkpoint import archive, facts, library, names, reasons
from clouder.checkpoint.library import ARCHIVE
from clouder.checkpoint.manifest import Checkpoint
from clouder.checkpoint.rebuild import choose_container, source_of
from clouder.checkpoint.remote import Remote, progress
from clouder.errors import ClouderError, NotFoundError, RemoteError
from clouder.step import Event

if TYPE_CHECKING:
    from clouder.checkpoint.facts import NodeFacts
    from clouder.checkpoint.library import Library
    from clouder.checkpoint.remote import Answer
    from clouder.cluster import Cluster
    from clouder.inventory import Host
    from clouder.step import Reporter

TIMEOUT = 300  # seconds for the kubelet; memory of many GiB takes its time to write
ARCHIVE_PATH = re.compile(r"/(?:[A-Za-z0-9._-]+/)*checkpoints/checkpoint-[A-Za-z0-9._:+-]+\.tar\Z")


def create(
    cluster: Cluster, pod: str, *, namespace: str = "default", container: str | None = None, report: Reporter
) -> Checkpoint:
    """Freeze a container of a running pod, which goes on running; raises ClouderError with CRIU's reason."""
    names.check(pod=pod, namespace=namespace, container=container)
    with Remote(cluster) as remote:
        with progress(report, cluster.inventory.leader.name, "inspect", f"Read pod {pod}"):
            subject = find(remote, pod, namespace, container)
        return freeze(remote, subject, library.of_cluster(cluster.name), report)


@dataclass(frozen=True)
class Subject:
    """A running container that can be frozen."""

    pod: dict[str, Any]  # as the API server has it
    container: str
    container_id: str
    host: Host

    @property
    def name(self) -> str:
        """The pod's name."""
        return str(self.pod["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The pod's namespace."""
        return str(self.pod["metadata"]["namespace"])


def find(remote: Remote, pod: str, namespace: str, container: str | None) -> Subject:
    """The container that is meant; raises NotFoundError, or ClouderError when it cannot be frozen."""
    answer = remote.ask(remote.cluster.inventory.leader, "pod", {"POD": pod, "NAMESPACE": namespace})
    if not answer.get("pod").strip():
        raise NotFoundError(
            f"there is no pod {pod} in namespace {namespace}", fix="kubectl get pods -A lists them"
        )
    found = json.loads(answer.get("pod"))
    name = choose_container(found, container)
    container_id = running_id(found, name)
    return Subject(found, name, container_id, remote.cluster.inventory.get(found["spec"]["nodeName"]))


def running_id(pod: dict[str, Any], container: str) -> str:
    """The id of the pod's container in the runtime; raises ClouderError when it is not running."""
    name, status = pod["metadata"]["name"], pod.get("status", {})
    if "deletionTimestamp" in pod["metadata"]:
        raise ClouderError(f"pod {name} is being deleted", fix="choose a pod that stays")
    if status.get("phase") != "Running":
        raise ClouderError(
            f"pod {name} is {status.get('phase', 'not started')}; only a Running pod has a process to freeze",
            fix=f"kubectl describe pod {name} -n {pod['metadata']['namespace']} says what it waits for",
        )
    for item in status.get("containerStatuses", []):
        if item["name"] == container and "running" in item.get("state", {}):
            return str(item["containerID"]).rpartition("/")[2]
    raise ClouderError(
        f"container {container} of pod {name} is not running",
        fix=f"kubectl describe pod {name} -n {pod['metadata']['namespace']} says why",
    )


def freeze(remote: Remote, subject: Subject, into: Library, report: Reporter) -> Checkpoint:
    """Checkpoint the subject through its kubelet, and keep archive and manifest in `into`."""
    host = subject.host.name
    with into.draft() as draft:
        with progress(report, host, "facts", "Read the node"):
            node = facts.read(remote, subject.host)
        with _Attempt(remote, subject, node, report) as attempt:
            with progress(report, host, "dump", f"Checkpoint {subject.name}/{subject.container}"):
                attempt.path = _dump(remote, subject, node)
            with progress(report, host, "fetch", "Fetch the archive"):
                remote.connection(subject.host).fetch(attempt.path, draft / ARCHIVE)
                content = archive.read(draft / ARCHIVE)
                attempt.finish(content.sha256)
        checkpoint = describe(remote.cluster, subject, node, content)
        into.keep(draft, checkpoint)
    return checkpoint


class _Attempt:
    """Leaves nothing on the node, whatever happens; `finish` also compares the sum of what was there."""

    def __init__(self, remote: Remote, subject: Subject, node: NodeFacts, report: Reporter) -> None:
        self.remote, self.subject, self.node, self.report = remote, subject, node, report
        self.path = ""
        self.done = False

    def __enter__(self) -> _Attempt:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.done:
            return
        try:
            if kind is not None and issubclass(kind, KeyboardInterrupt):
                # The request goes on without us: wait for its end, or its archive appears after our look.
                self.remote.ask(self.remote.cluster.inventory.leader, "settle")
            self._forget()
        except ClouderError as error:
            words = f"an archive may stay in /var/lib/kubelet/checkpoints: {error}"
            self.report(Event(self.subject.host.name, "undo", "Clean up", "note", note=words))

    def finish(self, sha256: str) -> None:
        """Remove the archive from the node; raises RemoteError when it is not what has arrived."""
        answer = self._forget()
        self.done = True
        if answer.get("sha256").strip() != sha256:
            raise RemoteError(f"the archive from {self.subject.host.name} arrived damaged", fix="run again")

    def _forget(self) -> Answer:
        values = {**_names(self.subject, self.node), "ARCHIVE": self.path}
        return self.remote.ask(self.subject.host, "forget", values)


def _names(subject: Subject, node: NodeFacts) -> dict[str, str]:
    return {
        "POD": subject.name,
        "NAMESPACE": subject.namespace,
        "CONTAINER": subject.container,
        "SINCE": node.since,
    }


def _dump(remote: Remote, subject: Subject, node: NodeFacts) -> str:
    """The path of the archive on the node."""
    address = subject.host.private_ip
    values = {
        **_names(subject, node),
        "NODE": subject.host.name,
        "ADDRESS": f"[{address}]" if ":" in address else address,
        "TIMEOUT": str(TIMEOUT),
    }
    leader = remote.cluster.inventory.leader
    answer = remote.ask(leader, "dump", values, {"certificate": node.certificate.encode()})
    if answer.get("status") == "200":
        return archive_path(answer.get("body"))
    log = ""
    if answer.get("status") == "500":
        uid = subject.pod["metadata"]["uid"]
        about = {**_names(subject, node), "ID": subject.container_id, "POD_UID": uid}
        log = remote.ask(subject.host, "reason", about).get("log")
    raise refusal(subject, answer, log)


def archive_path(body: str) -> str:
    """The path in the kubelet's answer; raises RemoteError when it is none of a checkpoint."""
    try:
        path = str(json.loads(body)["items"][0])
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise RemoteError("the kubelet's answer names no archive", details=body[:500]) from error
    if not ARCHIVE_PATH.match(path) or ".." in path.split("/"):
        raise RemoteError(f"the kubelet's answer names {path!r:.200}, which is no checkpoint archive")
    return path


REFUSALS = {
    "401": ("the kubelet does not accept the API server's certificate", ""),
    "403": (
        "the kubelet does not let the API server's certificate make checkpoints",
        "run clouder kubeadm setup; a kubelet forgets an old refusal within 30 s",
    ),
    "404": ("the kubelet has no such container, or its ContainerCheckpoint gate is off", ""),
    "405": ("the kubelet takes no checkpoints: its debugging handlers are off", ""),
    "000": ("the kubelet does not answer", ""),
}


def refusal(subject: Subject, answer: Answer, log: str) -> ClouderError:
    """The error for a checkpoint that was not made, with CRIU's own reason where there is one."""
    what = f"{subject.namespace}/{subject.name} was not checkpointed"
    reason = reasons.explain(log.splitlines())
    if reason:
        return RemoteError(f"{what}: CRIU says: {reason.words}", fix=reason.advice, details=log)
    words, fix = REFUSALS.get(answer.get("status"), (answer.get("body").strip(), ""))
    details = "\n".join(part for part in (answer.get("error").strip(), answer.get("body").strip()) if part)
    fix = fix or reasons.advice(details) or f"clouder criu doctor CLUSTER looks at {subject.host.name}"
    return RemoteError(f"{what}: {words or 'status ' + answer.get('status')}", fix=fix, details=details)


def describe(cluster: Cluster, subject: Subject, node: NodeFacts, content: archive.Archive) -> Checkpoint:
    """The manifest of a new checkpoint."""
    now = datetime.now(timezone.utc)
    return Checkpoint(
        id=library.new_id(subject.name, now),
        cluster=cluster.name,
        created=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        namespace=subject.namespace,
        pod=subject.name,
        uid=subject.pod["metadata"]["uid"],
        container=subject.container,
        node=subject.host.name,
        image=content.image,
        image_ref=content.image_ref,
        command=content.command,
        user=content.user,
        machine=node.machine,
        size=content.size,
        sha256=content.sha256,
        source=source_of(subject.pod),
    )
