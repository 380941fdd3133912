"""What all SSH handshakes share: keys, pinned host keys, ciphers, the limit on those in flight."""

from __future__ import annotations

import base64
import socket
import threading
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import paramiko

from clouder.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HANDSHAKES = 8  # at a time to one sshd: its MaxStartups drops connections from the 11th on
ATTEMPT = 10.0  # seconds for one try to connect
KEEPALIVE = 30  # seconds; keeps the entry of a NAT gateway alive between two runs
KIND = "ssh-ed25519"  # of the host keys that can be pinned

# What a connection that breaks raises, all through paramiko.
BROKEN = (OSError, EOFError, paramiko.SSHException)
OTHER_KEY = (paramiko.BadHostKeyException, paramiko.ssh_exception.IncompatiblePeer)


def public_key(line: str) -> paramiko.PKey:
    """The host key in "ssh-ed25519 AAAA..."; raises ValueError for any other text."""
    try:
        kind, data = line.split()[:2]
        if kind != KIND:
            raise ValueError(kind)
        return paramiko.Ed25519Key(data=base64.b64decode(data, validate=True))
    except paramiko.SSHException as error:
        raise ValueError(str(error)) from error


def private_key(path: Path) -> paramiko.PKey:
    """The key in `path`, of any type paramiko knows; raises AccessError."""
    try:
        return _loaded(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, TypeError, paramiko.SSHException, paramiko.pkey.UnknownKeyType) as error:
        raise AccessError(f"cannot use the SSH key {path}: {reason(error)}") from error


# One key for all hosts of a cluster, and reading it is a twentieth of a connection's CPU time.
@lru_cache(maxsize=8)
def _loaded(path: Path, _changed: int) -> paramiko.PKey:
    return paramiko.PKey.from_path(path)


def known_host_key(path: Path, host: str, port: int) -> str:
    """The ed25519 key of `host` in a known_hosts file, empty where it has none; raises AccessError."""
    known = paramiko.HostKeys()
    try:
        known.load(str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise AccessError(f"cannot read {path}: {reason(error)}", fix="--ssh-known-hosts FILE") from error
    found: Any = known.lookup(known_as(host, port)) or {}
    return f"{KIND} {found[KIND].get_base64()}" if KIND in found else ""


def known_as(host: str, port: int) -> str:
    """How a known_hosts file names an address."""
    return host if port == 22 else f"[{host}]:{port}"


def connect(host: str, port: int, seconds: float) -> socket.socket:
    """A TCP connection; paramiko leaves Nagle's algorithm on, which costs 40 ms for each exec."""
    made = socket.create_connection((host, port), timeout=seconds)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def transport(sock: Any, **options: Any) -> paramiko.Transport:
    """A transport that prefers AES-GCM: paramiko compares the MAC of other ciphers byte by byte in Python."""
    made = paramiko.Transport(sock, **options)
    security = made.get_security_options()
    security.ciphers = sorted(security.ciphers, key=lambda name: "gcm" not in name)
    return made


def login(key: paramiko.PKey, seconds: float) -> dict[str, Any]:
    """The options of a login with `key` and with no other one that lies about."""
    return {
        "transport_factory": transport,
        "pkey": key,
        "allow_agent": False,
        "look_for_keys": False,
        "timeout": seconds,
        "banner_timeout": seconds,
        "auth_timeout": seconds,
    }


def shown_host_key(sock: Any, seconds: float) -> str:
    """The ed25519 key that the sshd behind `sock` shows; nothing is sent to it but the handshake."""
    made = transport(sock)
    try:
        made.banner_timeout = made.handshake_timeout = seconds
        made.get_security_options().key_types = [KIND]
        made.start_client(timeout=seconds)
        return f"{KIND} {made.get_remote_server_key().get_base64()}"
    finally:
        made.close()


_turns: dict[tuple[str, int], threading.BoundedSemaphore] = {}


@contextmanager
def turn(host: str, port: int, seconds: float) -> Iterator[None]:
    """Limits the handshakes in flight to one sshd; raises TimeoutError after `seconds` in the queue."""
    semaphore = _turns.setdefault((host, port), threading.BoundedSemaphore(HANDSHAKES))
    if not semaphore.acquire(timeout=seconds):
        raise TimeoutError("too many connections to this address are being made")
    try:
        yield
    finally:
        semaphore.release()


def hang_up(sock: socket.socket) -> None:
    """Cut a connection without waiting for the far end, which may be frozen."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def reason(error: BaseException) -> str:
    """An error of the network in a few words."""
    if isinstance(error, EOFError) and not str(error):
        return "the host hung up"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
