"""What this machine needs to run Clouder, looked at one by one; every fault with its fix."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from clouder.errors import ClouderError
from clouder.store import cache, home

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

State = Literal["ok", "warn", "fail"]
GIB = 1 << 30
# Measured: building one bundle from source leaves 14 GiB in Go's caches and Clouder's; a cluster of
# three nodes whose bundle is there takes less than 2 GiB.
BUILD_SPACE = 15
RUN_SPACE = 2
BUILD_PROGRAMS = {"gcc": "gcc libc6-dev", "dpkg-deb": "dpkg", "mmdebstrap": "mmdebstrap", "zstd": "zstd"}


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what was found, and what to type where it is not right."""

    check: str
    state: State
    found: str
    fix: str = ""


def examine() -> list[Finding]:
    """Every check, in the order of use; changes nothing."""
    return [check() for check in (_python, _home, _terraform, _docker, _ssh, _bundle, _go, _tools, _disk)]


def _python() -> Finding:
    return Finding("python", "ok", ".".join(map(str, sys.version_info[:3])))


def _home() -> Finding:
    base = _existing(home())
    if os.access(base, os.W_OK | os.X_OK):
        return Finding("home", "ok", str(home()))
    fix = f"make {base} writable, or set CLOUDER_HOME to a directory that is"
    return Finding("home", "fail", f"{home()} cannot be written", fix)


def _terraform() -> Finding:
    from clouder.terraform import binary

    def look() -> str:
        path = binary()
        shown = subprocess.run([path, "version"], capture_output=True, text=True, check=False).stdout
        name, version = shown.split()[:2]
        return f"{name} {version.removeprefix('v')} at {path}"

    return _asked("terraform", look)


def _docker() -> Finding:
    from clouder.providers import docker

    def look() -> str:
        environment = docker.engine()
        version = docker.run("version", "--format", "{{.Server.Version}}", environment=environment).strip()
        where = environment.get("DOCKER_HOST") or os.environ.get("DOCKER_HOST", "")
        return f"engine {version}" + (f" at {where}" if where else "")

    return _asked("docker", look)


def _ssh() -> Finding:
    """Clouder brings its own client and makes its own keys."""
    from importlib.metadata import version

    found = f"built in (fabric {version('fabric')}, paramiko {version('paramiko')})"
    return Finding("ssh", "ok", found)


def _bundle() -> Finding:
    from clouder import bundle

    built = [version for version in bundle.SUPPORTED if bundle.find(version)]
    if built:
        return Finding("bundle", "ok", ", ".join(built))
    return Finding("bundle", "warn", "none yet; the first create builds one, which takes a while", BUILD)


BUILD = "clouder bundle build"


def _go() -> Finding:
    from clouder.bundle import SUPPORTED, golang, recipe

    finding = _asked("go", lambda: str(golang.toolchain(recipe.load(SUPPORTED[0]).builds)))
    return _for_builds(finding)


def _tools() -> Finding:
    missing = [name for name in BUILD_PROGRAMS if not shutil.which(name)]
    if not missing:
        return Finding("build tools", "ok", ", ".join(BUILD_PROGRAMS))
    packages = " ".join(BUILD_PROGRAMS[name] for name in missing)
    return _for_builds(
        Finding("build tools", "fail", f"{', '.join(missing)} not found", f"apt-get install {packages}")
    )


def _for_builds(finding: Finding) -> Finding:
    """What only a build needs is no fault where a bundle is there."""
    if finding.state != "fail" or _bundle().state != "ok":
        return finding
    return Finding(finding.check, "warn", f"{finding.found} (only needed to build bundles)", finding.fix)


def _disk() -> Finding:
    needed = RUN_SPACE if _bundle().state == "ok" else BUILD_SPACE
    places = {base.stat().st_dev: base for base in (_existing(home()), _existing(cache()))}
    free = {base: shutil.disk_usage(base).free / GIB for base in places.values()}
    found = ", ".join(f"{space:.0f} GiB free at {base}" for base, space in free.items())
    if min(free.values()) < RUN_SPACE:
        return Finding("disk", "fail", found, f"free {RUN_SPACE} GiB, or set CLOUDER_HOME and CLOUDER_CACHE")
    if min(free.values()) < needed:
        return Finding("disk", "warn", found, f"building a bundle needs {needed} GiB; set CLOUDER_CACHE")
    return Finding("disk", "ok", found)


def _existing(path: Path) -> Path:
    return next(part for part in (path, *path.parents) if part.exists())


def _asked(check: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(check, "ok", look())
    except ClouderError as error:
        return Finding(check, "fail", error.message.splitlines()[0], error.fix)
