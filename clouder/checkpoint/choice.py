"""Which node a checkpoint is restored on, and why another one cannot take it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clouder.checkpoint import backends
from clouder.checkpoint.facts import numbers
from clouder.errors import ClouderError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clouder.checkpoint.facts import NodeFacts
    from clouder.checkpoint.manifest import Checkpoint, Machine

# Flags of x86 that a program can have picked its code by; the others are the kernel's and the firmware's.
INSTRUCTIONS = re.compile(
    r"(mmx|fxsr|sse|ssse|avx|aes|vaes|pclmul|vpclmul|sha|bmi|fma|f16c|movbe|movdir|popcnt|xsave|xget|adx"
    r"|rdrand|rdseed|gfni|amx|abm|lahf|fsgsbase|rdtscp|clwb|clflush|erms|fsrm|rtm|hle|pku|ospke|serialize|waitpkg|cx16|3dnow)"
)


@dataclass(frozen=True)
class Candidate:
    """A node as Kubernetes sees it (`node`) and as it describes itself, or why it could not be asked."""

    name: str
    node: Mapping[str, Any]
    facts: NodeFacts | None
    silent: str = ""


def choose(checkpoint: Checkpoint, candidates: Sequence[Candidate], wanted: str | None) -> Candidate:
    """The wanted node, else the first that can, the source last; raises ClouderError with every reason."""
    rules = UNFIT if wanted else (*UNFIT, *UNASKED)
    verdicts = {item.name: _obstacle(checkpoint, item, rules) for item in candidates}
    able = [item for item in candidates if not verdicts[item.name]]
    able.sort(key=lambda item: item.name == checkpoint.node)
    if able:
        return able[0]
    raise ClouderError(
        f"{checkpoint.id} cannot be restored on {'this node' if wanted else 'any node'}:\n"
        + "\n".join(f"  {name}: {reason}" for name, reason in verdicts.items()),
        fix=f"clouder criu doctor {checkpoint.cluster}",
    )


def _obstacle(checkpoint: Checkpoint, candidate: Candidate, rules: Sequence[Rule]) -> str:
    if candidate.facts is None:
        return candidate.silent
    return next((reason for rule in rules if (reason := rule(checkpoint, candidate, candidate.facts))), "")


def _not_ready(_: Checkpoint, candidate: Candidate, __: NodeFacts) -> str:
    conditions = candidate.node.get("status", {}).get("conditions", [])
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
    return "" if ready else "is not Ready"


def _other_architecture(checkpoint: Checkpoint, _: Candidate, facts: NodeFacts) -> str:
    ours, theirs = checkpoint.machine.architecture, facts.machine.architecture
    return "" if ours == theirs else f"is {theirs}, the checkpoint is of {ours}"


def _older_kernel(checkpoint: Checkpoint, _: Candidate, facts: NodeFacts) -> str:
    ours, theirs = checkpoint.machine.kernel, facts.machine.kernel
    return (
        ""
        if numbers(theirs)[:2] >= numbers(ours)[:2]
        else f"has kernel {theirs}, older than {ours} of the source"
    )


def _lesser_processor(checkpoint: Checkpoint, _: Candidate, facts: NodeFacts) -> str:
    missing = sorted(instructions(checkpoint.machine) - instructions(facts.machine))
    if not missing:
        return ""
    return f"its processor ({facts.machine.cpu_model}) lacks {', '.join(missing[:8])} of the source's"


def instructions(machine: Machine) -> set[str]:
    """The processor's flags that programs use; on arm64 that is every feature in /proc/cpuinfo."""
    if machine.architecture != "amd64":
        return set(machine.cpu_flags)
    return {flag for flag in machine.cpu_flags if INSTRUCTIONS.match(flag)}


def _no_criu(_: Checkpoint, __: Candidate, facts: NodeFacts) -> str:
    if not facts.machine.criu:
        return "has no criu"
    return f"criu check fails: {facts.criu_check.splitlines()[0]}" if facts.criu_check else ""


def _no_backend(_: Checkpoint, __: Candidate, facts: NodeFacts) -> str:
    return backends.obstacle(facts)


def _no_image(checkpoint: Checkpoint, _: Candidate, facts: NodeFacts) -> str:
    """A digest alone names no registry: such an image was imported and cannot be pulled either."""
    if facts.image_ref or "@" in checkpoint.image_ref:
        return ""
    return f"does not have the image {checkpoint.image}, which comes from no registry: import it there"


def _cordoned(_: Checkpoint, candidate: Candidate, __: NodeFacts) -> str:
    return "is cordoned" if candidate.node.get("spec", {}).get("unschedulable") else ""


def _tainted(checkpoint: Checkpoint, candidate: Candidate, _: NodeFacts) -> str:
    tolerations = checkpoint.source["spec"].get("tolerations", [])
    for taint in candidate.node.get("spec", {}).get("taints", []):
        hard = taint["effect"] in ("NoSchedule", "NoExecute")
        if hard and not any(_tolerates(item, taint) for item in tolerations):
            return f"has the taint {taint['key']}:{taint['effect']}, which the pod does not tolerate"
    return ""


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return bool(
        toleration.get("key") == taint["key"] and toleration.get("value", "") == taint.get("value", "")
    )


def _unselected(checkpoint: Checkpoint, candidate: Candidate, _: NodeFacts) -> str:
    labels = candidate.node.get("metadata", {}).get("labels", {})
    selector = checkpoint.source["spec"].get("nodeSelector", {})
    missing = [f"{key}={value}" for key, value in selector.items() if labels.get(key) != value]
    return f"lacks the label {', '.join(missing)} of the pod's nodeSelector" if missing else ""


if TYPE_CHECKING:
    Rule = Callable[[Checkpoint, Candidate, NodeFacts], str]

# What no wish can change, and what a wish of the user's (--node) overrules.
UNFIT = (
    _not_ready,
    _other_architecture,
    _older_kernel,
    _lesser_processor,
    _no_criu,
    _no_backend,
    _no_image,
)
UNASKED = (_cordoned, _tainted, _unselected)
