"""Removes a checkpoint: its files, and its images from the nodes it was restored on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clouder.checkpoint import library
from clouder.checkpoint.remote import Remote
from clouder.checkpoint.restoring import unstage
from clouder.cluster import open_cluster
from clouder.errors import ClouderError
from clouder.step import Event, Reporter

if TYPE_CHECKING:
    from clouder.checkpoint.library import Library


def _quiet(_: Event) -> None:
    pass


def remove(checkpoint_id: str, *, report: Reporter = _quiet) -> str:
    """Delete a checkpoint and return its whole id; raises InUse while a pod restored from it is there.

    Nodes that do not answer keep their image; the reporter is told.
    """
    shelf, found_id = library.find(checkpoint_id)
    try:
        _remove_images(shelf, found_id)
    except InUse:
        raise
    except ClouderError as error:
        report(Event("", "remove", "Remove images", "note", note=f"an image may stay: {error}"))
    shelf.remove(found_id)
    return found_id


class InUse(ClouderError):
    """A pod lives from the checkpoint's image: it starts again from it."""


def _remove_images(shelf: Library, checkpoint_id: str) -> None:
    places = shelf.places(checkpoint_id)
    if not places:
        return
    checkpoint = shelf.load(checkpoint_id)
    cluster = open_cluster(checkpoint.cluster)
    with Remote(cluster) as remote:
        _refuse_while_used(remote, checkpoint_id)
        for name in places:
            unstage(remote, checkpoint, cluster.inventory.get(name))


def _refuse_while_used(remote: Remote, checkpoint_id: str) -> None:
    answer = remote.ask(remote.cluster.inventory.leader, "users", {"ID": checkpoint_id})
    users = [line.split()[0] for line in answer.get("pods").splitlines() if line.strip()]
    if users:
        namespace, _, pod = users[0].partition("/")
        raise InUse(
            f"{checkpoint_id} is in use: {', '.join(users)} was restored from it and restarts from its image",
            fix=f"kubectl delete pod {pod} -n {namespace}",
        )
