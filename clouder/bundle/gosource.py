"""The `go` source: every program compiled here, from modules checked against the committed hashes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from clouder.bundle import golang
from clouder.bundle.parts import Finished, Part
from clouder.bundle.recipe import Build, Recipe, tree

if TYPE_CHECKING:
    from clouder.bundle.processes import Processes

ORIGINS = "sources.json"  # beside the programs of a part: program -> where it came from


def go_parts(recipe: Recipe, processes: Processes, logs: Path) -> list[Part]:
    """One part for each `go build` of the recipe, and one for pause; the longest first."""
    compiler = golang.toolchain_version(recipe.builds)
    parts = [compiled(build, compiler, processes, logs / f"{build.name}.log") for build in recipe.builds]
    return [*parts, _pause(recipe, processes, logs / "pause.log")]


def compiled(build: Build, compiler: str, processes: Processes, log: Path) -> Part:
    """The part of one `go build`; `compiler` is the version of Go, which is in what it makes."""

    def make(target: Path, _: Finished) -> None:
        golang.compile_build(build, target, processes=processes, log=log)
        origins = {program: golang.origin(build, package) for program, package in build.programs.items()}
        (target / ORIGINS).write_text(json.dumps(origins))

    settings = golang.command(build, Path("go"), Path("target"))
    inputs = [build.name, dict(build.programs), settings[4:], build.cgo, tree(build.directory), compiler]
    return Part(build.name, inputs, make)


def _pause(recipe: Recipe, processes: Processes, log: Path) -> Part:
    kubernetes = next(build for build in recipe.builds if build.name == "kubernetes")

    def make(target: Path, _: Finished) -> None:
        version = recipe.versions["pause"]
        golang.compile_pause(kubernetes, version, target, processes=processes, log=log)
        origin = golang.origin(kubernetes, "k8s.io/kubernetes/build/pause")
        (target / ORIGINS).write_text(json.dumps({"pause": origin}))

    return Part("pause", [recipe.versions["pause"], golang.PAUSE_FLAGS, tree(kubernetes.directory)], make)
