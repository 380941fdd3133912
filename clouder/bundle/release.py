"""The `release` source: the upstream programs, each checked against a pinned or published sha256."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING, Any

from clouder.bundle import registry
from clouder.bundle.fetch import download, open_url, published_sha256, read_text
from clouder.bundle.parts import Finished, Part
from clouder.errors import ClouderError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from clouder.bundle.processes import Processes
    from clouder.bundle.recipe import Recipe

PROBE_S = 3.0


def reachable(recipe: Recipe) -> bool:
    """Whether this recipe has a release source, and its first host answers within three seconds."""
    try:
        with open_url(recipe.release[0]["checksum"], timeout=PROBE_S):
            return True
    except (ClouderError, IndexError):
        return False


def release_parts(recipe: Recipe, processes: Processes, logs: Path) -> list[Part]:  # noqa: ARG001
    """One part for each build of the recipe, with the same programs that the `go` source makes."""
    if not recipe.release:
        raise ClouderError(
            f"the recipe of {recipe.kubernetes} has no release source", fix="clouder bundle build --source go"
        )
    names = dict.fromkeys(row["part"] for row in recipe.release)
    return [_fetched(name, [row for row in recipe.release if row["part"] == name]) for name in names]


def _fetched(name: str, rows: Sequence[Mapping[str, Any]]) -> Part:
    def make(target: Path, _: Finished) -> None:
        origins: dict[str, str] = {}
        for row in rows:
            origins.update(_fetch_image(row, target) if "image" in row else _fetch_file(row, target))
        (target / "sources.json").write_text(json.dumps(origins))

    return Part(name, ["release", rows], make)


def _fetch_file(row: Mapping[str, Any], target: Path) -> dict[str, str]:
    """A program, or an archive of programs, with its hash published beside it."""
    url, programs = row["url"], row["programs"]
    file_name = url.rpartition("/")[2]
    sha256 = published_sha256(read_text(row["checksum"]), file_name)
    fetched = download(url, sha256, target / f".{file_name}")
    for program, member in programs.items():
        if member:
            _unpack(fetched, member, target / program)
        else:
            fetched.rename(target / program)
        (target / program).chmod(0o755)
    fetched.unlink(missing_ok=True)
    return dict.fromkeys(programs, f"{url} sha256:{sha256}")


def _fetch_image(row: Mapping[str, Any], target: Path) -> dict[str, str]:
    """Programs out of an image that the recipe pins by digest."""
    found = registry.extract(row["image"], row["programs"].values(), target)
    for program, path in zip(row["programs"], found, strict=True):
        path.rename(target / program)
        (target / program).chmod(0o755)
    return dict.fromkeys(row["programs"], row["image"])


def _unpack(archive: Path, member: str, to: Path) -> None:
    with tarfile.open(archive) as tar:
        names = {entry.name.removeprefix("./"): entry for entry in tar if entry.isreg()}
        content = tar.extractfile(names[member]) if member in names else None
        if content is None:
            raise ClouderError(f"{archive.name} has no file {member}", fix="clouder bundle build --source go")
        with content, to.open("wb") as out:
            while chunk := content.read(1 << 20):
                out.write(chunk)
