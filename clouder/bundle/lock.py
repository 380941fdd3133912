"""The lock file of a bundle: where every component came from, and the hash of every file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from clouder.bundle.oci import file_digest
from clouder.errors import ClouderError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

NAME = "bundle.lock.json"
SCHEMA = 1


@dataclass(frozen=True)
class Component:
    """One package, image or file system: its version, where it came from, and the sha256 of it as shipped."""

    name: str
    version: str
    source: str
    sha256: str


@dataclass(frozen=True)
class Lock:
    """What a bundle holds; `files` maps relative paths to sha256, `images` are full references."""

    kubernetes: str
    source: str
    architecture: str
    components: Sequence[Component]
    files: Mapping[str, str]
    images: Sequence[str]

    @property
    def checksum(self) -> str:
        """The sha256 of everything in this lock, and so of everything in the bundle."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def image(self, repository: str) -> str:
        """The full reference of an image, found by its repository: `registry.k8s.io/pause`; or KeyError."""
        for image in self.images:
            if image.rpartition(":")[0] == repository:
                return image
        raise KeyError(repository)


def hash_files(directory: Path) -> dict[str, str]:
    """The sha256 of every file below `directory`, except the lock file."""
    return {name: file_digest(directory / name).removeprefix("sha256:") for name in _names(directory)}


def write(directory: Path, lock: Lock) -> None:
    """Write the lock file of the bundle in `directory`."""
    content = {"schema": SCHEMA, "checksum": lock.checksum, **asdict(lock)}
    (directory / NAME).write_text(json.dumps(content, indent=2) + "\n")


def read(directory: Path) -> Lock:
    """Read a lock file; raises ClouderError when it is not one, or was changed."""
    try:
        raw = json.loads((directory / NAME).read_text())
        schema, checksum = raw.pop("schema"), raw.pop("checksum")
        components = [Component(**component) for component in raw.pop("components")]
        lock = Lock(components=components, **raw)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _broken(directory, f"cannot be read ({error})") from error
    if schema != SCHEMA or checksum != lock.checksum:
        raise _broken(directory, "does not match its own checksum")
    return lock


def verify(directory: Path) -> list[str]:
    """Everything that is wrong with the bundle in `directory`, one line each."""
    try:
        lock = read(directory)
    except ClouderError as error:
        return [error.message]
    present = set(_names(directory))
    problems = [f"missing: {name}" for name in sorted(lock.files.keys() - present)]
    problems += [f"not in the lock: {name}" for name in sorted(present - lock.files.keys())]
    for name in sorted(present & lock.files.keys()):
        if file_digest(directory / name) != f"sha256:{lock.files[name]}":
            problems.append(f"changed: {name}")
    return problems


def _names(directory: Path) -> list[str]:
    files = (path.relative_to(directory).as_posix() for path in directory.rglob("*") if not path.is_dir())
    return sorted(name for name in files if name != NAME)


def _broken(directory: Path, what: str) -> ClouderError:
    return ClouderError(f"{NAME} {what}", fix=f"rm -r {directory} and build the bundle again")
