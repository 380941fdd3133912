"""Where checkpoints are kept: `<workspace>/checkpoints/<id>/` with manifest and archive, 0700 and 0600."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clouder import store
from clouder.checkpoint import archive, manifest
from clouder.errors import AccessError, ClouderError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from clouder.checkpoint.manifest import Checkpoint

DIRECTORY = "checkpoints"
DRAFT = ".draft-"
MANIFEST, ARCHIVE, PLACES = "manifest.json", "archive.tar", "images.json"
ID = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}\Z")


@dataclass(frozen=True)
class Library:
    """The checkpoints below one directory; it need not exist yet."""

    path: Path

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """An empty directory for what is in the making; it is gone afterwards unless it was `keep`t."""
        store.private_dir(self.path)
        self._sweep()
        try:
            directory = Path(tempfile.mkdtemp(dir=self.path, prefix=f"{DRAFT}{os.getpid()}-"))  # 0700
        except OSError as error:
            raise AccessError(f"cannot write {self.path}: {error.strerror}", fix="free some space") from error
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove the drafts of processes that were killed: they hold what pods had in memory."""
        for path in self.path.glob(f"{DRAFT}*"):
            pid = path.name.removeprefix(DRAFT).partition("-")[0]
            if pid.isdigit() and not Path(f"/proc/{pid}").exists():
                shutil.rmtree(path, ignore_errors=True)

    def keep(self, draft: Path, checkpoint: Checkpoint) -> None:
        """Make the draft, which holds the archive, a checkpoint; it appears whole."""
        store.write_private(draft / MANIFEST, manifest.to_json(checkpoint))
        draft.rename(self.path / checkpoint.id)

    def ids(self) -> list[str]:
        """The ids there are, sorted."""
        return sorted(
            found.parent.name for found in self.path.glob(f"*/{MANIFEST}") if ID.match(found.parent.name)
        )

    def load(self, checkpoint_id: str) -> Checkpoint:
        """The checkpoint called exactly that; raises ClouderError when its manifest is damaged."""
        path = self.path / checkpoint_id / MANIFEST
        found = manifest.from_json(
            path.read_bytes(), where=str(path), fix=f"clouder checkpoint rm {checkpoint_id}"
        )
        if found.id != checkpoint_id:
            raise ClouderError(
                f"{path} is the manifest of {found.id}", fix="move it back to its own directory"
            )
        return found

    def archive(self, checkpoint: Checkpoint) -> Path:
        """Where the archive is."""
        return self.path / checkpoint.id / ARCHIVE

    def verify(self, checkpoint: Checkpoint) -> None:
        """Compare the archive's size and sha256 with the manifest; raises ClouderError."""
        path = self.archive(checkpoint)
        if not path.exists():
            raise ClouderError(f"{path} is missing", fix=f"clouder checkpoint rm {checkpoint.id}")
        if path.stat().st_size != checkpoint.size or archive.sha256(path) != checkpoint.sha256:
            raise ClouderError(
                f"{path} is damaged: it is not what was written (sha256 {checkpoint.sha256[:12]}…)",
                fix="make a new checkpoint of the pod; this one cannot be restored",
            )

    def places(self, checkpoint_id: str) -> tuple[str, ...]:
        """The nodes that hold the checkpoint's image."""
        path = self.path / checkpoint_id / PLACES
        try:
            nodes = json.loads(path.read_bytes())
        except FileNotFoundError:
            return ()
        except ValueError as error:
            raise ClouderError(f"{path} is damaged", fix="remove it; images may stay on nodes") from error
        return tuple(str(node) for node in nodes)

    def set_places(self, checkpoint_id: str, nodes: set[str]) -> None:
        """Note which nodes hold the checkpoint's image."""
        store.write_private(self.path / checkpoint_id / PLACES, json.dumps(sorted(nodes)) + "\n")

    def remove(self, checkpoint_id: str) -> None:
        """Delete the files; the checkpoint disappears at once."""
        with self.draft() as gone:
            (self.path / checkpoint_id).rename(gone / "it")


def of_cluster(name: str) -> Library:
    """The checkpoints of the cluster `name`."""
    return Library(store.home() / "clusters" / name / DIRECTORY)


def new_id(pod: str, created: datetime) -> str:
    """A readable id nobody has: pod, UTC time, four random digits; short enough for a label."""
    stem = pod[:40].rstrip("-.")
    return f"{stem}-{created:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def find(wanted: str) -> tuple[Library, str]:
    """Where the checkpoint is whose id is, or alone begins with, `wanted`; raises NotFoundError."""
    known = {name: library for library in _libraries(None) for name in library.ids()}
    matches = [wanted] if wanted in known else [name for name in known if wanted and name.startswith(wanted)]
    if len(matches) == 1:
        return known[matches[0]], matches[0]
    if matches:
        raise NotFoundError(
            f"several checkpoints begin with {wanted}: {', '.join(sorted(matches))}",
            fix="give more of the id",
        )
    raise NotFoundError(f"there is no checkpoint {wanted}", fix="clouder checkpoint ls lists those there are")


def listing(cluster_name: str | None) -> list[Checkpoint]:
    """The checkpoints of one cluster, or of all, oldest first."""
    found = [library.load(name) for library in _libraries(cluster_name) for name in library.ids()]
    return sorted(found, key=lambda item: (item.created, item.id))


def _libraries(cluster_name: str | None) -> list[Library]:
    if cluster_name is not None:
        return [of_cluster(cluster_name)]
    return [Library(path) for path in sorted((store.home() / "clusters").glob(f"*/{DIRECTORY}"))]
