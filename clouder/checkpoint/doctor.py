"""Whether the nodes of a cluster can checkpoint and restore, what is in the way, and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clouder.checkpoint import facts
from clouder.checkpoint.checks import CHECKS, Finding, Look, compare_processors
from clouder.checkpoint.probing import probe
from clouder.checkpoint.remote import Remote, in_parallel, progress
from clouder.errors import ClouderError

if TYPE_CHECKING:
    from clouder.cluster import Cluster
    from clouder.inventory import Host
    from clouder.step import Reporter

__all__ = ["Finding", "doctor"]


def doctor(cluster: Cluster, *, report: Reporter, live: bool = True) -> list[Finding]:
    """Look at every node; with `live`, also checkpoint a counter on each and restore it on every other."""
    hosts = cluster.inventory.hosts
    with Remote(cluster) as remote:
        looks = in_parallel(lambda host: _look(remote, host, report), hosts)
        findings = [item for look in looks for item in _judge(look)]
        findings += compare_processors([look for look in looks if isinstance(look, Look)])
        if live:
            able = {
                host: look.text("busybox")
                for host, look in zip(hosts, looks, strict=True)
                if isinstance(look, Look) and look.text("busybox")
            }
            findings += _probe(remote, able, report) if able else []
    return findings


def _probe(remote: Remote, images: dict[Host, str], report: Reporter) -> list[Finding]:
    """Also what keeps the probe from running is a finding, beside those that are there already."""
    try:
        return probe(remote, images, report)
    except ClouderError as error:
        return [Finding(remote.cluster.inventory.leader.name, "probe", "fail", error.message, error.fix)]


def _look(remote: Remote, host: Host, report: Reporter) -> Look | Finding:
    try:
        with progress(report, host.name, "look", "Look at the node"):
            answer = remote.ask(host, "doctor")
    except ClouderError as error:
        return Finding(host.name, "connection", "fail", error.message, error.fix)
    return Look(host.name, facts.from_answer(answer), answer.given)


def _judge(look: Look | Finding) -> list[Finding]:
    return [look] if isinstance(look, Finding) else [check(look) for check in CHECKS]
