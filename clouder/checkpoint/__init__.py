"""Checkpoints of running containers: made through the kubelet, kept at home, restored on another node."""

from __future__ import annotations

from clouder.checkpoint.checkpointing import create
from clouder.checkpoint.library import find, listing
from clouder.checkpoint.manifest import Checkpoint, Machine
from clouder.checkpoint.removing import remove
from clouder.checkpoint.restoring import Restored, restore

__all__ = ["Checkpoint", "Machine", "Restored", "create", "listing", "load", "remove", "restore"]


def load(checkpoint_id: str) -> Checkpoint:
    """The checkpoint whose id is, or alone begins with, `checkpoint_id`; raises NotFoundError."""
    shelf, found_id = find(checkpoint_id)
    return shelf.load(found_id)
