"""Debian packages written directly: an `ar` file with a control and a data tar, the same bytes every time."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from clouder.bundle.oci import CHUNK, compress, file_digest
from clouder.bundle.tarball import EPOCH, Entry, write_tar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAINTAINER = "Clouder <clouder@localhost>"


@dataclass(frozen=True)
class Package:
    """What a .deb says about itself; `scripts` are maintainer scripts by name."""

    name: str
    version: str
    description: str
    homepage: str
    depends: Sequence[str] = ()
    recommends: Sequence[str] = ()
    scripts: Mapping[str, str] = field(default_factory=dict)
    architecture: str = "amd64"

    @property
    def file_name(self) -> str:
        """The usual name of the file; an epoch would need escaping and we use none."""
        return f"{self.name}_{self.version}_{self.architecture}.deb"


def pack(package: Package, entries: Sequence[Entry], directory: Path) -> Path:
    """Write the .deb of `entries` (paths without a leading slash) into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix=".pack-") as name:
        work = Path(name)
        data = write_tar(work / "data.tar", entries, prefix="./")
        compress(data, work / "data.tar.zst")
        control = write_tar(work / "control.tar", _control_entries(package, entries), prefix="./")
        (work / "control.tar.gz").write_bytes(gzip.compress(control.read_bytes(), mtime=0))
        (work / "debian-binary").write_bytes(b"2.0\n")
        members = [work / "debian-binary", work / "control.tar.gz", work / "data.tar.zst"]
        return _write_ar(members, work / package.file_name).rename(directory / package.file_name)


def write_index(repository: Path) -> None:
    """Write Packages and Release, which make a directory of .deb files a flat apt repository."""
    stanzas = [_index_stanza(deb) for deb in sorted(repository.glob("*.deb"))]
    packages = ("\n".join(stanzas)).encode()
    (repository / "Packages").write_bytes(packages)
    release = [
        "Origin: clouder",
        "Label: clouder",
        "Suite: bundle",
        "Architectures: amd64 all",
        "Date: Thu, 01 Jan 2026 00:00:00 UTC",
        "SHA256:",
        f" {hashlib.sha256(packages).hexdigest()} {len(packages)} Packages",
    ]
    (repository / "Release").write_text("\n".join(release) + "\n")


def control_fields(deb: Path) -> dict[str, str]:
    """The control fields of a .deb file, read by dpkg-deb."""
    text = _control(deb)
    fields: dict[str, str] = {}
    for line in text.splitlines():
        if not line.startswith(" "):
            key, _, value = line.partition(":")
            fields[key] = value.strip()
    return fields


def _index_stanza(deb: Path) -> str:
    checksum = file_digest(deb).removeprefix("sha256:")
    lines = [f"Filename: ./{deb.name}", f"Size: {deb.stat().st_size}", f"SHA256: {checksum}"]
    return _control(deb).rstrip("\n") + "\n" + "\n".join(lines) + "\n"


def _control(deb: Path) -> str:
    return subprocess.run(["dpkg-deb", "-f", deb], check=True, capture_output=True, text=True).stdout


def _control_entries(package: Package, entries: Sequence[Entry]) -> list[Entry]:
    conffiles = "".join(f"/{entry.path}\n" for entry in entries if entry.path.startswith("etc/"))
    files = {"control": _control_text(package, entries), "md5sums": _md5sums(entries)}
    if conffiles:
        files["conffiles"] = conffiles
    made = [Entry(name, text.encode(), mode=0o644) for name, text in files.items()]
    return [*made, *(Entry(name, text.encode()) for name, text in package.scripts.items())]


def _control_text(package: Package, entries: Sequence[Entry]) -> str:
    fields = {
        "Package": package.name,
        "Version": package.version,
        "Architecture": package.architecture,
        "Maintainer": MAINTAINER,
        "Installed-Size": str(_installed_kib(entries)),
        "Depends": ", ".join(package.depends),
        "Recommends": ", ".join(package.recommends),
        "Section": "admin",
        "Priority": "optional",
        "Homepage": package.homepage,
        "Description": package.description,
    }
    return "".join(f"{key}: {value}\n" for key, value in fields.items() if value)


def _installed_kib(entries: Iterable[Entry]) -> int:
    return sum(-(-_size(entry) // 1024) for entry in entries)


def _size(entry: Entry) -> int:
    return entry.source.stat().st_size if isinstance(entry.source, Path) else len(entry.source or b"")


def _md5sums(entries: Iterable[Entry]) -> str:
    files = [entry for entry in sorted(entries, key=lambda entry: entry.path) if entry.source is not None]
    return "".join(f"{_md5(entry)}  {entry.path}\n" for entry in files)


def _md5(entry: Entry) -> str:
    md5 = hashlib.md5(usedforsecurity=False)
    if isinstance(entry.source, Path):
        with entry.source.open("rb") as file:
            while chunk := file.read(CHUNK):
                md5.update(chunk)
    else:
        md5.update(entry.source or b"")
    return md5.hexdigest()


def _write_ar(members: Sequence[Path], to: Path) -> Path:
    with to.open("wb") as out:
        out.write(b"!<arch>\n")
        for member in members:
            size = member.stat().st_size
            out.write(f"{member.name:<16}{EPOCH:<12}{0:<6}{0:<6}{0o100644:<8o}{size:<10}`\n".encode())
            with member.open("rb") as file:
                while chunk := file.read(CHUNK):
                    out.write(chunk)
            out.write(b"\n" * (size % 2))
    return to
