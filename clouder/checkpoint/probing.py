"""The live probe: a counter is frozen on every node and goes on counting on every other one."""

from __future__ import annotations

import json
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clouder.checkpoint.checkpointing import Subject, freeze, running_id
from clouder.checkpoint.checks import Finding
from clouder.checkpoint.library import Library
from clouder.checkpoint.rebuild import restored_pod
from clouder.checkpoint.remote import in_parallel, progress
from clouder.checkpoint.restoring import stage, unstage, why_not_ready
from clouder.errors import ClouderError, NotReadyError
from clouder.step import Event

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clouder.checkpoint.manifest import Checkpoint
    from clouder.checkpoint.remote import Answer, Remote
    from clouder.inventory import Host
    from clouder.step import Reporter

NAMESPACE = "default"
LABEL = "clouder.dev/probe"
# The counter names itself by what it remembers: a pod that was restored goes on under its source's name.
# It forks twice a second and no more: on cgroup v1 runc now and then fails to freeze what forks all the time.
COUNTER = 'i=0; name=$HOSTNAME; while :; do i=$((i+1)); echo "$name $i"; sleep 0.5; done'
FIRST = 2  # counted before it is frozen
LAST = 17  # counted when the probe passes: some seconds after the restore, in which a wrong cgroup shows
WAIT_SECONDS = 25  # twice this is less than a host's lock is waited for, so that the clean-up always comes


@dataclass(frozen=True)
class Run:
    """One probe; `staged` grows with what is to be removed in the end."""

    remote: Remote
    images: Mapping[Host, str]
    shelf: Library
    name: str
    report: Reporter
    staged: list[Pair]

    @property
    def hosts(self) -> tuple[Host, ...]:
        """The nodes that take part."""
        return tuple(self.images)


@dataclass(frozen=True)
class Pair:
    """One restore: a checkpoint of the node `source`, brought to the node `target`."""

    source: Host
    target: Host
    checkpoint: Checkpoint
    pod: str

    @property
    def check(self) -> str:
        """The name of its finding on the target."""
        return f"restore from {self.source.name}"


def probe(remote: Remote, images: Mapping[Host, str], report: Reporter) -> list[Finding]:
    """Try every ordered pair of nodes (a lone one with itself), each with its busybox image.

    Leaves nothing on the nodes, also after Ctrl-C.
    """
    with tempfile.TemporaryDirectory(prefix="clouder-probe-") as directory:
        run = Run(remote, images, Library(Path(directory)), secrets.token_hex(4), report, [])
        try:
            return _probe(run)
        finally:
            _clear(run)


def _probe(run: Run) -> list[Finding]:
    with progress(run.report, "", "probe", "Start a counter on every node"):
        subjects, findings = _start(run)
    frozen = in_parallel(lambda subject: _freeze(run, subject), subjects)
    findings += [item for item in frozen if isinstance(item, Finding)]
    pairs = [pair for item in frozen if not isinstance(item, Finding) for pair in _pairs(run, item)]
    if not pairs:
        return findings
    with progress(run.report, "", "probe", "Bring the checkpoints to the other nodes"):
        lost = in_parallel(lambda host: _stage(run, [p for p in pairs if p.target == host]), run.hosts)
    findings += [item for group in lost for item in group]
    failed = {(item.node, item.check) for item in findings}
    staged = [pair for pair in pairs if (pair.target.name, pair.check) not in failed]
    with progress(run.report, "", "probe", f"Restore {len(staged)} counters"):
        return findings + (_restore(run, staged) if staged else [])


def _counter(run: Run, host: Host, number: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"clouder-probe-{run.name}-{number}",
            "namespace": NAMESPACE,
            "labels": {LABEL: run.name},
        },
        "spec": {
            "nodeName": host.name,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {
                    "name": "counter",
                    "image": run.images[host],
                    "imagePullPolicy": "Never",
                    "command": ["sh", "-c", COUNTER],
                }
            ],
        },
    }


def _list(pods: Sequence[dict[str, Any]]) -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}).encode()


def _start(run: Run) -> tuple[list[Subject], list[Finding]]:
    pods = [_counter(run, host, number) for number, host in enumerate(run.hosts)]
    names = [str(pod["metadata"]["name"]) for pod in pods]
    values = {
        "NAMESPACE": NAMESPACE,
        "CONTAINER": "counter",
        "TIMEOUT": str(WAIT_SECONDS),
        "FIRST": str(FIRST),
    }
    files = {"pods.json": _list(pods), "list": "".join(f"{name}\n" for name in names).encode()}
    answer = run.remote.ask(run.remote.cluster.inventory.leader, "probe-start", values, files)
    subjects, findings = [], []
    for host, name in zip(run.hosts, names, strict=True):
        if answer.get(f"state-{name}") == "counted":
            pod = json.loads(answer.get(f"pod-{name}"))
            subjects.append(Subject(pod, "counter", running_id(pod, "counter"), host))
        else:
            findings.append(_failed(host.name, "checkpoint", _stuck(name, answer, "was started")))
    return subjects, findings


def _failed(node: str, check: str, error: ClouderError) -> Finding:
    return Finding(node, check, "fail", error.message, error.fix)


def _freeze(run: Run, subject: Subject) -> tuple[Host, Checkpoint] | Finding:
    try:
        return subject.host, freeze(run.remote, subject, run.shelf, run.report)
    except ClouderError as error:
        return _failed(subject.host.name, "checkpoint", error)


def _pairs(run: Run, frozen: tuple[Host, Checkpoint]) -> list[Pair]:
    source, checkpoint = frozen
    targets = [host for host in run.hosts if host != source] or [source]
    return [
        Pair(source, target, checkpoint, f"{checkpoint.pod}-to-{run.hosts.index(target)}")
        for target in targets
    ]


def _stage(run: Run, pairs: Sequence[Pair]) -> list[Finding]:
    lost = []
    for pair in pairs:
        run.staged.append(pair)
        try:
            stage(run.remote, run.shelf, pair.checkpoint, pair.target)
        except ClouderError as error:
            lost.append(_failed(pair.target.name, pair.check, error))
    return lost


def _restore(run: Run, pairs: Sequence[Pair]) -> list[Finding]:
    pods = [restored_pod(pair.checkpoint, name=pair.pod, node=pair.target.name) for pair in pairs]
    values = {
        "NAMESPACE": NAMESPACE,
        "CONTAINER": "counter",
        "TIMEOUT": str(WAIT_SECONDS),
        "LAST": str(LAST),
    }
    listed = "".join(f"{pair.pod} {pair.checkpoint.pod}\n" for pair in pairs)
    files = {"pods.json": _list(pods), "list": listed.encode()}
    answer = run.remote.ask(run.remote.cluster.inventory.leader, "probe-restore", values, files)
    return [judge(pair, answer) for pair in pairs]


def judge(pair: Pair, answer: Answer) -> Finding:
    """Whether the restored counter has counted on, without a restart."""
    pod = json.loads(answer.get(f"pod-{pair.pod}") or "{}")
    restarts = sum(item["restartCount"] for item in pod.get("status", {}).get("containerStatuses", []))
    if answer.get(f"state-{pair.pod}") == "counted" and not restarts:
        return Finding(pair.target.name, pair.check, "ok", f"counted on to {LAST}")
    error = _stuck(pair.pod, answer, "was restored")
    told = f"{error.message} (restarts: {restarts})"
    return _failed(pair.target.name, pair.check, NotReadyError(told, fix=error.fix))


def _stuck(pod: str, answer: Answer, verb: str) -> ClouderError:
    """Why a counter was not heard of: it is not Ready, or it is and does not count."""
    log = "; ".join(answer.get(f"log-{pod}").splitlines()) or "nothing"
    if answer.get(f"state-{pod}") == "silent":
        return NotReadyError(
            f"pod {pod} {verb} and Ready, but did not count on within {WAIT_SECONDS} s: {log}"
        )
    error = why_not_ready(pod, answer, "", verb=verb, waited=WAIT_SECONDS)
    return NotReadyError(f"{error.message}; it printed {log}", fix=error.fix)


def _clear(run: Run) -> None:
    """Remove what the probe made; what stays, because a host does not answer, is reported."""
    leader = run.remote.cluster.inventory.leader

    def clear(host: Host) -> None:
        try:
            if host == leader:
                run.remote.ask(leader, "probe-stop", {"NAMESPACE": NAMESPACE, "RUN": run.name})
            for pair in run.staged:
                if pair.target == host:
                    unstage(run.remote, pair.checkpoint, host)
        except ClouderError as error:
            words = f"something may stay of the probe {run.name}: {error}"
            run.report(Event(host.name, "probe", "Clean up", "note", note=words))

    in_parallel(clear, {*run.hosts, leader})
