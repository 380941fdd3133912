"""Helm charts, each out of the Go module that upstream keeps it in, checked against the lock file.

Go's module proxy serves whole repositories, and its checksum database vouches for them: a chart comes from
the same place and under the same check as the programs, and no chart repository has to be trusted or reached.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from clouder import store
from clouder.bundle.extra import ensure as ensure_extra
from clouder.bundle.golang import SETTINGS, toolchain
from clouder.bundle.processes import Processes
from clouder.bundle.recipe import RECIPES
from clouder.bundle.shelf import make_once
from clouder.errors import AccessError, ClouderError

HELM = "helm"  # the recipe of the program
LOCK = RECIPES / "addons" / "charts.lock.json"


@dataclass(frozen=True)
class Chart:
    """One row of the lock: a folder of a Go module; `app_version` is the tag of the images we ask for."""

    name: str
    version: str
    app_version: str
    module: str  # path@version
    sum: str  # of the module, as in go.sum
    path: str  # of the folder
    sha256: str  # of the folder, see `digest`


@cache
def locked() -> dict[str, Chart]:
    """The charts of the lock file, by name."""
    rows = json.loads(LOCK.read_text())
    return {name: Chart(name, **row) for name, row in rows.items()}


def ensure(name: str) -> Path:
    """The folder of chart `name`, fetched first if need be; raises AccessError, ClouderError."""
    chart = locked()[name]
    target = store.cache() / "bundles" / "addons" / f"chart-{name}-{chart.version}-{chart.sha256[:12]}"
    if not target.is_dir():
        make_once(target, partial(fetch, chart), processes=Processes(), waiting=lambda: None)
    return target


def template(name: str, release: str, values: str, *, namespace: str, kubernetes: str) -> bytes:
    """What `helm template` makes of chart `name` with `values`, a YAML text; raises ClouderError."""
    helm, chart = ensure_extra(HELM) / "bin" / "helm", ensure(name)
    options = ("--namespace", namespace, "--kube-version", kubernetes, "--include-crds", "--skip-tests")
    with tempfile.TemporaryDirectory(prefix="clouder-helm-") as home:
        done = subprocess.run(
            [helm, "template", release, chart, "--values", "-", *options],
            # Neither plugins nor settings of the user's own helm: the same bytes on every machine.
            env={"HOME": home},
            input=values.encode(),
            capture_output=True,
            check=False,
        )
    if done.returncode:
        raise ClouderError(
            f"helm cannot render the chart {name}: {done.stderr.decode().strip()}",
            fix="this is a fault of the addon's values; report it",
        )
    return done.stdout


def digest(folder: Path) -> str:
    """The sha256 over the names and contents of all files below `folder`, 64 hexadecimal digits."""
    sha = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        sha.update(f"{content}  {path.relative_to(folder).as_posix()}\n".encode())
    return sha.hexdigest()


def fetch(chart: Chart, target: Path) -> None:
    """Copies a chart to `target`; raises ClouderError when it is not what the lock says, AccessError."""
    downloaded = download(chart.module)
    if downloaded["Sum"] != chart.sum:
        raise ClouderError(
            f"the module {chart.module} is not the locked one: {downloaded['Sum']} instead of {chart.sum}",
            fix="do not use what GOPROXY serves",
        )
    folder = Path(downloaded["Dir"]) / chart.path
    found = digest(folder)
    if found != chart.sha256:
        raise ClouderError(
            f"the chart {chart.name} is not the locked one: sha256 {found} instead of {chart.sha256}",
            fix="go clean -modcache removes a damaged copy",
        )
    shutil.copytree(folder, target, dirs_exist_ok=True, copy_function=shutil.copyfile)


def download(module: str) -> dict[str, str]:
    """`go mod download` of `path@version`: its Dir and Sum among others; raises AccessError."""
    done = subprocess.run(
        [toolchain([]), "mod", "download", "-json", module],
        env={**os.environ, **SETTINGS},
        cwd="/",  # in no module
        capture_output=True,
        text=True,
        check=False,
    )
    told: dict[str, str] = json.loads(done.stdout or "{}")
    if done.returncode or "Dir" not in told:
        raise AccessError(
            f"the Go module {module} cannot be had: {told.get('Error') or done.stderr.strip()}",
            fix="see `go env GOPROXY`; the network must let it through",
        )
    return told
