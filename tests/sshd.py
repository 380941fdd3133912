"""A private, real sshd on loopback: one fake host per address, each with its own run directory."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from clouder.connection import Connection
from clouder.inventory import Address, Host

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

USER = pwd.getpwuid(os.getuid()).pw_name
PRIVILEGE_SEPARATION = Path("/run/sshd")  # compiled into sshd; a package makes it at boot


def binary() -> str:
    """Where sshd is; raises FileNotFoundError with the package to install."""
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if not found:
        raise FileNotFoundError("sshd is missing: apt-get install openssh-server")
    return found


def keygen(path: Path, *, kind: str = "ed25519") -> Path:
    """A new key pair at `path` without a passphrase."""
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return path


class Sshd:
    """An sshd that listens on `addresses` (at most 16) at one free port and knows one client key.

    `options` are further lines of sshd_config, such as MaxStartups; `launcher` is a command that starts
    another, such as unshare. Each address is one host, called node-1 and so on, with its own
    CLOUDER_RUN_DIR, so that the hosts do not share the lock. A context manager.
    """

    def __init__(
        self,
        directory: Path,
        addresses: Sequence[str] = ("127.0.0.1",),
        *,
        user: str = USER,
        options: Sequence[str] = (),
        kind: str = "ed25519",
        launcher: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self.addresses = tuple(addresses)
        self.user = user
        self.port = 0
        self._options = tuple(options)
        self._launcher = tuple(launcher)
        self.key_file = directory / "client"
        self._host_key = directory / "host"
        self._home = directory / "home"  # empty, so that no one's .bashrc takes part
        self._home.mkdir(exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None
        if not self.key_file.exists():
            keygen(self.key_file)
        if not self._host_key.exists():
            keygen(self._host_key, kind=kind)

    def __enter__(self) -> Sshd:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def host_key(self) -> str:
        """The public host key, as a client pins it."""
        return " ".join((self._host_key.with_suffix(".pub")).read_text().split()[:2])

    @property
    def hosts(self) -> tuple[Host, ...]:
        """One host per address."""
        return tuple(self.host(index) for index in range(len(self.addresses)))

    def host(self, index: int = 0) -> Host:
        """The host at `addresses[index]`."""
        address = self.addresses[index]
        return Host(
            name=f"node-{index + 1}",
            role="node",
            pool="workers",
            ssh=Address(address, self.port, self.user),
            private_ip=address,
        )

    def run_dir(self, index: int = 0) -> Path:
        """What stands for /run/clouder on that host."""
        return self.directory / "run" / str(index + 1)

    def connection(self, index: int = 0, *, host_key: str = "") -> Connection:
        """A connection to that host, not yet open."""
        return Connection(self.host(index), key_file=self.key_file, host_key=host_key or self.host_key)

    def start(self) -> None:
        """Start, at the same port as before if there was one, and wait until all addresses listen."""
        if os.getuid() == 0:
            PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
        self.port = self.port or _free_port(self.addresses[0])
        config = self.directory / "sshd_config"
        config.write_text("\n".join(self._config()) + "\n")
        log = self.directory / "log"
        self._process = subprocess.Popen(
            [*self._launcher, binary(), "-D", "-f", str(config), "-E", str(log)],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        _until(self._listens, lambda: f"sshd does not start: {log.read_text() if log.exists() else ''}")

    def stop(self) -> None:
        """End sshd and its sessions, and runs that outlived theirs."""
        if self._process is None:
            return
        for pid in [*self.sessions(), self._process.pid, *self.orphans()]:
            _signal(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def orphans(self) -> list[int]:
        """The processes of runs on these hosts, whether or not their client is still there."""
        found = []
        for cwd in Path("/proc").glob("[0-9]*/cwd"):
            with suppress(OSError):
                if str(cwd.readlink()).startswith(f"{self.directory}/run/"):
                    found.append(int(cwd.parent.name))
        return found

    def sessions(self) -> list[int]:
        """The processes that serve a connection, not the commands they run."""
        assert self._process is not None
        return [pid for pid in descendants(self._process.pid) if _name(pid).startswith("sshd")]

    def freeze(self) -> None:
        """Stop the sessions where they stand; the kernel still acknowledges what arrives."""
        for pid in self.sessions():
            _signal(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let frozen sessions go on."""
        for pid in self.sessions():
            _signal(pid, signal.SIGCONT)

    def kill_sessions(self) -> None:
        """Kill the sessions, as a reboot or a crash would."""
        for pid in self.sessions():
            _signal(pid, signal.SIGKILL)

    def change_host_key(self, *, kind: str = "ed25519") -> None:
        """Come back with another host key, as a machine that took over the address would."""
        self.stop()
        for path in (self._host_key, self._host_key.with_suffix(".pub")):
            path.unlink()
        keygen(self._host_key, kind=kind)
        self.start()

    def _config(self) -> list[str]:
        given = {line.split()[0] for line in self._options}
        defaults = ["MaxStartups 1000", "MaxSessions 200"]
        return [
            *self._options,
            *(line for line in defaults if line.split()[0] not in given),
            *(f"ListenAddress {address}:{self.port}" for address in self.addresses),
            f"HostKey {self._host_key}",
            f"AuthorizedKeysFile {self.key_file}.pub",
            "PidFile none",
            "UsePAM no",
            "StrictModes no",
            "PermitRootLogin yes",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "LogLevel ERROR",
            *(
                line
                for index, address in enumerate(self.addresses)
                for line in (
                    f"Match LocalAddress {address}",
                    f"SetEnv CLOUDER_RUN_DIR={self.run_dir(index)} HOME={self._home}",
                )
            ),
        ]

    def _listens(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"sshd ended: {(self.directory / 'log').read_text()}")
        return all(_answers(address, self.port) for address in self.addresses)


def descendants(pid: int) -> list[int]:
    """The children of process `pid`, and theirs."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue  # it ended while we looked
        children.setdefault(parent, []).append(int(stat.parent.name))
    found, queue = [], [pid]
    while queue:
        queue += (below := children.get(queue.pop(), []))
        found += below
    return found


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _answers(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


def _until(condition: Callable[[], bool], explain: Callable[[], str], *, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(explain())
        time.sleep(0.02)
