"""One image layer by layer from an OCI registry, every blob checked against the digest that named it."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clouder.bundle.fetch import TIMEOUT_S, download, mirrored, open_url
from clouder.errors import ClouderError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ACCEPT = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)
PINNED = re.compile(r"^([^/]+)/([^@]+)@sha256:([0-9a-f]{64})$")


@dataclass(frozen=True)
class PinnedImage:
    """An image named by digest: `host/repository@sha256:…`."""

    host: str
    repository: str
    sha256: str

    @staticmethod
    def parse(reference: str) -> PinnedImage:
        """Read a reference; raises ClouderError for one without a digest."""
        match = PINNED.match(reference)
        if not match:
            raise ClouderError(
                f"the recipe names {reference} without a digest", fix="pin it, or use --source go"
            )
        return PinnedImage(*match.groups())

    @property
    def base(self) -> str:
        """The address below which the registry serves this repository."""
        return f"https://{self.host}/v2/{self.repository}"


def extract(reference: str, members: Iterable[str], directory: Path) -> list[Path]:
    """Fetch the linux/amd64 image and take the files `members` out of its layers into `directory`."""
    image = PinnedImage.parse(reference)
    headers = {"Accept": ACCEPT, **_authorization(image)}
    manifest = _manifest(image, image.sha256, headers)
    layers = []
    for layer in manifest["layers"]:
        sha256 = layer["digest"].removeprefix("sha256:")
        blob = f"{image.base}/blobs/{layer['digest']}"
        layers.append(download(blob, sha256, directory / f".{sha256}", headers))
    found = [_member(layers, member, directory) for member in members]
    for layer in layers:
        layer.unlink()
    return found


def _manifest(image: PinnedImage, sha256: str, headers: dict[str, str]) -> dict[str, Any]:
    with open_url(f"{image.base}/manifests/sha256:{sha256}", headers) as response:
        content = response.read()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ClouderError(
            f"the manifest of {image.repository} does not match its digest", fix="use --source go"
        )
    manifest: dict[str, Any] = json.loads(content)
    for entry in manifest.get("manifests", []):
        if (entry["platform"]["os"], entry["platform"]["architecture"]) == ("linux", "amd64"):
            return _manifest(image, entry["digest"].removeprefix("sha256:"), headers)
    return manifest


def _authorization(image: PinnedImage) -> dict[str, str]:
    """A registry without open access says where to get an anonymous token."""
    try:
        urllib.request.urlopen(mirrored(f"https://{image.host}/v2/"), timeout=TIMEOUT_S).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        asked = dict(re.findall(r'(\w+)="([^"]*)"', error.headers.get("WWW-Authenticate", "")))
        if error.code != 401 or "realm" not in asked:
            return {}
        scope = {"service": asked.get("service", ""), "scope": f"repository:{image.repository}:pull"}
        with open_url(f"{asked['realm']}?{urllib.parse.urlencode(scope)}") as response:
            answer = json.load(response)
        return {"Authorization": f"Bearer {answer.get('token') or answer['access_token']}"}
    except OSError:
        pass  # the next request names the failure
    return {}


def _member(layers: list[Path], member: str, directory: Path) -> Path:
    for layer in reversed(layers):  # the topmost layer that has a file decides
        with tarfile.open(layer) as archive:
            for entry in archive:
                if entry.name.removeprefix("./").lstrip("/") == member and entry.isreg():
                    content = archive.extractfile(entry)
                    assert content is not None
                    target = directory / member.rpartition("/")[2]
                    target.write_bytes(content.read())
                    return target
    raise ClouderError(f"the image has no file {member}", fix="use --source go")
