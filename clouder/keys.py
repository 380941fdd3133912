"""SSH key pairs (ed25519) of a cluster and of its hosts, made once and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clouder.store import write_private

if TYPE_CHECKING:
    from pathlib import Path


def ensure(path: Path, comment: str) -> str:
    """The public key line of the pair `path` and `path.pub`; the pair is made where there is none.

    The private key alone decides, so that a run that was killed between the two files heals.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if not path.exists():
        key = Ed25519PrivateKey.generate()
        write_private(
            path,
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.OpenSSH,
                serialization.NoEncryption(),
            ),
        )
    public = path.with_name(path.name + ".pub")
    if not public.exists():
        loaded = serialization.load_ssh_private_key(path.read_bytes(), password=None)
        line = loaded.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        write_private(public, f"{line.decode()} {comment}\n")
    return public.read_text().strip()
