"""What a pool puts on its nodes: labels, roles, taints and accelerator, and the rules for each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

# Keys and values as Kubernetes checks them:
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
LABEL_KEY = re.compile(
    r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?\Z"
)
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?\Z")
ROLE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
ROLE_PREFIX = "node-role.kubernetes.io/"
OWN_PREFIX = "clouder.dev/"
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
# A kubelet says these of itself, and says them again when they are changed.
OF_THE_KUBELET = ("kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch")


@dataclass(frozen=True)
class Accelerator:
    """What nodes with an accelerator bear: labels to choose them by, a taint that keeps other pods off."""

    labels: dict[str, str]
    taint: str


# The taint is the one that NVIDIA's device plugin and GPU operator tolerate, and that clouds set there.
XPUS = {
    "gpu-cuda": Accelerator(
        {"clouder.dev/xpu": "gpu-cuda", "nvidia.com/gpu.present": "true"}, "nvidia.com/gpu=present:NoSchedule"
    )
}


def _labels(value: dict[str, str]) -> dict[str, str]:
    for key, text in value.items():
        if not LABEL_KEY.match(key) or not LABEL_VALUE.match(text):
            raise ValueError(f"{key}={text} is not a Kubernetes label")
        if key.startswith(OWN_PREFIX) or key in OF_THE_KUBELET:
            raise ValueError(f"{key} is not yours to set; choose another key")
    return value


def _role(value: str) -> str:
    if not ROLE.match(value):
        raise ValueError(f"{value!r} is no role; use 1 to 63 of a-z, 0-9 and -")
    if value in {"master", "control-plane"}:
        raise ValueError(f"{value} is the role of the control plane; choose another one")
    return value


def split_taint(taint: str) -> tuple[str, str, str]:
    """Key, value and effect of `key=value:Effect`."""
    rest, _, effect = taint.partition(":")
    key, _, value = rest.partition("=")
    return key, value, effect


def _taint(value: str) -> str:
    key, text, effect = split_taint(value)
    if effect not in EFFECTS or not LABEL_KEY.match(key) or not LABEL_VALUE.match(text):
        raise ValueError(f"{value!r} is no taint; write key=value:Effect, the effect {' or '.join(EFFECTS)}")
    if key.startswith("node.kubernetes.io/"):
        raise ValueError(f"{key} is set by Kubernetes itself; choose another key")
    return f"{key}={text}:{effect}"


def taint_key(taint: str) -> str:
    """`key:Effect` of `key=value:Effect`: what a node can have once only."""
    return re.sub("=[^:]*", "", taint)


def _unique(value: tuple[str, ...]) -> tuple[str, ...]:
    keys = [taint_key(item) for item in value]
    for item in keys:
        if keys.count(item) > 1:
            raise ValueError(f"{item} is there twice; leave one out")
    return value


Labels = Annotated[dict[str, str], AfterValidator(_labels), Field(description="Labels of the nodes")]
Roles = Annotated[
    tuple[Annotated[str, AfterValidator(_role)], ...],
    AfterValidator(_unique),
    Field(description="Roles of the nodes: labels node-role.kubernetes.io/ROLE"),
]
Taints = Annotated[
    tuple[Annotated[str, AfterValidator(_taint)], ...],
    AfterValidator(_unique),
    Field(description="Taints of the nodes: key=value:NoSchedule, PreferNoSchedule or NoExecute"),
]
Xpu = Annotated[
    Literal["", "gpu-cuda"],
    Field(description="Accelerator of the nodes: sets the label and the taint that its software knows"),
]


def labels_of(labels: dict[str, str], roles: tuple[str, ...], xpu: str) -> dict[str, str]:
    """All labels that follow from these fields of a pool; those that are written out win."""
    kind = XPUS[xpu].labels if xpu else {}
    return {**kind, **{f"{ROLE_PREFIX}{role}": "" for role in roles}, **labels}


def taints_of(taints: tuple[str, ...], xpu: str) -> tuple[str, ...]:
    """All taints that follow from these fields of a pool, sorted; those that are written out win."""
    kind = (XPUS[xpu].taint,) if xpu else ()
    return tuple(sorted({taint_key(taint): taint for taint in (*kind, *taints)}.values()))
