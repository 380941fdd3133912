"""Debian packages without touching this machine's apt: resolved and fetched by apt in a private root."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clouder.bundle.mirrors import KEYRING, host_mirrors
from clouder.bundle.processes import Processes, missing
from clouder.bundle.tarball import EPOCH, Entry, Selection, write_tar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from clouder.bundle.recipe import Debian

TOOLS = "mmdebstrap zstd dpkg apt debian-archive-keyring"
PINNED = "Package: *\nPin: release n={suite}\nPin-Priority: 100\n"
# Kept small, but the licences stay.
NOT_ON_NODES = [
    *("path-exclude=/usr/share/man/*", "path-exclude=/usr/share/info/*", "path-exclude=/usr/share/locale/*"),
    *("path-exclude=/usr/share/doc/*", "path-include=/usr/share/doc/*/copyright"),
]

NOT_TAKEN_OVER = (
    "etc/apt/sources.list.d/",
    "etc/ssh/ssh_host_",
    # apt-daily would hold dpkg's lock just when a step installs; the others have nothing to do in a node.
    "etc/systemd/system/timers.target.wants/",
    "etc/systemd/system/multi-user.target.wants/haproxy.service",  # there when asked for, not running
)


@dataclass(frozen=True)
class Apt:
    """An apt with its own directory, sources and idea of what is installed."""

    root: Path
    processes: Processes
    log: Path

    def update(self) -> None:
        """Fetch the package lists."""
        self._run("apt-get", "-q", "update")

    def download(self, packages: Sequence[str], to: Path) -> list[Path]:
        """Fetch `packages` and what they need beyond the installed ones, as .deb files in `to`."""
        self._run("apt-get", "-q", "-y", "--download-only", "install", *packages)
        to.mkdir(parents=True, exist_ok=True)
        found = sorted((self.root / "var/cache/apt/archives").glob("*.deb"))
        return [Path(shutil.move(path, to / path.name)) for path in found]

    def simulate(self, packages: Sequence[str]) -> None:
        """Resolve an installation of `packages` without doing it; raises ClouderError when it cannot be."""
        self._run("apt-get", "-q", "-y", "--simulate", "install", *packages)

    def _run(self, *command: str) -> None:
        environment = {
            "APT_CONFIG": str(self.root / "apt.conf"),
            "LC_ALL": "C",
            "DEBIAN_FRONTEND": "noninteractive",
        }
        self.processes.run(command, log=self.log, env=environment, install=TOOLS)


@contextmanager
def private_apt(
    sources: Iterable[str], status: bytes, *, pinned: str = "", processes: Processes, log: Path
) -> Iterator[Apt]:
    """An `Apt` in a directory that goes away after use; `status` is dpkg's status file of the target."""
    with tempfile.TemporaryDirectory(prefix="clouder-apt-") as name:
        root = Path(name)
        for folder in (
            "etc/apt/preferences.d",
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
            "dpkg",
        ):
            (root / folder).mkdir(parents=True)
        (root / "etc/apt/sources.list").write_text("\n".join(sources) + "\n")
        (root / "dpkg/status").write_bytes(status)
        if pinned:
            (root / "etc/apt/preferences.d/pinned").write_text(PINNED.format(suite=pinned))
        (root / "apt.conf").write_text(_configuration(root))
        apt = Apt(root, processes, log)
        apt.update()
        yield apt


def make_rootfs(debian: Debian, tar: Path, *, processes: Processes, log: Path) -> None:
    """Make the root file system of a node: systemd and sshd, no host keys, machine id or mirror."""
    _require_keyring()
    raw = tar.with_name("raw.tar")
    command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(debian.node)}"]
    command += [f"--dpkgopt={option}" for option in NOT_ON_NODES]
    environment = {"SOURCE_DATE_EPOCH": str(EPOCH), "LC_ALL": "C"}
    command += [f'--aptopt={key} "{value}";' for key, value in _proxies().items()]
    command += [debian.suite, str(raw), *host_mirrors().sources(debian.suite)]
    processes.run(command, log=log, env=environment, install=TOOLS)
    write_tar(tar, [Entry("etc/machine-id", b"", mode=0o444)], base=[Selection(raw, _belongs_on_a_node)])
    raw.unlink()


def fetch_node_packages(debian: Debian, status: bytes, to: Path, *, processes: Processes, log: Path) -> None:
    """Fetch what a node needs from Debian on top of the rootfs whose dpkg `status` is given."""
    mirrors = host_mirrors()
    sources = [*mirrors.sources(debian.suite), mirrors.testing_source(debian.newer)]
    _require_keyring()
    with private_apt(sources, status, pinned=debian.newer, processes=processes, log=log) as apt:
        apt.download([*debian.packages, *(f"{name}/{debian.newer}" for name in debian.from_newer)], to)


def fetch_image_packages(debian: Debian, to: Path, *, processes: Processes, log: Path) -> None:
    """Fetch the packages (and all that they need) of the images that contain Debian programs."""
    _require_keyring()
    with private_apt(host_mirrors().sources(debian.suite), b"", processes=processes, log=log) as apt:
        apt.download(list(debian.image), to)


def installed(rootfs: Path) -> bytes:
    """The dpkg status file inside a root file system tar."""
    with tarfile.open(rootfs) as archive:
        content = archive.extractfile("var/lib/dpkg/status")
        assert content is not None
        return content.read()


def unpack(deb: Path, tar: Path, *, processes: Processes, log: Path) -> Path:
    """Take the files out of a .deb as a tar."""
    tar.unlink(missing_ok=True)
    processes.run(["dpkg-deb", "--fsys-tarfile", deb], log=log, stdout=tar, install=TOOLS)
    return tar


def _belongs_on_a_node(path: str) -> bool:
    return not path.startswith(NOT_TAKEN_OVER) and path not in (
        *("etc/machine-id", "var/lib/dbus/machine-id", "etc/hostname", "etc/resolv.conf"),
        *("etc/apt/sources.list", "etc/apt/apt.conf.d/99mmdebstrap"),
    )


def _configuration(root: Path) -> str:
    settings: dict[str, str] = {
        "Dir": str(root),
        "Dir::State::status": str(root / "dpkg/status"),
        "Dir::Etc::netrc": "/etc/apt/auth.conf",  # the host's mirror may ask for a login
        "Dir::Etc::netrcparts": "/etc/apt/auth.conf.d",
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        **_proxies(),
    }
    return "".join(f'{key} "{value}";\n' for key, value in settings.items())


def _proxies() -> dict[str, str]:
    shown = subprocess.run(
        ["apt-config", "dump", "--format", "%f=%v%n"], capture_output=True, text=True, check=False
    )
    pairs = (line.partition("=") for line in shown.stdout.splitlines())
    return {
        key: value for key, _, value in pairs if key.startswith("Acquire::http") and "Proxy" in key and value
    }


def _require_keyring() -> None:
    if not KEYRING.exists():
        raise missing("debian-archive-keyring", TOOLS)
