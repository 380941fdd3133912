"""Bakes the node image: the ordinary node steps on a throwaway node, which is then committed.

The throwaway node is a cluster like any other, made by the same Terraform module from the bare image. A bake
that was killed shows up in `clouder k8s ls` under its own name, and the next one goes on with it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

from clouder import engine, locks, nodeimage
from clouder.bootstrap import Payload
from clouder.cluster import Cluster
from clouder.connections import Connections
from clouder.errors import AccessError
from clouder.providers import docker
from clouder.render import asset
from clouder.spec import ClusterSpec, parse
from clouder.step import Event, Workflow
from clouder.steps.machines import CREATE_MACHINES, RENDER
from clouder.steps.node import BASE, CONFIGURE_CONTAINERD, CONFIGURE_CRIU, IMPORT_IMAGES, INSTALL_PACKAGES
from clouder.store import cache, home
from clouder.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from clouder.providers import Provider
    from clouder.step import Reporter

BAKE = Workflow(
    "bake",
    (RENDER, CREATE_MACHINES, BASE, INSTALL_PACKAGES, CONFIGURE_CONTAINERD, CONFIGURE_CRIU, IMPORT_IMAGES),
)
CONTENT = "/var/lib/containerd"


def docker_image(cluster: Cluster, report: Reporter) -> None:
    """Makes the node image of the cluster's spec on the Docker engine, unless it is there."""
    tag = nodeimage.tag(cluster.spec)
    if _exists(tag):
        return
    with locks.wait_for(cache() / "bake.lock"):  # a second create waits here, and then finds the image
        if not _exists(tag):
            base = _import_base(cluster)
            _commit(_bake(_throwaway(cluster, tag), base, report), base, tag)
            _forget_older(tag, base)


def _throwaway(cluster: Cluster, tag: str) -> ClusterSpec:
    owner = hashlib.sha256(str(home()).encode()).hexdigest()[:4]  # two homes may share one engine
    name = f"bake-{tag.rpartition('-')[2]}-{owner}"
    wanted = {"provider": cluster.spec.provider, "kubernetesVersion": cluster.spec.kubernetes_version}
    return parse({"name": name, **wanted, "pools": [], "criu": cluster.spec.criu})


def _bake(spec: ClusterSpec, base: str, report: Reporter) -> Cluster:
    workspace = Workspace.open(spec.name) if spec.name in Workspace.names() else Workspace.create(spec)
    with workspace.lock("bake"), workspace.run_log("bake") as log:
        bare = Cluster(spec, _with_image(base), workspace, workspace.outputs())
        baked = engine.run(bare, BAKE, report=_inner(report), log=log)
        _seal(baked)
    return baked


def _with_image(image: str) -> Provider:
    from clouder.providers.local import LOCAL

    def tfvars(spec: ClusterSpec, previous: Mapping[str, Any]) -> dict[str, Any]:
        values = LOCAL.tfvars(spec, previous)
        return {**values, "options": {**values["options"], "image": image}}

    return replace(LOCAL, tfvars=tfvars)


def _inner(report: Reporter) -> Reporter:
    """The bake's own steps appear as notes of the one action that the user knows."""

    def tell(event: Event) -> None:
        if event.state in {"start", "failed"}:
            report(Event("", "image", "Get the node image", "note", note=event.title))

    return tell


def _seal(cluster: Cluster) -> None:
    seal = asset("templates/node-image/seal.sh").read_bytes()
    with Connections(cluster) as connections:
        code = connections.get(cluster.inventory.leader).run(Payload({"main.sh": seal}))
    if code:
        raise AccessError(f"the node to bake cannot be sealed (exit code {code})")


def _import_base(cluster: Cluster) -> str:
    tag = nodeimage.base_tag(cluster.spec)
    if not _exists(tag):
        _docker("import", str(cluster.bundle.path / "rootfs/node.tar"), f"{tag}-raw")
        _docker("rm", "--force", f"{tag}".replace(":", "-"), check=False)
        container = _docker("create", "--name", tag.replace(":", "-"), f"{tag}-raw", "/bin/true")
        _docker("cp", str(asset("templates/node-image/node-entry.sh")), f"{container}:/node-entry")
        _docker("commit", *_changes(), container, tag)
        _docker("rm", container)
        _docker("rmi", "--no-prune", f"{tag}-raw", check=False)
    return tag


def _changes() -> list[str]:
    return ["--change", 'ENTRYPOINT ["sh", "/node-entry"]']


def _commit(baked: Cluster, base: str, tag: str) -> None:
    """The node's files and, out of its volume, containerd's store as one image.

    A commit would leave the volumes out and yet declare them, so the files are exported and imported.
    """
    node = baked.inventory.leader.name
    halfway = f"{base.partition(':')[0]}:halfway-{tag.rpartition('-')[2]}"
    _docker("stop", node)
    _pipe(["export", node], ["import", "-", halfway])
    container = _docker("create", halfway, "/bin/true")
    _pipe(["cp", f"{node}:{CONTENT}", "-"], ["cp", "-", f"{container}:{CONTENT.rpartition('/')[0]}"])
    _docker("commit", *_changes(), container, tag)
    _docker("rm", container)
    _docker("rmi", "--no-prune", halfway)
    baked.workspace.destroy(baked.provider)
    baked.workspace.remove()


def _forget_older(*tags: str) -> None:
    """Images of the same Kubernetes version that no container uses go: each is half a gigabyte."""
    for tag in tags:
        same_version = tag.rpartition("-")[0]
        for other in _docker("images", "--format", "{{.Repository}}:{{.Tag}}").split():
            if other.startswith(same_version) and other != tag:
                _docker("rmi", other, check=False)


def _exists(tag: str) -> bool:
    return bool(_docker("images", "--quiet", tag))


def _docker(*args: str, check: bool = True) -> str:
    try:
        return docker.run(*args, environment=docker.engine()).strip()
    except AccessError:
        if check:
            raise
        return ""


def _pipe(source: list[str], target: list[str]) -> None:
    """`docker SOURCE | docker TARGET`."""
    environment = {**os.environ, **docker.engine()}
    with subprocess.Popen(["docker", *source], env=environment, stdout=subprocess.PIPE) as reader:
        done = subprocess.run(
            ["docker", *target], env=environment, stdin=reader.stdout, stdout=subprocess.DEVNULL, check=False
        )
    if reader.returncode or done.returncode:
        raise AccessError(
            f"docker {source[0]} into docker {target[0]} failed",
            fix="docker system df shows what space is left",
        )


BUILDERS: dict[str, Callable[[Cluster, Reporter], None]] = {"docker": docker_image}
