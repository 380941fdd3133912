"""Reads the host keys of unknown machines, for the user who trusts what they show at first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from clouder import handshake
from clouder.errors import ConnectionFailed
from clouder.jump import Way

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from clouder.inventory import Address


def read_all(addresses: Mapping[str, Address], key_file: Path) -> dict[str, str]:
    """The key that each sshd shows, all asked at once; raises ConnectionFailed naming those that do not."""
    if not addresses:
        return {}
    with ThreadPoolExecutor(max_workers=len(addresses)) as pool:
        asked = {name: pool.submit(read, address, key_file) for name, address in addresses.items()}
    faults = [f"{name}: {answer.exception()}" for name, answer in asked.items() if answer.exception()]
    if faults:
        raise ConnectionFailed(
            "cannot read the host keys of\n" + "\n".join(faults),
            fix="see that the machines run and let this address in, then run again",
        )
    return {name: answer.result() for name, answer in asked.items()}


def read(address: Address, key_file: Path, *, seconds: float = handshake.ATTEMPT) -> str:
    """The ed25519 key that the sshd at `address` shows; `key_file` is for its bastion alone."""
    way = Way(address, handshake.private_key(key_file))
    try:
        return handshake.shown_host_key(way.open(seconds), seconds)
    except handshake.BROKEN as error:
        raise ConnectionFailed(
            f"{address.host}:{address.port} shows no ssh-ed25519 host key: {handshake.reason(error)}"
        ) from error
    finally:
        way.cut()
        way.close()
