"""What a node says of itself, as far as checkpoint and restore depend on it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clouder.checkpoint.manifest import Machine

if TYPE_CHECKING:
    from clouder.checkpoint.remote import Answer, Remote
    from clouder.inventory import Host

GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
VERSION = re.compile(r"\b\d+(?:\.\d+)+(?:-?(?:rc|alpha|beta)[.\d]*)?")


@dataclass(frozen=True)
class NodeFacts:
    """One node: its machine record, and what only a create (certificate) or a restore (the rest) looks at.

    For a restore the versions of runc and the kubelet are "": nothing depends on them.
    """

    machine: Machine
    since: str  # the node's own clock, seconds since 1970
    certificate: str  # the kubelet's serving certificate, "" when the cluster's authority signs it
    runtime: dict[str, Any]  # `crictl info`, empty when containerd does not answer
    criu_check: str  # "" when `criu check` passes, else what it says
    image_ref: bool = False  # whether containerd has the image that was asked for


def read(remote: Remote, host: Host, *, image_ref: str = "") -> NodeFacts:
    """Ask `host`; raises ConnectionFailed or RemoteError."""
    return from_answer(remote.ask(host, "facts", {"IMAGE_REF": image_ref}))


def from_answer(answer: Answer) -> NodeFacts:
    """The facts in the answer of facts.sh."""
    machine = Machine(
        kernel=answer.get("kernel"),
        architecture=GO_ARCHITECTURES.get(answer.get("machine"), answer.get("machine")),
        cpu_model=answer.get("cpu").strip(),
        cpu_flags=tuple(sorted(set(answer.get("flags").split()))),
        cgroup=answer.get("cgroup"),
        criu=version(answer.get("criu")),
        runc=version(answer.get("runc")),
        containerd=version(answer.get("containerd")),
        kubelet=version(answer.get("kubelet")),
    )
    failed = answer.get("check_code") not in ("", "0")
    return NodeFacts(
        machine=machine,
        since=answer.get("since"),
        certificate=answer.get("certificate"),
        runtime=_json(answer.get("crictl")),
        criu_check=(answer.get("check").strip() or "criu check fails") if failed else "",
        image_ref=bool(answer.get("image").strip()),
    )


def version(text: str) -> str:
    """The first version number in what a program says of itself, "" when there is none."""
    found = VERSION.search(re.sub(r"\bv(?=\d)", "", text.partition("\n")[0]))
    return found.group() if found else ""


def numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version, to compare: "6.18.44-x" gives (6, 18, 44)."""
    found = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def _json(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text or "{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
