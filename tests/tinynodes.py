"""Local clusters of tiny nodes: the real engine and terraform, busybox in place of Debian and haproxy."""

from __future__ import annotations

import io
import os
import secrets
import shutil
import subprocess
import tarfile
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clouder.providers import docker
from clouder.providers.local import LOCAL
from clouder.spec import parse
from clouder.store import cache
from tests import machines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clouder.plan import Plan
    from clouder.spec import ClusterSpec
    from clouder.workspace import OnEvent, Outputs

IMAGE = "clouder-tests:tiny"
APPLETS = ("sh", "cat", "ls", "sleep", "stat", "true", "touch")
WAIT = """#!/bin/sh
if [ "$1" = -c ]; then exit 0; fi
trap "exit 0" TERM RTMIN+3
trap "echo reloaded" USR2
while :; do sleep 0.2; done
"""


def engine() -> dict[str, str]:
    """The environment of an engine that answers; raises AccessError with the fix."""
    return docker.engine()


def run(*args: str) -> str:
    """What a docker command prints."""
    return docker.run(*args, environment=engine()).strip()


def busybox() -> bytes:
    """A statically linked busybox, from the Debian package busybox-static."""
    kept = cache() / "tests" / "busybox"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["apt-get", "download", "-qq", "busybox-static"], cwd=folder, check=True)
            [package] = Path(folder).glob("*.deb")
            subprocess.run(["dpkg", "-x", str(package), folder], check=True)
            [binary] = [path for path in Path(folder).rglob("bin/busybox") if path.is_file()]
            kept.parent.mkdir(parents=True, exist_ok=True)
            draft = kept.with_name(f"busybox.{os.getpid()}")
            shutil.copy(binary, draft)
            draft.rename(kept)
    return kept.read_bytes()


def tiny_image() -> str:
    """An image whose init waits, and whose haproxy says so when it is told to reload."""
    if not run("images", "--quiet", IMAGE):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            _add(tar, "bin/busybox", busybox())
            _add(tar, "sbin/init", WAIT.encode())
            _add(tar, "bin/haproxy", WAIT.encode())
            for name in APPLETS:
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
        command = ["docker", "import", "--change", 'ENTRYPOINT ["/sbin/init"]', "-", IMAGE]
        subprocess.run(
            command, input=buffer.getvalue(), env={**os.environ, **engine()}, check=True, capture_output=True
        )
    return IMAGE


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o755
    tar.addfile(entry, io.BytesIO(data))


def _tfvars(spec: ClusterSpec, previous: Mapping[str, Any]) -> dict[str, Any]:
    values = LOCAL.tfvars(spec, previous)
    return {**values, "options": {**values["options"], "image": IMAGE}}


TINY = replace(LOCAL, tfvars=_tfvars)


def spec_of(name: str, workers: int = 1, **fields: Any) -> ClusterSpec:
    """A spec of one master and `workers` workers."""
    return parse({"name": name, "pools": [{"name": "workers", "desired": workers}], **fields})


def apply(spec: ClusterSpec, *, on_event: OnEvent | None = None, force: bool = False) -> tuple[Plan, Outputs]:
    """What a create does before the first step on a node."""
    return machines.apply(spec, TINY, on_event=on_event, force=force)


def delete(name: str) -> None:
    """What a delete does."""
    machines.delete(name, TINY)


def containers(name: str, *, all_states: bool = True) -> dict[str, str]:
    """Container ids of a cluster by name."""
    args = ["ps", "--no-trunc", "--filter", f"label=clouder-cluster={name}", "--format", "{{.Names}} {{.ID}}"]
    lines = run(*args, *(["--all"] if all_states else [])).splitlines()
    return dict(line.split() for line in lines)


def volumes(names: list[str]) -> set[str]:
    """The anonymous volumes of containers."""
    template = '{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}}\n{{end}}{{end}}'
    return set(run("container", "inspect", "--format", template, *names).split()) if names else set()


def leftovers(name: str, known_volumes: set[str]) -> list[str]:
    """What is still there of a cluster: containers, networks, and those of the volumes it had."""
    networks = run(
        "network", "ls", "--filter", f"label=clouder-cluster={name}", "--format", "{{.Name}}"
    ).split()
    there = set(run("volume", "ls", "--quiet").split())
    return [*containers(name), *networks, *sorted(known_volumes & there)]


@contextmanager
def cluster_name() -> Iterator[str]:
    """A name nobody uses; whatever bears it is removed at the end."""
    tiny_image()
    name = f"t{secrets.token_hex(4)}"
    try:
        yield name
    finally:
        for container in containers(name):
            run("rm", "--force", "--volumes", container)
        for network in run("network", "ls", "--quiet", "--filter", f"label=clouder-cluster={name}").split():
            run("network", "rm", network)
