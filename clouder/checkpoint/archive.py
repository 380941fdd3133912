"""Reads a checkpoint archive as what it is, untrusted input: in one pass, by exact names, writing nothing."""

from __future__ import annotations

import hashlib
import json
import tarfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from clouder.errors import ClouderError

if TYPE_CHECKING:
    from pathlib import Path

# What containerd and CRI-O put beside the images of CRIU, and the most of it that is read into memory.
RECORDS = ("config.dump", "spec.dump")
RECORD_LIMIT = 4 << 20
IMAGES = "checkpoint/"
END_OF_TAR = 1024  # two zero blocks; without them the file is cut off
CHUNK = 1 << 20


@dataclass(frozen=True)
class Archive:
    """What an archive says of the container in it, with its size in bytes and its sha256."""

    image: str
    image_ref: str
    command: tuple[str, ...]
    user: str
    size: int
    sha256: str


def read(path: Path) -> Archive:
    """Read and check an archive; raises ClouderError when it is damaged or holds what no checkpoint does."""
    try:
        with path.open("rb") as file:
            source = _Hashing(file)
            records = _records(source)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    return _archive(path, records, source)


def sha256(path: Path) -> str:
    """The sha256 of a file of any size, in hex."""
    with path.open("rb") as file:
        source = _Hashing(file)
        source.drain()
    return source.digest.hexdigest()


def _damaged(path: Path, reason: str) -> ClouderError:
    return ClouderError(
        f"the checkpoint archive {path} is damaged: {reason}", fix="make a new checkpoint of the pod"
    )


class _Hashing:
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.size = 0
        self.digest = hashlib.sha256()

    def read(self, size: int = CHUNK) -> bytes:
        data = self.file.read(size)
        self.size += len(data)
        self.digest.update(data)
        return data

    def drain(self) -> None:
        while self.read():
            pass


def _records(source: _Hashing) -> dict[str, Any]:
    records: dict[str, Any] = {}
    images = False
    with tarfile.open(fileobj=source, mode="r|", bufsize=CHUNK) as tar:  # type: ignore[call-overload]
        for member in tar:
            name = _checked(member)
            images = images or name.startswith(IMAGES)
            if name in RECORDS:
                records[name] = _record(tar, member, name, records)
        end = tar.offset
    source.drain()
    if source.size - end < END_OF_TAR:
        raise ValueError("its end is missing")
    missing = [name for name in RECORDS if name not in records] + ([] if images else [IMAGES])
    if missing:
        raise ValueError(f"{', '.join(missing)} is not in it")
    return records


def _checked(member: tarfile.TarInfo) -> str:
    """The member's name; containerd refuses links and devices as well, but only after they were unpacked."""
    name = member.name.removeprefix("./")
    if name.startswith("/") or ".." in name.split("/"):
        raise ValueError(f"{name!r} would be written outside of it")
    if not (member.isreg() or member.isdir()):
        raise ValueError(f"{name!r} is neither a file nor a directory")
    return name


def _record(tar: tarfile.TarFile, member: tarfile.TarInfo, name: str, known: dict[str, Any]) -> Any:
    if name in known:
        raise ValueError(f"{name} is in it twice")
    if member.size > RECORD_LIMIT or not member.isreg():
        raise ValueError(f"{name} is not a file of at most {RECORD_LIMIT >> 20} MiB")
    file = tar.extractfile(member)
    assert file is not None
    try:
        return json.loads(file.read())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not JSON") from error


def _archive(path: Path, records: dict[str, Any], source: _Hashing) -> Archive:
    config, spec = records["config.dump"], records["spec.dump"]
    try:
        user = spec["process"].get("user", {})
        found = Archive(
            image=config["rootfsImageName"],
            image_ref=config["rootfsImageRef"],
            command=tuple(spec["process"]["args"]),
            user=f"{int(user.get('uid', 0))}:{int(user.get('gid', 0))}",
            size=source.size,
            sha256=source.digest.hexdigest(),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _damaged(path, f"its records lack a field: {error}") from error
    if not all(isinstance(text, str) for text in (found.image, found.image_ref, *found.command)):
        raise _damaged(path, "a field of its records is not text")
    return found
