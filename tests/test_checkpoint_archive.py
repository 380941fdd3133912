import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from clouder.checkpoint import archive
from clouder.errors import ClouderError

CONFIG = {
    "id": "4f1e",
    "name": "c_counter_default_uid_0",
    "rootfsImageName": "localhost/clouder/busybox:1.37",
    "rootfsImageRef": "sha256:" + "a" * 64,
    "runtime": "io.containerd.runc.v2",
}
SPEC = {"process": {"args": ["sh", "-c", "echo $HOME"], "user": {"uid": 1000, "gid": 1000}}}
MEMBERS = {
    "checkpoint": None,
    "checkpoint/inventory.img": b"\0" * 4096,
    "config.dump": json.dumps(CONFIG).encode(),
    "spec.dump": json.dumps(SPEC).encode(),
    "rootfs-diff.tar": b"\0" * 1024,
}


def write(path: Path, members: dict, *more: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if content is None:
                member.type = tarfile.DIRTYPE
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        for member in more:
            tar.addfile(member)
    return path


def special(name: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "/etc/shadow"
    return member


def test_an_archive_tells_what_a_restore_needs(tmp_path):
    path = write(tmp_path / "a.tar", MEMBERS)
    assert archive.read(path) == archive.Archive(
        image="localhost/clouder/busybox:1.37",
        image_ref="sha256:" + "a" * 64,
        command=("sh", "-c", "echo $HOME"),
        user="1000:1000",
        size=path.stat().st_size,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def test_names_may_begin_with_a_dot(tmp_path):
    path = write(tmp_path / "a.tar", {f"./{name}": content for name, content in MEMBERS.items()})
    assert archive.read(path).user == "1000:1000"


@pytest.mark.parametrize(
    ("change", "more", "message"),
    [
        ({"spec.dump": b"{"}, [], "spec.dump is not JSON"),
        ({"spec.dump": b"[" * 100_000}, [], "spec.dump is not JSON"),
        ({"spec.dump": b'{"process": {}}'}, [], "lack a field"),
        ({"spec.dump": b'{"process": {"args": [1]}}'}, [], "not text"),
        ({"spec.dump": b'{"process": {"args": ["a"], "user": {"uid": "root"}}}'}, [], "lack a field"),
        ({"spec.dump": b"[]"}, [], "lack a field"),
        (
            {"config.dump": b" " * (archive.RECORD_LIMIT + 1)},
            [],
            "config.dump is not a file of at most 4 MiB",
        ),
        ({"config.dump": None}, [], "config.dump is not a file"),
        ({"../../etc/cron.d/x": b"x"}, [], "outside of it"),
        ({"/etc/cron.d/x": b"x"}, [], "outside of it"),
        ({"./config.dump": b"{}"}, [], "config.dump is in it twice"),
        ({}, [special("checkpoint/files.img", tarfile.SYMTYPE)], "neither a file nor a directory"),
        ({}, [special("checkpoint/pages-1.img", tarfile.LNKTYPE)], "neither a file nor a directory"),
        ({}, [special("checkpoint/null", tarfile.CHRTYPE)], "neither a file nor a directory"),
    ],
)
def test_an_archive_that_no_kubelet_makes_is_refused(tmp_path, change, more, message):
    path = write(tmp_path / "a.tar", {**MEMBERS, **change}, *more)
    with pytest.raises(ClouderError, match=message) as caught:
        archive.read(path)
    assert str(path) in caught.value.message


@pytest.mark.parametrize("missing", ["config.dump", "spec.dump"])
def test_a_missing_record_is_named(tmp_path, missing):
    path = write(tmp_path / "a.tar", {name: MEMBERS[name] for name in MEMBERS if name != missing})
    with pytest.raises(ClouderError, match=f"{missing} is not in it"):
        archive.read(path)


def test_an_archive_without_the_images_of_criu_is_refused(tmp_path):
    path = write(tmp_path / "a.tar", {name: MEMBERS[name] for name in ("config.dump", "spec.dump")})
    with pytest.raises(ClouderError, match="checkpoint/ is not in it"):
        archive.read(path)


def test_every_cut_is_noticed(tmp_path):
    whole = write(tmp_path / "a.tar", MEMBERS).read_bytes()
    end = len(whole.rstrip(b"\0")) + 1024  # the zeros of the last file, then two blocks
    cut = tmp_path / "cut.tar"
    for length in (0, 1, 511, 512, 600, 2048, end - 1024):
        cut.write_bytes(whole[:length])
        with pytest.raises(ClouderError, match="damaged"):
            archive.read(cut)


def test_other_content_than_tar_is_refused(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(b"not a tar" * 1000)
    with pytest.raises(ClouderError, match="damaged"):
        archive.read(path)


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ClouderError, match="damaged"):
        archive.read(tmp_path / "none.tar")
