"""Brings a checkpoint back as a new pod on a node that can."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clouder.checkpoint import facts, image, library, names, reasons
from clouder.checkpoint.choice import Candidate, choose
from clouder.checkpoint.rebuild import losses, restored_pod
from clouder.checkpoint.remote import Answer, Remote, in_parallel, progress
from clouder.errors import ClouderError, NotReadyError
from clouder.step import Event

if TYPE_CHECKING:
    from clouder.checkpoint.library import Library
    from clouder.checkpoint.manifest import Checkpoint
    from clouder.cluster import Cluster
    from clouder.inventory import Host
    from clouder.step import Reporter

NO_LOG = "CRIU's reason is told when /etc/criu/runc.conf of the node has the line: log-file /var/log/criu.log"
READY_SECONDS = 120
FOLLOW_SECONDS = 20
NOTHING = Answer(0, {}, "")
STAGING = "/var/lib/clouder/restore"


@dataclass(frozen=True)
class Restored:
    """The pod that runs now, and the seconds from the call to Ready."""

    pod: str
    namespace: str
    node: str
    seconds: float


def restore(
    cluster: Cluster,
    checkpoint_id: str,
    *,
    node: str | None = None,
    name: str | None = None,
    report: Reporter,
) -> Restored:
    """Start a pod from a checkpoint; raises ClouderError with the reason, and leaves nothing then."""
    started = time.monotonic()
    shelf, found_id = library.find(checkpoint_id)
    checkpoint = shelf.load(found_id)
    shelf.verify(checkpoint)
    pod = name if name is not None else names.of_copy(checkpoint.pod)
    names.check(pod=pod)
    with Remote(cluster) as remote:
        with progress(report, "", "choose", "Choose a node"):
            target = _target(remote, checkpoint, pod, node)
        for loss in losses(checkpoint):
            report(Event(target.name, "choose", "Choose a node", "note", note=loss))
        with _Attempt(remote, shelf, checkpoint, pod, target, report) as attempt:
            with progress(report, target.name, "stage", "Bring the image to the node"):
                stage(remote, shelf, checkpoint, target)
            with progress(report, target.name, "start", f"Restore {pod}"):
                answer = _start(remote, checkpoint, pod, target)
                if answer.get("state") != "ready":
                    raise why_not_ready(pod, answer, attempt.undo(answer))
    return Restored(pod, checkpoint.namespace, target.name, time.monotonic() - started)


def _target(remote: Remote, checkpoint: Checkpoint, pod: str, wanted: str | None) -> Host:
    """The host to restore on; raises ClouderError when the pod's name is taken or no node can."""
    inventory = remote.cluster.inventory
    hosts = (inventory.get(wanted),) if wanted else inventory.hosts

    def look(host: Host | None) -> facts.NodeFacts | ClouderError | Answer:
        if host is None:
            values = {"POD": pod, "NAMESPACE": checkpoint.namespace}
            return remote.ask(inventory.leader, "survey", values)
        try:
            return facts.read(remote, host, image_ref=checkpoint.image_ref)
        except ClouderError as error:
            return error

    survey, *found = in_parallel(look, [None, *hosts])
    assert not isinstance(survey, (facts.NodeFacts, ClouderError))
    if survey.get("taken").strip():
        raise ClouderError(
            f"there is a pod {pod} in namespace {checkpoint.namespace} already",
            fix=f"choose another name: --name {pod}-2",
        )
    nodes = {item["metadata"]["name"]: item for item in json.loads(survey.get("nodes"))["items"]}
    candidates = [
        Candidate(host.name, nodes.get(host.name, {}), facts=seen)
        if isinstance(seen, facts.NodeFacts)
        else Candidate(host.name, {}, facts=None, silent=str(seen))
        for host, seen in zip(hosts, found, strict=True)
    ]
    return inventory.get(choose(checkpoint, candidates, wanted).name)


@dataclass
class _Attempt:
    """What a restore puts into the cluster, and takes out again when its block fails."""

    remote: Remote
    shelf: Library
    checkpoint: Checkpoint
    pod: str
    target: Host
    report: Reporter
    over: bool = False

    def __enter__(self) -> _Attempt:
        self.before = set(self.shelf.places(self.checkpoint.id))
        self.shelf.set_places(self.checkpoint.id, {*self.before, self.target.name})
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind and not self.over:
            self.undo()

    def undo(self, answer: Answer = NOTHING) -> str:
        """Remove pod and image; what CRIU wrote about the pod in `answer`. What stays is only reported."""
        self.over = True
        try:
            return self._undo(uid_of(self.pod, answer))
        except ClouderError as error:
            words = f"something may stay of {self.pod}: {error}"
            self.report(Event(self.target.name, "undo", "Clean up", "note", note=words))
            return ""

    def _undo(self, uid: str) -> str:
        about = {"POD": self.pod, "NAMESPACE": self.checkpoint.namespace, "ID": self.checkpoint.id}
        self.remote.ask(self.remote.cluster.inventory.leader, "discard", about)
        # An earlier restore of the same checkpoint on this node may still live from the image.
        kept = self.target.name in self.before
        log = unstage(self.remote, self.checkpoint, self.target, keep_image=kept, uid=uid)
        self.shelf.set_places(self.checkpoint.id, self.before)
        return log


def uid_of(pod: str, answer: Answer) -> str:
    """The uid of the pod in an answer of start.sh, "" when there is none."""
    return str(json.loads(answer.get(f"pod-{pod}") or "{}").get("metadata", {}).get("uid", ""))


def stage(remote: Remote, shelf: Library, checkpoint: Checkpoint, target: Host) -> None:
    """Import the checkpoint's image, which was verified, on a node."""
    with shelf.draft() as directory:
        image.write(checkpoint, shelf.archive(checkpoint), directory / "image.tar").chmod(0o600)
        remote.connection(target).put_tree(directory, _staging(checkpoint))
    remote.ask(target, "stage", {"DIRECTORY": _staging(checkpoint), "IMAGE": image.name(checkpoint)})


def unstage(
    remote: Remote, checkpoint: Checkpoint, target: Host, *, keep_image: bool = False, uid: str = ""
) -> str:
    """Remove from a node what `stage` put there; what CRIU has logged about the pod with that uid."""
    name = "" if keep_image else image.name(checkpoint)
    values = {"DIRECTORY": _staging(checkpoint), "IMAGE": name, "POD_UID": uid}
    return remote.ask(target, "unstage", values).get("log")


def _staging(checkpoint: Checkpoint) -> str:
    return f"{STAGING}/{checkpoint.id}"


def _start(remote: Remote, checkpoint: Checkpoint, pod: str, target: Host) -> Answer:
    """Make the pod and follow it; no single run is long, so that an undo never waits for one."""
    leader = remote.cluster.inventory.leader
    values = {
        "POD": pod,
        "NAMESPACE": checkpoint.namespace,
        "CONTAINER": checkpoint.container,
        "TIMEOUT": str(FOLLOW_SECONDS),
    }
    files = {"pod.json": json.dumps(restored_pod(checkpoint, name=pod, node=target.name)).encode()}
    end = time.monotonic() + READY_SECONDS
    answer = remote.ask(leader, "start", {**values, "CREATE": "yes"}, files)
    while answer.get("state") == "waiting" and time.monotonic() < end:
        answer = remote.ask(leader, "start", {**values, "CREATE": "no"})
    return answer


def why_not_ready(
    pod: str, answer: Answer, log: str, *, verb: str = "was restored", waited: int = READY_SECONDS
) -> ClouderError:
    """The error for a pod that does not get Ready in `waited` s: its status, its events and CRIU's log."""
    found = json.loads(answer.get(f"pod-{pod}") or "{}").get("status", {})
    states = [word for item in found.get("containerStatuses", []) if (word := _state(item))]
    events = [line for line in answer.get(f"events-{pod}").splitlines() if line.strip()]
    words = states or [found["message"]] if found.get("message") else states
    reason = reasons.explain(log.splitlines())
    late = f"it was not Ready within {waited} s{_conditions(found)}"
    told = "; ".join(words) or (events[-1] if events else late)
    if reason:
        told = f"{told}; CRIU says: {reason.words}"
    advice = reason.advice if reason else reasons.advice("\n".join((*words, *events)))
    if not advice and "criu failed" in told:
        advice = NO_LOG
    details = "\n".join((*events, *log.splitlines()[-20:]))
    return NotReadyError(f"pod {pod} {verb} but is not Ready: {told}", fix=advice, details=details)


def _conditions(status: dict[str, Any]) -> str:
    """Which of the pod's conditions hold, for a pod that says nothing else."""
    met = [item["type"] for item in status.get("conditions", []) if item["status"] == "True"]
    return f" ({status.get('phase', 'no status')}; {', '.join(met) or 'not even scheduled'})"


def _state(status: dict[str, Any]) -> str:
    """What keeps a container from running, "" when nothing does."""
    for kind in ("waiting", "terminated"):
        state = status.get("state", {}).get(kind)
        if state:
            code = f" with exit code {state['exitCode']}" if kind == "terminated" else ""
            message = f": {state['message'].strip()}" if state.get("message") else ""
            return f"container {status['name']}: {state.get('reason', kind)}{code}{message}"
    return ""
