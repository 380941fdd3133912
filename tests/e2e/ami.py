"""What stands for Debian's image on EC2: Debian 13 with the real cloud-init, as an image of Docker's."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from clouder import bundle, store
from clouder.bundle.mirrors import host_mirrors
from clouder.bundle.recipe import load
from clouder.providers import docker
from clouder.render import asset

if TYPE_CHECKING:
    from collections.abc import Iterator

OPTIONS = ("--quiet", "--variant=minbase", "--dpkgopt=path-exclude=/usr/share/doc/*")
# As on Debian's own image the user is called admin. User data comes from a folder instead of EC2's metadata
# service, and the addresses are Docker's affair.
CLOUD_CONFIG = """datasource_list: [NoCloud]
network: {config: disabled}
system_info: {default_user: {name: admin}}
"""


@contextmanager
def image() -> Iterator[str]:
    """The name of the image, which goes at the end."""
    name = f"clouder-tests:ami-{os.getpid()}"
    halfway = f"clouder-ami-{os.getpid()}"
    _docker("import", str(_root()), f"{name}-raw")
    _docker("create", "--name", halfway, f"{name}-raw", "true")
    try:
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "90_ec2.cfg"
            config.write_text(CLOUD_CONFIG)
            _docker("cp", str(config), f"{halfway}:/etc/cloud/cloud.cfg.d/90_ec2.cfg")
        _docker("cp", str(asset("templates/node-image/node-entry.sh")), f"{halfway}:/node-entry")
        changes = ["--change", 'ENTRYPOINT ["sh", "/node-entry"]', "--change", "CMD []"]
        _docker("commit", *changes, halfway, name)
        _docker("rm", halfway)
        yield name
    finally:
        for leftover in (name, f"{name}-raw"):
            _docker("rmi", "--force", leftover)


def _root() -> Path:
    """The root file system of a bundle's nodes, and what else Debian puts into its image; kept."""
    debian = load(bundle.SUPPORTED[0]).debian
    packages = ",".join([*debian.node, "sudo", "cloud-init"])
    key = hashlib.sha256("\0".join((debian.suite, packages, *OPTIONS)).encode()).hexdigest()[:12]
    target = store.cache() / "tests" / f"ami-{key}.tar"
    if not target.exists():
        store.private_dir(target.parent)
        draft = target.with_name(f"ami-{os.getpid()}.tar")
        sources = host_mirrors().sources(debian.suite)
        command = ["mmdebstrap", *OPTIONS, f"--include={packages}", debian.suite, str(draft), *sources]
        subprocess.run(command, env={**os.environ, "LC_ALL": "C"}, check=True)
        draft.rename(target)
    return target


def _docker(*args: str) -> str:
    return docker.run(*args, environment=docker.engine()).strip()
