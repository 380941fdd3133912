"""Builds the restored pod from the spec of the pod that was frozen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from clouder.checkpoint import image
from clouder.errors import ClouderError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clouder.checkpoint.manifest import Checkpoint

RESTORED_FROM = "clouder.dev/restored-from"
# We choose the node, admission fills in the rest; values of the old pod would be refused or would contradict.
DROPPED = (
    "nodeName",
    "nodeSelector",
    "affinity",
    "topologySpreadConstraints",
    "schedulerName",
    "schedulingGates",
    "serviceAccount",
    "priority",
    "preemptionPolicy",
    "ephemeralContainers",
)
ADMISSION_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
# By these labels a controller would take the copy for one of its own, and delete one that is too many.
CONTROLLER_LABELS = re.compile(
    r"pod-template-hash|controller-revision-hash|pod-template-generation|controller-uid|job-name"
    r"|batch\.kubernetes\.io/.*|statefulset\.kubernetes\.io/.*|apps\.kubernetes\.io/.*"
)
DROPPED_ANNOTATIONS = re.compile(
    r"kubectl\.kubernetes\.io/last-applied-configuration|kubernetes\.io/config\..*"
)


def source_of(pod: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest keeps of a pod: its spec, labels, annotations and owners."""
    metadata = pod["metadata"]
    kept: dict[str, Any] = {"name": metadata["name"], "namespace": metadata["namespace"]}
    for key in ("labels", "annotations"):
        kept[key] = dict(metadata.get(key) or {})
    kept["ownerReferences"] = [
        {"kind": owner["kind"], "name": owner["name"]} for owner in metadata.get("ownerReferences") or []
    ]
    return {"metadata": kept, "spec": pod["spec"]}


def restored_pod(checkpoint: Checkpoint, *, name: str, node: str) -> dict[str, Any]:
    """The pod that brings the checkpoint back under `name` on `node`."""
    metadata, spec = checkpoint.source["metadata"], checkpoint.source["spec"]
    tokens = set(_token_volumes(spec))
    rebuilt = {key: value for key, value in spec.items() if key not in DROPPED}
    rebuilt["nodeName"] = node
    if not tokens:
        rebuilt["automountServiceAccountToken"] = False
    _replace(rebuilt, "volumes", [item for item in spec.get("volumes", []) if item["name"] not in tokens])
    _replace(
        rebuilt, "tolerations", [item for item in spec.get("tolerations", []) if not _by_admission(item)]
    )
    _replace(rebuilt, "initContainers", [_without(item, tokens) for item in spec.get("initContainers", [])])
    rebuilt["containers"] = [_container(item, checkpoint, tokens) for item in spec["containers"]]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": checkpoint.namespace,
            "labels": {**_labels(metadata), RESTORED_FROM: checkpoint.id},
            "annotations": {**_annotations(metadata), RESTORED_FROM: checkpoint.id},
        },
        "spec": rebuilt,
    }


def losses(checkpoint: Checkpoint) -> tuple[str, ...]:
    """What the restored pod will not have, in words for the user."""
    spec, metadata = checkpoint.source["spec"], checkpoint.source["metadata"]
    empty = [item["name"] for item in spec.get("volumes", []) if "emptyDir" in item]
    others = [item["name"] for item in spec["containers"] if item["name"] != checkpoint.container]
    found = []
    if empty:
        found.append(f"emptyDir volumes start empty, a checkpoint does not hold them: {', '.join(empty)}")
    if others:
        found.append(f"containers that start fresh: {', '.join(others)}")
    if _owner_by_labels(metadata):
        owner = _owner_by_labels(metadata)
        found.append(f"labels are left out, by which {owner} would take the copy for its own and delete it")
    return tuple(found)


def _replace(spec: dict[str, Any], key: str, items: list[Any]) -> None:
    spec.pop(key, None)
    if items:
        spec[key] = items


def _token_volumes(spec: Mapping[str, Any]) -> Iterator[str]:
    """The volumes that admission added for the service account; it adds new ones to the restored pod."""
    for volume in spec.get("volumes", []):
        sources = volume.get("projected", {}).get("sources", [])
        if volume["name"].startswith("kube-api-access-") and any(
            "serviceAccountToken" in item for item in sources
        ):
            yield volume["name"]


def _by_admission(toleration: Mapping[str, Any]) -> bool:
    return toleration.get("key") in ADMISSION_TAINTS and toleration.get("tolerationSeconds") == 300


def _without(container: Mapping[str, Any], tokens: set[str]) -> dict[str, Any]:
    kept = dict(container)
    mounts = container.get("volumeMounts", [])
    _replace(kept, "volumeMounts", [item for item in mounts if item["name"] not in tokens])
    return kept


def _container(container: Mapping[str, Any], checkpoint: Checkpoint, tokens: set[str]) -> dict[str, Any]:
    kept = _without(container, tokens)
    if container["name"] != checkpoint.container:
        return kept
    kept |= {"image": image.name(checkpoint), "imagePullPolicy": "Never"}
    if not container.get("command"):  # the image supplied it, and the checkpoint's image has none to supply
        kept.pop("args", None)
        kept["command"] = [_escaped(word) for word in checkpoint.command]
    return kept


def _escaped(word: str) -> str:
    """Kubernetes expands $(NAME) in a command and reads $$ as $; these words are final."""
    return word.replace("$", "$$")


def _labels(metadata: Mapping[str, Any]) -> dict[str, str]:
    if _owner_by_labels(metadata):
        return {}
    return {key: text for key, text in metadata["labels"].items() if not CONTROLLER_LABELS.fullmatch(key)}


def _owner_by_labels(metadata: Mapping[str, Any]) -> str:
    """The controller that adopts any pod with the labels its user chose, or ""."""
    for owner in metadata["ownerReferences"]:
        hashed = "pod-template-hash" in metadata["labels"]
        if owner["kind"] in ("DaemonSet", "ReplicationController") or (
            owner["kind"] == "ReplicaSet" and not hashed
        ):
            return f"{owner['kind']} {owner['name']}"
    return ""


def _annotations(metadata: Mapping[str, Any]) -> dict[str, str]:
    return {
        key: text for key, text in metadata["annotations"].items() if not DROPPED_ANNOTATIONS.fullmatch(key)
    }


def choose_container(pod: Mapping[str, Any], wanted: str | None) -> str:
    """The container to freeze; raises ClouderError when the choice is not clear."""
    names = [item["name"] for item in pod["spec"]["containers"]]
    if wanted is None and len(names) == 1:
        return str(names[0])
    if wanted in names:
        return str(wanted)
    problem = "has several containers" if wanted is None else f"has no container {wanted!r}"
    raise ClouderError(
        f"pod {pod['metadata']['name']} {problem}; its containers are: {', '.join(names)}",
        fix=f"add -c {names[0]}",
    )
