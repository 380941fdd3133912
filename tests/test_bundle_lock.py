from pathlib import Path

import pytest

from clouder import bundle
from clouder.bundle import lock
from clouder.bundle.lock import Component, Lock
from clouder.errors import ClouderError


@pytest.fixture
def made(tmp_path: Path) -> bundle.Bundle:
    (tmp_path / "apt").mkdir()
    (tmp_path / "apt/a.deb").write_bytes(b"package")
    (tmp_path / "rootfs.tar").write_bytes(b"root" * 1000)
    images = ["registry.k8s.io/pause:3.10.2", "localhost/clouder/busybox:1.37.0"]
    content = Lock(
        "v1.36.3", "go", "amd64", [Component("a", "1", "Debian", "00")], lock.hash_files(tmp_path), images
    )
    lock.write(tmp_path, content)
    return bundle.Bundle(tmp_path, lock.read(tmp_path))


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_good_bundle_has_no_problems(made):
    assert bundle.verify(made) == []


@pytest.mark.parametrize(
    ("damage", "problems"),
    [
        (lambda path: flip_a_bit(path / "rootfs.tar"), ["changed: rootfs.tar"]),
        (lambda path: (path / "apt/a.deb").unlink(), ["missing: apt/a.deb"]),
        (lambda path: (path / "apt/b.deb").write_bytes(b""), ["not in the lock: apt/b.deb"]),
        (lambda path: (path / "link").symlink_to("/nowhere"), ["not in the lock: link"]),
        (lambda path: (path / "bundle.lock.json").unlink(), None),
        (lambda path: (path / "bundle.lock.json").write_text("{}"), None),
        (lambda path: (path / "bundle.lock.json").write_text("[]"), None),
    ],
)
def test_every_damage_is_named(made, damage, problems):
    damage(made.path)
    found = bundle.verify(made)
    if problems is None:
        assert len(found) == 1
        assert "bundle.lock.json" in found[0]
    else:
        assert found == problems


def test_every_flipped_bit_of_the_lock_file_is_noticed(made):
    path = made.path / "bundle.lock.json"
    content = path.read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(changed)
        assert bundle.verify(made), f"byte {place}: {content[place : place + 1]!r}"


def test_a_lock_of_another_schema_is_refused(made):
    path = made.path / "bundle.lock.json"
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 2'))
    with pytest.raises(ClouderError):
        lock.read(made.path)


def test_an_image_is_found_by_its_repository(made):
    assert made.lock.image("localhost/clouder/busybox") == "localhost/clouder/busybox:1.37.0"
    with pytest.raises(KeyError):
        made.lock.image("registry.k8s.io/etcd")


def test_the_digest_follows_the_content(made, tmp_path):
    before = made.digest
    (tmp_path / "apt/a.deb").write_bytes(b"other")
    lock.write(tmp_path, Lock("v1.36.3", "go", "amd64", [], lock.hash_files(tmp_path), []))
    assert lock.read(tmp_path).checksum[:12] != before
