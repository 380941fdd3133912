"""Extras: what only some clusters need, built and locked apart from the bundle and when it is asked for.

The images of one addon, or a tool such as helm.
"""

from __future__ import annotations

import json
import platform
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from clouder import store
from clouder.bundle import lock as locks
from clouder.bundle.build import require_machine, require_space
from clouder.bundle.events import Event, ignore
from clouder.bundle.golang import toolchain_version
from clouder.bundle.gosource import ORIGINS, compiled
from clouder.bundle.images import ImageRow, program_image
from clouder.bundle.lock import Component, Lock
from clouder.bundle.oci import file_digest, write_layout
from clouder.bundle.parts import Finished, Part, Progress, make_parts, missing_parts
from clouder.bundle.processes import Processes
from clouder.bundle.recipe import FORMAT, RECIPES, Build, fingerprint, tree
from clouder.bundle.shelf import make_once
from clouder.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SOURCE = "go"  # upstream's own images are not pinned here yet


@dataclass(frozen=True)
class ExtraRecipe:
    """Everything that decides what is in one extra; `tools` are files of `bin` -> `build/program`."""

    name: str
    versions: Mapping[str, str]
    builds: Sequence[Build]
    images: Sequence[ImageRow] = ()
    tools: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """12 hex digits over the recipe, the modules it names and the packing format."""
        return fingerprint([FORMAT, asdict(self), *(tree(build.directory) for build in self.builds)])

    @property
    def references(self) -> tuple[str, ...]:
        """The full references of the images."""
        return tuple(row.name.format_map(self.versions) for row in self.images)

    @property
    def directory(self) -> Path:
        """Where its finished bundle is, or will be."""
        return store.cache() / "bundles" / "addons" / f"{self.name}-{SOURCE}-{self.digest}"

    def image(self, repository: str) -> str:
        """The full reference of an image, found by its repository; or KeyError."""
        found = {reference.rpartition(":")[0]: reference for reference in self.references}
        return found[repository]


@cache
def load(name: str) -> ExtraRecipe:
    """Read the recipe `recipes/addons/<name>.json`."""
    raw = json.loads((RECIPES / "addons" / f"{name}.json").read_text())
    builds = tuple(Build(**build) for build in raw["builds"])
    images = tuple(ImageRow(**image) for image in raw["images"])
    return ExtraRecipe(name, raw["versions"], builds, images, raw.get("tools", {}))


def ensure(name: str, *, progress: Progress = ignore) -> Path:
    """The directory of the extra: `images` is an OCI layout, `bin` holds its tools; built first if need be.

    Raises AccessError when this machine lacks a tool, disk or network, Interrupted on Ctrl-C.
    """
    recipe = load(name)
    processes = Processes()
    if not recipe.directory.is_dir():
        make_once(
            recipe.directory,
            partial(_build, recipe, processes=processes, progress=progress),
            processes=processes,
            waiting=lambda: progress(
                Event(name, "start", note="another build is making it: waiting for that")
            ),
        )
    locks.read(recipe.directory)  # raises what is wrong with it
    return recipe.directory


def _build(recipe: ExtraRecipe, target: Path, *, processes: Processes, progress: Progress) -> None:
    require_machine(platform.machine())
    cache = store.cache() / "build"
    logs = cache / "logs"
    compiler = toolchain_version(recipe.builds)
    parts = [compiled(build, compiler, processes, logs / f"{build.name}.log") for build in recipe.builds]
    require_space(cache, SOURCE, missing_parts(parts, cache))
    try:
        finished = make_parts(parts, cache, processes=processes, progress=progress)
    except KeyboardInterrupt:
        processes.stop()
        raise Interrupted("the build was stopped", fix="run it again: finished parts are kept") from None
    _pack(recipe, parts, finished, target)


def _pack(recipe: ExtraRecipe, parts: Sequence[Part], finished: Finished, target: Path) -> None:
    programs = {
        f"{build.name}/{program}": finished[build.name] / program
        for build in recipe.builds
        for program in build.programs
    }
    with tempfile.TemporaryDirectory(dir=target, prefix=".work-") as work:
        images = [program_image(row, recipe.versions, programs, [], Path(work)) for row in recipe.images]
        write_layout(target / "images", images)
    for tool, program in recipe.tools.items():
        (target / "bin").mkdir(exist_ok=True)
        shutil.copy(programs[program], target / "bin" / tool)
    origins = {
        f"{part.name}/{program}": origin
        for part in parts
        for program, origin in json.loads((finished[part.name] / ORIGINS).read_text()).items()
    }
    locks.write(target, _lock(recipe, origins, target))


def _lock(recipe: ExtraRecipe, origins: Mapping[str, str], target: Path) -> Lock:
    index = json.loads((target / "images/index.json").read_text())["manifests"]
    components = []
    for row, reference, entry in zip(recipe.images, recipe.references, index, strict=True):
        repository, _, tag = reference.rpartition(":")
        source = "; ".join(sorted({origins[program] for program in row.programs.values()}))
        components.append(Component(repository, tag, source, entry["digest"].removeprefix("sha256:")))
    for tool, program in recipe.tools.items():
        sha256 = file_digest(target / "bin" / tool).removeprefix("sha256:")
        components.append(Component(tool, recipe.versions[tool], origins[program], sha256))
    return Lock("", SOURCE, "amd64", components, locks.hash_files(target), recipe.references)
