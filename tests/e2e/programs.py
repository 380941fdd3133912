"""One image with three real programs from Debian: Python, redis, node.js; made once, kept in the cache."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from clouder import store
from clouder.bundle import oci
from clouder.bundle.mirrors import host_mirrors

SUITE = "trixie"
PACKAGES = "base-files,busybox-static,python3-minimal,redis-server,nodejs"
OPTIONS = (
    "--quiet",
    "--variant=extract",
    f"--include={PACKAGES}",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
)
KEY = hashlib.sha256("\0".join((SUITE, *OPTIONS)).encode()).hexdigest()[:12]
NAME = f"localhost/clouder-tests/programs:{KEY}"


def image() -> Path:
    """The image as one OCI tar."""
    target = store.cache() / "tests" / f"programs-{KEY}.oci.tar"
    if not target.exists():
        store.private_dir(target.parent)
        with tempfile.TemporaryDirectory(dir=target.parent) as work:
            root = Path(work) / "root.tar"
            subprocess.run(
                ["mmdebstrap", *OPTIONS, SUITE, str(root), "-"],
                input="\n".join(host_mirrors().sources(SUITE)).encode(),
                env={**os.environ, "LC_ALL": "C"},
                check=True,
            )
            layer = oci.uncompressed_layer(root)
            made = oci.write_layout(Path(work) / "image.tar", [oci.Image(NAME, [layer], PATH)])
            made.rename(target)
    return target


PATH = {"Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}
