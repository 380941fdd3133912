"""Machines that nobody made for Clouder: containers with systemd and sshd, a user, and sudo."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clouder.bake import _import_base
from clouder.cluster import Cluster
from clouder.providers import docker, provider_of
from clouder.render import asset
from clouder.spec import parse
from clouder.store import cache
from clouder.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = "ubuntu"
IMAGE = f"clouder-tests:metal-{os.getpid()}"
SUDOERS = f"/etc/sudoers.d/{USER}"
SETUP = f"""set -e
dpkg --install /sudo.deb
rm /sudo.deb
useradd --create-home --shell /bin/sh {USER}
mkdir -m 700 /home/{USER}/.ssh
echo '{USER} ALL=(ALL) NOPASSWD:ALL' >{SUDOERS}
"""


@dataclass(frozen=True)
class Rack:
    """Running machines by name, on a network of their own, and the key that lets `USER` in."""

    addresses: dict[str, str]
    key_file: Path
    known_hosts: Path
    prefix: str

    def run(self, machine: str, script: str) -> str:
        """What a script prints that somebody at the machine's console runs as root."""
        return _docker("exec", f"{self.prefix}-{machine}", "sh", "-c", script)

    def host_key(self, machine: str) -> str:
        """Its public host key."""
        return self.run(machine, "cat /etc/ssh/ssh_host_ed25519_key.pub")

    def pin(self, **other: str) -> None:
        """Writes known_hosts, with the key of another machine for those in `other`."""
        lines = [
            f"{address} {self.host_key(other.get(name, name))}" for name, address in self.addresses.items()
        ]
        self.known_hosts.write_text("\n".join(lines) + "\n")


@contextmanager
def rack(folder: Path, *names: str) -> Iterator[Rack]:
    """Machines that run; they go at the end, with their network."""
    prefix = f"metal-{os.getpid()}"
    key_file = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key_file)], check=True)
    network = f"10.214.{os.getpid() % 250}"
    made = Rack(
        {name: f"{network}.{10 + number}" for number, name in enumerate(names)},
        key_file,
        folder / "known_hosts",
        prefix,
    )
    image = _image()
    try:
        _docker("network", "create", "--subnet", f"{network}.0/24", prefix)
        for name in names:
            _make(made, name, image, folder)
        for name in names:
            made.run(name, "systemctl is-system-running --wait || true")
        yield made
    finally:
        for name in names:
            _docker("rm", "--force", "--volumes", f"{prefix}-{name}")
        _docker("network", "rm", prefix)
        _docker("rmi", image)


def _make(rack: Rack, name: str, image: str, folder: Path) -> None:
    """By the script that makes local nodes, which knows what a container needs to be like a machine."""
    node = f"{rack.prefix}-{name}"
    values = {
        "NODE": node,
        "NETWORK": rack.prefix,
        "ADDRESS": rack.addresses[name],
        "SSH_PORT": "",
        "ROLE": "metal",
        "POOL": "metal",
        "SIZE": "",
        "IMAGE": image,
        "LABELS": "",
        "OWNER": rack.prefix,
    }
    script = asset("terraform/local/scripts/node-create.sh")
    subprocess.run(["sh", str(script)], env={**os.environ, **docker.engine(), **values}, check=True)
    host_key = folder / f"host-{name}"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(host_key)], check=True)
    _docker("cp", str(host_key), f"{node}:/etc/ssh/ssh_host_ed25519_key")
    _docker("cp", f"{host_key}.pub", f"{node}:/etc/ssh/ssh_host_ed25519_key.pub")
    _docker("cp", f"{rack.key_file}.pub", f"{node}:/home/{USER}/.ssh/authorized_keys")
    resolvers = folder / "resolv.conf"  # Docker's own, on loopback, would make CoreDNS ask itself
    resolvers.write_text("nameserver 192.0.2.53\n")
    _docker("cp", str(resolvers), f"{node}:/root/resolv.conf")
    _docker("start", node)
    rack.run(name, "cat /root/resolv.conf >/etc/resolv.conf")
    rack.run(name, f"chown -R {USER} /home/{USER}/.ssh; chown root /etc/ssh/ssh_host_*")


def _image() -> str:
    """The bundle's root file system with what the owner of a machine puts into it: a user and sudo."""
    base = _import_base(_any_cluster())
    halfway = f"metal-image-{os.getpid()}"
    _docker("create", "--name", halfway, "--entrypoint", "sh", base, "-c", SETUP)
    try:
        with tempfile.TemporaryDirectory() as copy:
            deb = Path(copy) / "sudo.deb"
            shutil.copy(_sudo(), deb)
            _docker("cp", str(deb), f"{halfway}:/sudo.deb")
        _docker("start", "--attach", halfway)
        _docker(
            "commit", "--change", 'ENTRYPOINT ["sh", "/node-entry"]', "--change", "CMD []", halfway, IMAGE
        )
    finally:
        _docker("rm", "--force", halfway)
    return IMAGE


def _any_cluster() -> Cluster:
    spec = parse({"name": "metal"})
    return Cluster(spec, provider_of(spec.provider), Workspace(Path("/nowhere/metal")))


def _sudo() -> Path:
    """The Debian package, kept."""
    kept = cache() / "tests" / "sudo.deb"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["apt-get", "download", "-qq", "sudo"], cwd=folder, check=True)
            [package] = Path(folder).glob("*.deb")
            kept.parent.mkdir(parents=True, exist_ok=True)
            draft = kept.with_name(f"sudo.{os.getpid()}")
            shutil.copy(package, draft)
            draft.rename(kept)
    return kept


def _docker(*args: str) -> str:
    return docker.run(*args, environment=docker.engine()).strip()
