"""The ways to bring a checkpoint back; each says for itself whether a node can.

`create-container` is what containerd 2.1 to 2.3 do when a container is created from a checkpoint image. Its
code is gone from 2.4 on; in its place comes KEP-5823, `restoreFrom` in the spec of a pod, which will be a
second row here (`restore-from`) once a kubelet and a runtime with it are released.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clouder.checkpoint.facts import numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from clouder.checkpoint.facts import NodeFacts

SWITCH = "enableExperimentalRestoreViaCreate"
# The last versions of containerd without the switch, where restore was always on.
LAST_WITHOUT_SWITCH: dict[tuple[int, ...], tuple[int, ...]] = {
    (2, 1): (2, 1, 9),
    (2, 2): (2, 2, 6),
    (2, 3): (2, 3, 3),
}


@dataclass(frozen=True)
class Backend:
    """One way to restore; `obstacle` tells why a node cannot, or ""."""

    name: str
    obstacle: Callable[[NodeFacts], str]


def _create_container(node: NodeFacts) -> str:
    version = numbers(node.machine.containerd)
    if version[:2] not in LAST_WITHOUT_SWITCH:
        return f"containerd {node.machine.containerd or '(not found)'} cannot restore; 2.1 to 2.3 can"
    config = node.runtime.get("config")
    if not isinstance(config, dict):
        return "containerd does not answer crictl info"
    if config.get("enableCRIU") is False:
        return "containerd has enable_criu = false"
    # What containerd itself says decides; its version only where it has no word for it.
    if config.get(SWITCH, version <= LAST_WITHOUT_SWITCH[version[:2]]) is not True:
        return "containerd has enable_experimental_restore_via_create = false"
    return ""


BACKENDS = {"create-container": Backend("create-container", _create_container)}


def obstacle(node: NodeFacts) -> str:
    """Why no backend works on the node, or "" when one does."""
    found = [backend.obstacle(node) for backend in BACKENDS.values()]
    return "" if "" in found else "; ".join(found)
