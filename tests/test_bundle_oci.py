import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from clouder.bundle import oci, tarball
from clouder.bundle.tarball import Entry, Selection


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    return tarball.write_tar(tmp_path / "layer.tar", [Entry("usr/bin/hello", b"#!/bin/sh\necho hello\n")])


def read_layout(target: Path) -> dict[str, bytes]:
    if target.is_dir():
        return {str(p.relative_to(target)): p.read_bytes() for p in target.rglob("*") if p.is_file()}
    with tarfile.open(target) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive}


@pytest.mark.parametrize("target", ["layout", "layout.tar"])
@pytest.mark.parametrize("compressed", [False, True])
def test_every_blob_has_the_digest_and_size_it_is_referred_by(tmp_path, tar, target, compressed):
    layer = oci.zstd_layer(tar, tmp_path / "layer.zst") if compressed else oci.uncompressed_layer(tar)
    images = [
        oci.Image("registry.example/app:1.2", [layer], {"Cmd": ["/usr/bin/hello"]}, {"a": "b"}),
        oci.Image("registry.example/other:3", [layer]),
    ]
    files = read_layout(oci.write_layout(tmp_path / target, images))

    for name, content in files.items():
        if name.startswith("blobs/"):
            assert hashlib.sha256(content).hexdigest() == name.split("/")[-1]
    index = json.loads(files["index.json"])
    assert [m["annotations"]["io.containerd.image.name"] for m in index["manifests"]] == [
        i.name for i in images
    ]
    manifest = json.loads(files["blobs/" + index["manifests"][0]["digest"].replace(":", "/")])
    assert manifest["annotations"] == {"a": "b"}
    for item in [*index["manifests"], manifest["config"], *manifest["layers"]]:
        assert len(files["blobs/" + item["digest"].replace(":", "/")]) == item["size"]
    config = json.loads(files["blobs/" + manifest["config"]["digest"].replace(":", "/")])
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(tar.read_bytes()).hexdigest()]
    assert config["config"] == {"Cmd": ["/usr/bin/hello"]}


def test_a_layer_shared_by_two_images_is_stored_once(tmp_path, tar):
    layer = oci.uncompressed_layer(tar)
    files = read_layout(
        oci.write_layout(tmp_path / "l.tar", [oci.Image("a/b:1", [layer]), oci.Image("a/c:1", [layer])])
    )
    assert len(files) == 2 + 1 + 1 + 1  # index and oci-layout, layer, one config, one manifest


def test_the_same_content_gives_the_same_bytes(tmp_path):
    source = tmp_path / "source"
    made = []
    for number, time in enumerate((1, 2_000_000_000)):
        source.write_bytes(b"program")
        import os

        os.utime(source, (time, time))
        layer = tarball.write_tar(tmp_path / f"{number}.tar", [Entry("b", source), Entry("a/c", link="../b")])
        made.append(
            oci.write_layout(
                tmp_path / f"{number}.oci.tar", [oci.Image("x/y:1", [oci.uncompressed_layer(layer)])]
            )
        )
    assert made[0].read_bytes() == made[1].read_bytes()


def test_a_tar_can_be_filtered_and_added_to(tmp_path):
    base = tarball.write_tar(
        tmp_path / "base.tar", [Entry("usr/share/doc/x", b"text"), Entry("usr/bin/x", b"x")], prefix="./"
    )
    made = tarball.write_tar(
        tmp_path / "made.tar",
        [Entry("usr/bin/y", link="x")],
        base=[Selection(base, lambda path: "share/doc" not in path)],
    )
    with tarfile.open(made) as archive:
        assert [m.name for m in archive] == ["usr", "usr/bin", "usr/bin/x", "usr/share", "usr/bin/y"]
