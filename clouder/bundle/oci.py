"""OCI image layouts: layers, configs, manifests and the index, as a directory or as one tar, blobs streamed.

layer = uncompressed_layer(Path("checkpoint.tar"))
image = Image("localhost/ckpt/web:1", [layer], annotations={"org.criu.checkpoint.container.name": "web"})
write_layout(Path("web.oci.tar"), [image])    # ctr -n k8s.io images import web.oci.tar
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from clouder.bundle.tarball import EPOCH
from clouder.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYER_ZSTD = LAYER + "+zstd"
CHUNK = 1 << 20


@dataclass(frozen=True)
class Layer:
    """A layer blob on disk: `digest` and `size` of the blob as stored, `diff_id` of the tar inside."""

    path: Path
    media_type: str
    digest: str
    size: int
    diff_id: str


@dataclass(frozen=True)
class Image:
    """A named image: full reference, layers bottom first, run config (Env, Cmd), manifest annotations."""

    name: str
    layers: Sequence[Layer]
    config: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    architecture: str = "amd64"


def uncompressed_layer(tar: Path) -> Layer:
    """Use a tar file as a layer as it is; it is read once for its digest."""
    digest = file_digest(tar)
    return Layer(tar, LAYER, digest, tar.stat().st_size, digest)


def zstd_layer(tar: Path, to: Path, *, level: int = 9) -> Layer:
    """Compress a tar file into the layer blob `to`; raises AccessError without the zstd program."""
    compress(tar, to, level=level)
    return Layer(to, LAYER_ZSTD, file_digest(to), to.stat().st_size, file_digest(tar))


def compress(source: Path, to: Path, *, level: int = 9) -> None:
    """Compress a file with zstd; one thread, so that the same bytes come out on every machine."""
    try:
        subprocess.run(
            ["zstd", "-q", "-f", f"-{level}", "--single-thread", "-o", to, source],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError as error:
        raise AccessError("the zstd program is missing", fix="sudo apt-get install zstd") from error
    except subprocess.CalledProcessError as error:
        raise AccessError(
            f"zstd could not write {to}: {error.stderr.decode().strip()}",
            fix="free some disk space, then try again",
        ) from error


def file_digest(path: Path) -> str:
    """`sha256:<hex>` of a file of any size."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha.update(chunk)
    return f"sha256:{sha.hexdigest()}"


def write_layout(target: Path, images: Iterable[Image]) -> Path:
    """Write an OCI layout holding `images` to a directory, or to one tar when `target` ends in `.tar`."""
    with closing(_TarSink(target) if target.suffix == ".tar" else _DirectorySink(target)) as sink:
        write_index(sink, [_write_image(sink, image) for image in images])
    return target


def write_index(sink: Sink, entries: Sequence[Mapping[str, Any]]) -> None:
    """Write the two files that make a folder of blobs a layout; `entries` come from `index_entry`."""
    sink.add("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    sink.add("index.json", _json({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries)}))


def index_entry(name: str, manifest: bytes, media_type: str = MANIFEST) -> dict[str, Any]:
    """Name a manifest in the index, in the way that containerd's import reads."""
    tag = name.rpartition(":")[2]
    annotations = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag}
    return {**_descriptor(media_type, manifest), "annotations": annotations}


class Sink(Protocol):
    """Where the files of a layout go: a directory or a tar."""

    def add(self, name: str, source: bytes | Path) -> None:
        """Add one file; a name that is there already (a shared blob) is left alone."""

    def close(self) -> None:
        """Finish the output."""


def directory_sink(directory: Path) -> Sink:
    """A sink that writes below `directory`."""
    return _DirectorySink(directory)


def _write_image(sink: Sink, image: Image) -> dict[str, Any]:
    for layer in image.layers:
        sink.add(_blob(layer.digest), layer.path)
    config = _json(
        {
            "architecture": image.architecture,
            "os": "linux",
            "config": dict(image.config),
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in image.layers]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(CONFIG, config),
            "layers": [
                {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}
                for layer in image.layers
            ],
            **({"annotations": dict(image.annotations)} if image.annotations else {}),
        }
    )
    for blob in (config, manifest):
        sink.add(_blob(_bytes_digest(blob)), blob)
    return index_entry(image.name, manifest)


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _bytes_digest(content), "size": len(content)}


def _bytes_digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


class _DirectorySink:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def add(self, name: str, source: bytes | Path) -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, bytes):
            path.write_bytes(source)
        elif not path.exists():
            shutil.copyfile(source, path)

    def close(self) -> None:
        """Nothing to finish: every file is written whole."""


class _TarSink:
    def __init__(self, path: Path) -> None:
        self.tar = tarfile.open(path, "w")  # noqa: SIM115 - closed by close()
        self.names: set[str] = set()

    def add(self, name: str, source: bytes | Path) -> None:
        if name in self.names:
            return
        self.names.add(name)
        member = tarfile.TarInfo(name)
        member.mode, member.mtime = 0o644, EPOCH
        if isinstance(source, bytes):
            member.size = len(source)
            self.tar.addfile(member, io.BytesIO(source))
            return
        member.size = source.stat().st_size
        with source.open("rb") as file:
            self.tar.addfile(member, file)

    def close(self) -> None:
        self.tar.close()
