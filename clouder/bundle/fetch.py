"""Downloads over HTTP, streamed to disk and checked against a sha256 that is known beforehand."""

from __future__ import annotations

import hashlib
import os
import re
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from clouder.bundle.oci import CHUNK
from clouder.errors import AccessError, ClouderError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPResponse
    from pathlib import Path

MIRROR = "CLOUDER_RELEASE_MIRROR"
TIMEOUT_S = 30


def mirrored(url: str) -> str:
    """The address to ask: `https://host/path`, or `$CLOUDER_RELEASE_MIRROR/host/path` where that is set."""
    mirror = os.environ.get(MIRROR, "").rstrip("/")
    return re.sub(r"^https://", f"{mirror}/", url) if mirror else url


def open_url(url: str, headers: Mapping[str, str] | None = None, timeout: float = TIMEOUT_S) -> HTTPResponse:
    """Open a URL for reading; raises AccessError when it cannot be had."""
    request = urllib.request.Request(mirrored(url), headers={"User-Agent": "clouder", **(headers or {})})  # noqa: S310
    try:
        return urllib.request.urlopen(request, timeout=timeout)  # type: ignore[no-any-return] # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        raise _unreachable(url, f"HTTP {error.code}") from error
    except OSError as error:
        raise _unreachable(url, str(getattr(error, "reason", error))) from error


def read_text(url: str) -> str:
    """A small text file, such as a checksum."""
    with open_url(url) as response:
        return response.read(CHUNK).decode()


def download(url: str, sha256: str, to: Path, headers: Mapping[str, str] | None = None) -> Path:
    """Write the content of `url` to `to`; raises ClouderError and leaves no file when it is not `sha256`."""
    sha = hashlib.sha256()
    to.parent.mkdir(parents=True, exist_ok=True)
    with open_url(url, headers) as response, to.open("wb") as file:
        while chunk := _read(response, url):
            sha.update(chunk)
            file.write(chunk)
    if sha.hexdigest() != sha256:
        to.unlink()
        raise ClouderError(
            f"{url} is not what it should be: sha256 {sha.hexdigest()}, expected {sha256}",
            fix="try again later, or build from source: clouder bundle build --source go",
        )
    return to


def published_sha256(listing: str, name: str) -> str:
    """Find the hash of file `name` in a checksum file: a bare hash, or lines of `hash  name`."""
    lines = [line.split() for line in listing.splitlines() if line.strip()]
    found = [
        words[0] for words in lines if len(words) == 1 or words[-1].lstrip("*").rpartition("/")[2] == name
    ]
    if len(found) != 1 or not re.fullmatch(r"[0-9a-f]{64}", found[0]):
        raise ClouderError(f"no sha256 of {name} is published", fix="clouder bundle build --source go")
    return found[0]


def _read(response: HTTPResponse, url: str) -> bytes:
    try:
        return response.read(CHUNK)
    except OSError as error:
        raise _unreachable(url, str(error)) from error


def _unreachable(url: str, why: str) -> AccessError:
    return AccessError(
        f"cannot download {url}: {why}",
        fix="check the network, or build from source: clouder bundle build --source go",
    )
