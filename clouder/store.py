"""Where Clouder keeps things: its home, its cache, private files and locks."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from clouder.errors import AccessError


def home() -> Path:
    """Clusters, contexts and keys: `CLOUDER_HOME`, else `~/.clouder`."""
    return Path(os.environ.get("CLOUDER_HOME") or Path.home() / ".clouder")


def cache() -> Path:
    """What can be made again (bundles, builds): `CLOUDER_CACHE`, else `$XDG_CACHE_HOME/clouder`."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("CLOUDER_CACHE") or Path(base) / "clouder")


def private_dir(path: Path) -> Path:
    """Make `path` (and its parents) 0700 whatever the umask is; raises AccessError when it cannot."""
    try:
        for part in [*reversed(path.parents), path]:
            if not part.exists():
                part.mkdir(mode=0o700, exist_ok=True)
                part.chmod(0o700)
    except OSError as error:
        raise AccessError(
            f"cannot write {path}: {error.strerror}",
            fix="make it writable, or set CLOUDER_HOME to a directory that is",
        ) from error
    return path


def write_private(path: Path, content: str | bytes) -> None:
    """Replace `path` in one step with a 0600 file, so that a reader sees the old or the new content."""
    data = content.encode() if isinstance(content, str) else content
    private_dir(path.parent)
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, 0o600)  # mkstemp makes that, less what the umask takes away
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        with suppress(OSError):
            Path(temporary).unlink()
        raise AccessError(
            f"cannot write {path}: {error.strerror}", fix="free some space or make it writable"
        ) from error
