"""Tar files that come out the same every time: sorted, owned by root, one fixed time."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

EPOCH = 1_767_225_600  # 2026-01-01 UTC, the time of every file we make

CAPABILITY = "SCHILY.xattr.security.capability"


@dataclass(frozen=True)
class Entry:
    """One thing in a tar: a file with `source` (path or bytes), a link with `link`, else a directory."""

    path: str
    source: Path | bytes | None = None
    link: str = ""
    mode: int = 0o755


@dataclass(frozen=True)
class Selection:
    """What to take over from an existing tar: `keep(path)` is asked for every member."""

    tar: Path
    keep: Callable[[str], bool] = field(default=lambda _: True)


def write_tar(
    to: Path, entries: Iterable[Entry], *, base: Sequence[Selection] = (), prefix: str = ""
) -> Path:
    """Write what `base` keeps, then the `entries` it lacks, to the tar `to`; missing parents are added."""
    with tarfile.open(to, "w", format=tarfile.PAX_FORMAT) as out:
        seen: set[str] = set()
        for selection in base:
            _copy_members(selection, out, seen)
        for entry in sorted(entries, key=lambda entry: entry.path):
            if entry.path in seen:
                continue
            _add_parents(out, entry.path, seen, prefix)
            _add(out, entry, prefix)
            seen.add(entry.path)
    return to


def normalise(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Take out of a tar member what differs from run to run or is no part of it; file capabilities stay."""
    member.uname = member.gname = ""
    member.mtime = EPOCH
    member.pax_headers = {key: value for key, value in member.pax_headers.items() if key == CAPABILITY}
    return member


def _copy_members(selection: Selection, out: tarfile.TarFile, seen: set[str]) -> None:
    with tarfile.open(selection.tar) as source:
        for member in source:
            path = member.name.removeprefix("./").rstrip("/")
            if path in ("", ".") or path in seen or not selection.keep(path):
                continue
            seen.add(path)
            member.name = path
            member.linkname = member.linkname.removeprefix("./") if member.islnk() else member.linkname
            out.addfile(normalise(member), source.extractfile(member) if member.isreg() else None)


def _add_parents(out: tarfile.TarFile, path: str, seen: set[str], prefix: str) -> None:
    for parent in reversed(Path(path).parents):
        name = parent.as_posix()
        if name != "." and name not in seen:
            seen.add(name)
            _add(out, Entry(name), prefix)


def _add(out: tarfile.TarFile, entry: Entry, prefix: str) -> None:
    member = tarfile.TarInfo(prefix + entry.path)
    member.mode, member.mtime = 0o777 if entry.link else entry.mode, EPOCH
    if isinstance(entry.source, Path):
        member.size = entry.source.stat().st_size
        with entry.source.open("rb") as file:
            out.addfile(member, file)
    elif entry.source is not None:
        member.size = len(entry.source)
        out.addfile(member, io.BytesIO(entry.source))
    else:
        member.type = tarfile.SYMTYPE if entry.link else tarfile.DIRTYPE
        member.linkname = entry.link
        out.addfile(member)
