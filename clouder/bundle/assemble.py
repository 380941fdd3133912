"""The last step of a build: the parts become one directory with its lock, proved to install by itself."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from clouder.bundle import debian, images, lock, packages
from clouder.bundle.deb import control_fields, write_index
from clouder.bundle.lock import Component, Lock
from clouder.bundle.oci import file_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from clouder.bundle.parts import Finished
    from clouder.bundle.processes import Processes
    from clouder.bundle.recipe import Recipe

NODE_PACKAGES = (
    *(row.name for row in packages.PACKAGES),
    "runc",
    "criu",
    "conntrack",
    "nftables",
    "socat",
    "ethtool",
)


def assemble(
    recipe: Recipe, source: str, finished: Finished, target: Path, *, processes: Processes, log: Path
) -> None:
    """Put the parts together in `target`; raises ClouderError when a node could not install from it alone."""
    _copy(finished["packages"], target / "apt")
    _copy(finished["node-packages"], target / "apt")
    write_index(target / "apt")
    _copy(finished["images"], target / "images")
    _copy(finished["rootfs"], target / "rootfs")
    _prove_installable(target, processes, log)
    lock.write(target, _lock(recipe, source, finished, target))


def _copy(part: Path, to: Path) -> None:
    shutil.copytree(part, to, dirs_exist_ok=True, copy_function=shutil.copyfile)


def _prove_installable(target: Path, processes: Processes, log: Path) -> None:
    status = debian.installed(target / "rootfs/node.tar")
    repository = [f"deb [trusted=yes] file:{(target / 'apt').resolve()} ./"]
    with debian.private_apt(repository, status, processes=processes, log=log) as apt:
        apt.simulate(NODE_PACKAGES)


def _lock(recipe: Recipe, source: str, finished: Finished, target: Path) -> Lock:
    origins = _origins(finished)
    index = json.loads((target / "images/index.json").read_text())["manifests"]
    components = [
        *_deb_components(origins, target),
        *_image_components(recipe, origins, index),
        Component(
            "node-rootfs",
            recipe.debian.suite,
            f"Debian {recipe.debian.suite}",
            file_digest(target / "rootfs/node.tar").removeprefix("sha256:"),
        ),
    ]
    names = [entry["annotations"]["io.containerd.image.name"] for entry in index]
    return Lock(recipe.kubernetes, source, "amd64", components, lock.hash_files(target), names)


def _origins(finished: Finished) -> dict[str, str]:
    origins: dict[str, str] = {}
    for name, directory in finished.items():
        described = directory / "sources.json"
        if described.exists():
            found = json.loads(described.read_text())
            origins.update({f"{name}/{program}": origin for program, origin in found.items()})
    return origins


def _deb_components(origins: dict[str, str], target: Path) -> Iterator[Component]:
    ours = {row.name: _joined(origins, list(row.programs.values())) for row in packages.PACKAGES}
    for deb in sorted((target / "apt").glob("*.deb")):
        fields = control_fields(deb)
        source = ours.get(fields["Package"], "Debian")
        yield Component(
            fields["Package"], fields["Version"], source, file_digest(deb).removeprefix("sha256:")
        )


def _image_components(
    recipe: Recipe, origins: dict[str, str], index: Sequence[dict[str, object]]
) -> Iterator[Component]:
    rows = dict(zip(images.image_names(recipe), images.IMAGES, strict=True))
    for entry in index:
        name = entry["annotations"]["io.containerd.image.name"]  # type: ignore[index]
        repository, _, tag = name.rpartition(":")
        source = (
            _joined(origins, list(rows[name].programs.values())) if name in rows else "Debian busybox-static"
        )
        yield Component(repository, tag, source, str(entry["digest"]).removeprefix("sha256:"))


def _joined(origins: dict[str, str], programs: Sequence[str]) -> str:
    return "; ".join(sorted({origins[program] for program in programs}))
