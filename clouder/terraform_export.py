"""The Terraform of a cluster for a repository of the user's own: no state, no key, no local path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clouder import terraform_dir
from clouder.errors import AccessError, NotFoundError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from clouder.cluster import Cluster

LOCK = ".terraform.lock.hcl"


def export(cluster: Cluster, directory: Path) -> list[str]:
    """Write it into `directory`, which is new or empty; the paths of the files in it.

    It is rendered from the values anew, so that nothing else of the workspace can slip in. Raises
    NotFoundError before the first create, UsageError for a directory that holds something, AccessError.
    """
    files = _files(cluster)
    _refuse_occupied(directory)
    try:
        for name, text in files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    except OSError as error:
        raise AccessError(
            f"cannot write {error.filename or directory}: {error.strerror}",
            fix="give a directory that you may write to",
        ) from error
    return sorted(files)


def _files(cluster: Cluster) -> dict[str, str]:
    values = terraform_dir.read_tfvars(cluster.workspace.directory)
    if not values:
        raise NotFoundError(
            f"cluster {cluster.name} has no Terraform yet", fix=f"clouder k8s create {cluster.name}"
        )
    files = terraform_dir.files(cluster.provider, values, cluster.spec.state)
    lock = cluster.workspace.directory / LOCK  # which versions of the providers made the machines
    return {**files, LOCK: lock.read_text()} if lock.exists() else files


def _refuse_occupied(directory: Path) -> None:
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{directory} is a file", fix="give a directory that is new or empty")
    try:
        occupied = directory.is_dir() and any(directory.iterdir())
    except OSError as error:
        raise AccessError(f"cannot read {directory}: {error.strerror}") from error
    if occupied:
        raise UsageError(
            f"{directory} is not empty, and nothing in it may be lost",
            fix="give a directory that is new or empty; move what is in it over from there",
        )
