"""The name of a baked node image: it changes when anything that went into the image does."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from clouder import bundle
from clouder.render import asset

if TYPE_CHECKING:
    from clouder.spec import ClusterSpec

INGREDIENTS = ("templates/node", "templates/node-image")


def tag(spec: ClusterSpec) -> str:
    """`clouder-node:<version>-<hash>` for the nodes of `spec`."""
    digest = hashlib.sha256(_bundle_digest(spec))
    digest.update(b"criu" if spec.criu else b"")
    for folder in INGREDIENTS:
        for path in sorted(asset(folder).rglob("*")):
            if path.is_file():
                digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"clouder-node:{spec.kubernetes_version}-{digest.hexdigest()[:12]}"


def base_tag(spec: ClusterSpec) -> str:
    """The image with the bundle's root file system alone, from which the other one is baked."""
    digest = hashlib.sha256(_bundle_digest(spec))
    digest.update(asset("templates/node-image/node-entry.sh").read_bytes())
    return f"clouder-node-base:{spec.kubernetes_version}-{digest.hexdigest()[:12]}"


def _bundle_digest(spec: ClusterSpec) -> bytes:
    """A plan can be shown before there is a bundle."""
    found = bundle.find(spec.kubernetes_version)
    return found.digest.encode() if found else b"not built"
