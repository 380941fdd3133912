"""The flow of a build: programs, Debian packages and the root file system become one bundle directory."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from clouder import store
from clouder.bundle import debian, images, packages
from clouder.bundle.assemble import assemble
from clouder.bundle.gosource import go_parts
from clouder.bundle.parts import Finished, Part, Progress, make_parts, missing_parts
from clouder.bundle.processes import Processes
from clouder.bundle.recipe import FORMAT, Recipe
from clouder.bundle.release import release_parts
from clouder.errors import AccessError, Interrupted

# Measured for v1.36.3: Go's module cache 5.3, its build cache 5.3, our parts 1.0, the bundle 0.35 GiB.
NEEDED_GIB = {"go": 12, "release": 2}
PACKING_GIB = 2


@dataclass(frozen=True)
class Workshop:
    """What every part of one build shares: the recipe, the child processes, the folder of logs."""

    recipe: Recipe
    processes: Processes
    logs: Path

    def log(self, part: str) -> Path:
        """The log file of one part."""
        return self.logs / f"{part}.log"


# What makes the programs; the rest of a build is the same. In the order in which `auto` prefers them.
ProgramParts = Callable[[Recipe, Processes, Path], list[Part]]
SOURCES: Mapping[str, ProgramParts] = {"release": release_parts, "go": go_parts}


def build(
    recipe: Recipe, source: str, cache: Path, target: Path, *, processes: Processes, progress: Progress
) -> None:
    """Make the bundle of `recipe` in the directory `target`, with finished parts kept below `cache`."""
    require_machine(platform.machine())
    shop = Workshop(recipe, processes, cache / "logs")
    programs = SOURCES[source](recipe, shop.processes, shop.logs)
    parts = [*programs, *_shared_parts(shop, [part.name for part in programs])]
    require_space(cache, source, missing_parts(parts, cache))
    try:
        finished = make_parts(parts, cache, processes=shop.processes, progress=progress)
        assemble(recipe, source, finished, target, processes=shop.processes, log=shop.log("assemble"))
    except KeyboardInterrupt:
        shop.processes.stop()
        raise Interrupted("the build was stopped", fix="run it again: finished parts are kept") from None


def require_machine(machine: str) -> None:
    """Raise AccessError on a machine that is not an x86-64: bundles hold nothing else yet."""
    if machine != "x86_64":
        raise AccessError(
            f"bundles are built for x86_64 nodes, on an x86_64 machine, and this one is {machine}",
            fix="build on an x86_64 machine and copy its CLOUDER_CACHE/bundles directory here",
        )


def require_space(cache: Path, source: str, missing: set[str]) -> None:
    """Raise AccessError when what is still to be made will not fit; Go's own caches are counted in."""
    needed = NEEDED_GIB[source] if "kubernetes" in missing else PACKING_GIB
    store.private_dir(cache)
    free = shutil.disk_usage(cache).free / (1 << 30)
    if missing and free < needed:
        raise AccessError(
            f"building this bundle needs {needed} GiB of disk, and {cache} has {free:.1f} GiB free",
            fix="free some space, or set CLOUDER_CACHE to a directory on a larger disk",
        )


def _shared_parts(shop: Workshop, programs: Sequence[str]) -> list[Part]:
    return [
        _rootfs(shop),
        _node_packages(shop),
        _image_packages(shop),
        _packages(shop, programs),
        _images(shop, programs),
    ]


def _rootfs(shop: Workshop) -> Part:
    wanted = shop.recipe.debian

    def make(target: Path, _: Finished) -> None:
        debian.make_rootfs(wanted, target / "node.tar", processes=shop.processes, log=shop.log("rootfs"))

    return Part("rootfs", [FORMAT, wanted.suite, wanted.node], make)


def _node_packages(shop: Workshop) -> Part:
    wanted = shop.recipe.debian

    def make(target: Path, finished: Finished) -> None:
        status = debian.installed(finished["rootfs"] / "node.tar")
        debian.fetch_node_packages(
            wanted, status, target, processes=shop.processes, log=shop.log("node-packages")
        )

    return Part("node-packages", [FORMAT, asdict(wanted)], make, needs=["rootfs"])


def _image_packages(shop: Workshop) -> Part:
    wanted = shop.recipe.debian

    def make(target: Path, _: Finished) -> None:
        debian.fetch_image_packages(wanted, target, processes=shop.processes, log=shop.log("image-packages"))

    return Part("image-packages", [FORMAT, wanted.suite, wanted.image], make)


def _packages(shop: Workshop, programs: Sequence[str]) -> Part:
    def make(target: Path, finished: Finished) -> None:
        packages.pack_all(shop.recipe, program_paths(shop.recipe, finished), target)

    inputs = [
        FORMAT,
        [asdict(row) for row in packages.PACKAGES],
        packages.shipped(),
        dict(shop.recipe.versions),
    ]
    return Part("packages", inputs, make, needs=programs)


def _images(shop: Workshop, programs: Sequence[str]) -> Part:
    def make(target: Path, finished: Finished) -> None:
        paths = program_paths(shop.recipe, finished)
        debs = sorted(finished["image-packages"].glob("*.deb"))
        images.make_images(shop.recipe, paths, debs, target, processes=shop.processes, log=shop.log("images"))

    inputs = [
        FORMAT,
        [asdict(row) for row in images.IMAGES],
        images.UNWANTED.pattern,
        dict(shop.recipe.versions),
    ]
    return Part("images", inputs, make, needs=[*programs, "image-packages"])


def program_paths(recipe: Recipe, finished: Finished) -> dict[str, Path]:
    """The file of every program, by `build/program`."""
    paths = {
        f"{build.name}/{program}": finished[build.name] / program
        for build in recipe.builds
        for program in build.programs
    }
    return {**paths, "pause/pause": finished["pause"] / "pause"}
