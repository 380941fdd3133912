import json
import os
import re
from datetime import datetime, timezone

import pytest

from clouder import checkpoint as api
from clouder.checkpoint import image, library, manifest, names
from clouder.errors import ClouderError, NotFoundError, UsageError
from tests.checkpoints import CHECKPOINT, checkpoint


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def keep(item=CHECKPOINT, archive=b"abc"):
    shelf = library.of_cluster(item.cluster)
    with shelf.draft() as draft:
        (draft / "archive.tar").write_bytes(archive)
        (draft / "archive.tar").chmod(0o600)
        shelf.keep(draft, item)
    return shelf


def test_a_manifest_read_back_is_the_same():
    assert manifest.from_json(manifest.to_json(CHECKPOINT), where="x") == CHECKPOINT


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": 5}, "sha256 is missing or has the wrong type"),
        ({"size": "3"}, "size is missing"),
        ({"size": True}, "size is missing"),
        ({"command": ["a", 1]}, "command is missing"),
        ({"machine": None}, "machine is missing"),
        ({"machine": {}}, "kernel is missing"),
        ({"source": []}, "source is missing"),
        ({"kind": "Cluster"}, "no checkpoint manifest"),
        ({"apiVersion": "clouder.dev/v9"}, "clouder.dev/v9"),
    ],
)
def test_a_manifest_with_a_fault_names_the_field(change, message):
    text = json.dumps({**json.loads(manifest.to_json(CHECKPOINT)), **change})
    with pytest.raises(ClouderError, match=message):
        manifest.from_json(text, where="manifest.json")


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "\xff"])
def test_other_content_is_no_manifest(text):
    with pytest.raises(ClouderError, match=r"m\.json is damaged"):
        manifest.from_json(text.encode("latin-1"), where="m.json")


@pytest.mark.parametrize(
    ("pod", "pattern"),
    [
        ("counter", r"counter-20261124-132215-[0-9a-f]{4}"),
        ("a" * 253, r"a{40}-20261124-132215-[0-9a-f]{4}"),
        ("a" * 39 + "-b", r"a{39}-20261124-132215-[0-9a-f]{4}"),
    ],
)
def test_an_id_is_a_label_and_a_tag_and_a_directory(pod, pattern):
    made = library.new_id(pod, datetime(2026, 11, 24, 13, 22, 15, tzinfo=timezone.utc))
    assert re.fullmatch(pattern, made)
    assert library.ID.match(made)
    assert len(made) <= 63


def test_two_ids_of_one_second_differ():
    now = datetime(2026, 11, 24, tzinfo=timezone.utc)
    assert len({library.new_id("a", now) for _ in range(5)}) > 1


def test_files_are_private_whatever_the_umask_is(home):
    old = os.umask(0)
    try:
        shelf = keep()
    finally:
        os.umask(old)
    directory = shelf.path / CHECKPOINT.id
    assert {oct(path.stat().st_mode & 0o777) for path in (shelf.path, directory)} == {"0o700"}
    assert {oct(path.stat().st_mode & 0o777) for path in directory.iterdir()} == {"0o600"}


def test_a_draft_that_fails_leaves_nothing(home):
    shelf = library.of_cluster("demo")

    def fail():
        with shelf.draft() as draft:
            (draft / "archive.tar").write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(shelf.path.iterdir()) == []
    assert api.listing(None) == []


@pytest.mark.parametrize("wanted", [CHECKPOINT.id, "counter-20261124-1322", "c"])
def test_a_unique_beginning_of_the_id_is_enough(home, wanted):
    keep()
    assert api.load(wanted) == CHECKPOINT


def test_an_exact_id_wins_over_longer_ones(home):
    keep()
    keep(checkpoint(id=CHECKPOINT.id + "-x"))
    assert api.load(CHECKPOINT.id).id == CHECKPOINT.id


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("counter", "several checkpoints begin with counter: counter-1, counter-2"),
        ("x", "no checkpoint x"),
        ("", "no checkpoint"),
    ],
)
def test_an_unclear_id_is_not_found(home, wanted, message):
    keep(checkpoint(id="counter-1"))
    keep(checkpoint(id="counter-2", cluster="other"))
    with pytest.raises(NotFoundError, match=message):
        api.load(wanted)


@pytest.mark.parametrize("wanted", ["../demo", "*", "a/b"])
def test_an_id_is_no_path(home, wanted):
    keep()
    with pytest.raises(NotFoundError):
        api.load(wanted)


def test_listing_is_by_time_and_by_cluster(home):
    keep(checkpoint(id="b", created="2026-11-24T13:00:00Z"))
    keep(checkpoint(id="a", created="2026-11-24T14:00:00Z"))
    keep(checkpoint(id="c", cluster="other", created="2026-11-24T13:30:00Z"))
    assert [item.id for item in api.listing(None)] == ["b", "c", "a"]
    assert [item.id for item in api.listing("demo")] == ["b", "a"]
    assert api.listing("nobody") == []


@pytest.mark.parametrize("content", [b"abd", b"ab", b"abcd", b""])
def test_a_damaged_archive_is_refused(home, content):
    shelf = keep(archive=content)
    with pytest.raises(ClouderError, match=r"archive\.tar is damaged"):
        shelf.verify(CHECKPOINT)


def test_a_whole_archive_is_given(home):
    shelf = keep()
    shelf.verify(CHECKPOINT)
    assert shelf.archive(CHECKPOINT).read_bytes() == b"abc"


def test_a_missing_archive_is_named(home):
    shelf = keep()
    (shelf.path / CHECKPOINT.id / "archive.tar").unlink()
    with pytest.raises(ClouderError, match="is missing"):
        shelf.verify(CHECKPOINT)


def test_a_manifest_in_the_wrong_directory_is_refused(home):
    shelf = keep()
    (shelf.path / CHECKPOINT.id).rename(shelf.path / "other")
    with pytest.raises(ClouderError, match=f"is the manifest of {CHECKPOINT.id}"):
        api.load("other")


def test_a_removed_checkpoint_is_gone(home):
    shelf = keep()
    assert api.remove("counter-2026") == CHECKPOINT.id
    assert list(shelf.path.iterdir()) == []


def test_places_are_kept(home):
    shelf = keep()
    assert shelf.places(CHECKPOINT.id) == ()
    shelf.set_places(CHECKPOINT.id, {"demo-node-2", "demo-master"})
    assert shelf.places(CHECKPOINT.id) == ("demo-master", "demo-node-2")


def test_a_checkpoint_of_a_cluster_that_is_gone_can_be_removed(home):
    shelf = keep()
    shelf.set_places(CHECKPOINT.id, {"demo-node-2"})
    told = []
    api.remove(CHECKPOINT.id, report=told.append)
    assert list(shelf.path.iterdir()) == []
    assert "an image may stay" in told[0].note


def test_the_image_is_the_archive_with_the_annotations_of_both_runtimes(home, tmp_path):
    import tarfile

    shelf = keep(checkpoint(user="101:102"))
    item = shelf.load(CHECKPOINT.id)
    with tarfile.open(image.write(item, shelf.archive(item), tmp_path / "image.tar")) as tar:
        blobs = {member.name: tar.extractfile(member).read() for member in tar}
    index = json.loads(blobs["index.json"])
    assert index["manifests"][0]["annotations"]["io.containerd.image.name"] == (
        "localhost/clouder/checkpoint/counter:counter-20261124-132215-7f3a"
    )
    found = json.loads(blobs["blobs/" + index["manifests"][0]["digest"].replace(":", "/")])
    assert found["annotations"] == {
        "org.criu.checkpoint.container.name": "c",
        "io.kubernetes.cri-o.annotations.checkpoint.name": "c",
    }
    assert [blobs["blobs/" + layer["digest"].replace(":", "/")] for layer in found["layers"]] == [b"abc"]
    config = json.loads(blobs["blobs/" + found["config"]["digest"].replace(":", "/")])
    assert config["config"] == {"User": "101:102"}
    assert config["architecture"] == "amd64"
    assert config["rootfs"]["diff_ids"] == [found["layers"][0]["digest"]]


def test_a_draft_of_a_process_that_was_killed_is_swept_away(home):
    shelf = keep()
    mine, dead = shelf.path / f".draft-{os.getpid()}-x", shelf.path / ".draft-4194305-x"  # above any pid
    for path in (mine, dead):
        path.mkdir()
        (path / "archive.tar").write_bytes(b"secret")
    with shelf.draft():
        pass
    assert mine.exists()
    assert not dead.exists()


def test_a_checkpoint_with_a_damaged_manifest_can_be_removed(home):
    shelf = keep()
    shelf.set_places(CHECKPOINT.id, {"demo-node-2"})
    (shelf.path / CHECKPOINT.id / "manifest.json").write_text("{")
    with pytest.raises(ClouderError, match="is damaged") as caught:
        api.listing("demo")
    assert caught.value.fix == f"clouder checkpoint rm {CHECKPOINT.id}"
    told = []
    api.remove(CHECKPOINT.id, report=told.append)
    assert api.listing("demo") == []
    assert "an image may stay" in told[0].note


@pytest.mark.parametrize(
    "given",
    [
        {"pod": "-A"},
        {"pod": ""},
        {"pod": "a b"},
        {"pod": "A"},
        {"pod": "a" * 254},
        {"pod": "a..b"},
        {"pod": "a\n"},
        {"pod": "a", "namespace": "--all"},
        {"pod": "a", "namespace": "a.b"},
        {"pod": "a", "container": "$(id)"},
    ],
)
def test_what_is_no_name_is_refused(given):
    with pytest.raises(UsageError, match="is not the name of a"):
        names.check(**given)


@pytest.mark.parametrize("pod", ["a", "web-6f4b9c7d5-x2x9z", "a.b-c.d", "a" * 253])
def test_a_copy_of_any_pod_has_a_name(pod):
    names.check(pod=pod, namespace="kube-system", container="c")
    names.check(pod=names.of_copy(pod))
