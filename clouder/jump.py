"""The way to a host through a bastion: a channel of an SSH connection to it, used in place of a socket."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import paramiko

from clouder import handshake
from clouder.errors import ConnectionFailed

if TYPE_CHECKING:
    import socket

    from clouder.inventory import Address, Bastion

PROHIBITED = 1  # RFC 4254, 5.1: the bastion may not forward, as with AllowTcpForwarding no


class Jump:
    """A connection to a bastion whose host key is pinned.

    `open` and `channel` raise ConnectionFailed for what cannot heal by itself (another host key, a refused
    login, no forwarding) and the errors of the network for what may.
    """

    def __init__(self, bastion: Bastion, key: paramiko.PKey) -> None:
        self.bastion = bastion
        self._key = key
        self._client = paramiko.SSHClient()
        try:
            pinned = handshake.public_key(bastion.host_key)
        except ValueError as error:
            raise self._failed("needs one ssh-ed25519 public key to be known by") from error
        self._client.set_missing_host_key_policy(paramiko.RejectPolicy())
        name = handshake.known_as(bastion.host, bastion.port)
        self._client.get_host_keys().add(name, pinned.get_name(), pinned)

    def open(self, sock: socket.socket, seconds: float) -> None:
        """Log in over `sock`, which leads to the bastion."""
        options = {**handshake.login(self._key, seconds), "sock": sock, "username": self.bastion.user}
        try:
            self._client.connect(self.bastion.host, port=self.bastion.port, **options)
        except handshake.OTHER_KEY as error:
            raise self._failed(
                "shows another host key than the pinned one; nothing was sent to it",
                fix="find out which machine answers there, and pin its key",
                details=str(error),
            ) from error
        except paramiko.AuthenticationException as error:
            if "timeout" in str(error):
                raise
            raise self._failed(
                "refuses the login with the key of the machines",
                fix=f"ssh-copy-id -p {self.bastion.port} {self.bastion.user}@{self.bastion.host}",
            ) from error
        self._transport().set_keepalive(handshake.KEEPALIVE)

    def channel(self, host: str, port: int, seconds: float) -> paramiko.Channel:
        """A way to `host` as the bastion sees it."""
        try:
            return self._transport().open_channel(
                "direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=seconds
            )
        except paramiko.ChannelException as error:
            if error.code != PROHIBITED:
                raise
            raise self._failed(
                f"does not forward to {host}:{port}",
                fix="allow it in the sshd_config of the bastion: AllowTcpForwarding yes",
            ) from error

    def close(self) -> None:
        """End the connection and its channels."""
        self._client.close()

    def _transport(self) -> paramiko.Transport:
        found = self._client.get_transport()
        if found is None:
            raise EOFError("the connection to the bastion is not open")
        return found

    def _failed(self, problem: str, *, fix: str = "", details: str = "") -> ConnectionFailed:
        where = f"{self.bastion.user}@{self.bastion.host}:{self.bastion.port}"
        return ConnectionFailed(f"the bastion {where} {problem}", fix=fix, details=details)


class _Quiet:
    """A channel like a socket, which may be closed when the connection under it has gone already."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def close(self) -> None:
        """End it; called by a thread of paramiko, which could tell nobody of an error."""
        with suppress(*handshake.BROKEN):
            self._channel.close()


class Way:
    """A way to the sshd at `address`, straight or over its bastion; `open` raises as Jump does."""

    def __init__(self, address: Address, key: paramiko.PKey) -> None:
        self._address = address
        self._key = key
        self._socket: socket.socket | None = None
        self._jump: Jump | None = None

    def open(self, seconds: float) -> Any:
        """What to talk over: a socket, or a channel that is like one."""
        address, attempt = self._address, min(seconds, handshake.ATTEMPT)
        if address.bastion is None:
            self._socket = handshake.connect(address.host, address.port, attempt)
            return self._socket
        bastion = address.bastion
        self._jump = Jump(bastion, self._key)
        with handshake.turn(bastion.host, bastion.port, seconds):
            self._socket = handshake.connect(bastion.host, bastion.port, attempt)
            self._jump.open(self._socket, attempt)
        return _Quiet(self._jump.channel(address.host, address.port, attempt))

    def cut(self) -> None:
        """End it without waiting for the far end, which may be frozen."""
        if self._socket is not None:
            handshake.hang_up(self._socket)
        if self._jump is not None:
            self._jump.close()

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()
