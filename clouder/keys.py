"""SSH key pairs (ed25519) of a cluster and of its hosts, made once and kept."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from clouder.errors import AccessError
from clouder.store import private_dir, write_private

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
        write_private(public, f"{_public(path)} {comment}\n")
    return public.read_text().strip()


def adopt(path: Path, source: Path, comment: str) -> str:
    """The public key line of the user's own key `source`, which `path` leads to: it is not copied.

    Raises AccessError where it is no private key, or needs a passphrase.
    """
    public = path.with_name(path.name + ".pub")
    if not source.exists() and public.exists():
        return public.read_text().strip()  # so that a cluster can be deleted after its key
    line = check(source)
    private_dir(path.parent)
    if not path.is_symlink() or path.readlink() != source:
        with suppress(FileNotFoundError):
            path.unlink()
        path.symlink_to(source)
    write_private(public, f"{line} {comment}\n")
    return f"{line} {comment}"


def check(source: Path) -> str:
    """The public key line of a private key; raises AccessError with the fix where it cannot be used."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return _public(source)
    except OSError as error:
        raise AccessError(
            f"cannot read the SSH key {source}: {error.strerror}", fix="give another with --ssh-key FILE"
        ) from error
    except TypeError as error:  # what the library raises where a passphrase is needed
        raise AccessError(
            f"the SSH key {source} is locked with a passphrase, which Clouder does not ask for",
            fix="give a key of its own: ssh-keygen -t ed25519 -N '' -f FILE, then ssh-copy-id -i FILE",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise AccessError(
            f"{source} is no private SSH key", fix="give the file without .pub: --ssh-key ~/.ssh/id_ed25519"
        ) from error


def _public(path: Path) -> str:
    """In OpenSSH form, of a key in OpenSSH or PEM form."""
    from cryptography.hazmat.primitives import serialization

    data = path.read_bytes()
    loaded: Any
    try:
        loaded = serialization.load_ssh_private_key(data, password=None)
    except ValueError:
        loaded = serialization.load_pem_private_key(data, password=None)
    encoding, form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    line: bytes = loaded.public_key().public_bytes(encoding, form)
    return line.decode()
