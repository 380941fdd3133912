"""A checkpoint archive as an OCI image: the archive is the one layer, annotations say what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clouder.bundle import oci

if TYPE_CHECKING:
    from pathlib import Path

    from clouder.checkpoint.manifest import Checkpoint

REPOSITORY = "localhost/clouder/checkpoint"
# containerd reads the first and CRI-O the second; without them the image would be started as an ordinary one.
ANNOTATIONS = ("org.criu.checkpoint.container.name", "io.kubernetes.cri-o.annotations.checkpoint.name")


def name(checkpoint: Checkpoint) -> str:
    """The image's full reference; it names no registry, so nothing can ever pull it."""
    return f"{REPOSITORY}/{checkpoint.pod}:{checkpoint.id}"


def write(checkpoint: Checkpoint, archive: Path, to: Path) -> Path:
    """Write the image as one OCI tar; the digest is the manifest's, so verify `archive` against it before."""
    digest = f"sha256:{checkpoint.sha256}"
    layer = oci.Layer(archive, oci.LAYER, digest, checkpoint.size, digest)
    image = oci.Image(
        name(checkpoint),
        [layer],
        # The kubelet refuses runAsNonRoot for an image that names no user.
        config={"User": checkpoint.user},
        annotations=dict.fromkeys(ANNOTATIONS, checkpoint.container),
        architecture=checkpoint.machine.architecture,
    )
    return oci.write_layout(to, [image])
