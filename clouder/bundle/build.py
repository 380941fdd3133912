"""The flow of a build: programs, Debian packages and the root file system become one bundle directory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from clouder.bundle import debian, images, packages
from clouder.bundle.assemble import assemble
from clouder.bundle.gosource import go_parts
from clouder.bundle.parts import Finished, Part, Progress, make_parts
from clouder.bundle.processes import Processes
from clouder.bundle.recipe import FORMAT, Recipe


@dataclass(frozen=True)
class Workshop:
    """What every part of one build shares: the recipe, the child processes, the folder of logs."""

    recipe: Recipe
    processes: Processes
    logs: Path

    def log(self, part: str) -> Path:
        """The log file of one part."""
        return self.logs / f"{part}.log"


ProgramParts = Callable[[Recipe, Processes, Path], list[Part]]
SOURCES: Mapping[str, ProgramParts] = {"go": go_parts}


def build(recipe: Recipe, source: str, cache: Path, target: Path, *, progress: Progress) -> None:
    """Make the bundle of `recipe` in the new directory `target`, with finished parts kept below `cache`."""
    shop = Workshop(recipe, Processes(), cache / "logs")
    programs = SOURCES[source](recipe, shop.processes, shop.logs)
    finished = make_parts(
        [*programs, *_shared_parts(shop, [part.name for part in programs])],
        cache,
        processes=shop.processes,
        progress=progress,
    )
    assemble(recipe, source, finished, target, processes=shop.processes, log=shop.log("assemble"))


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
