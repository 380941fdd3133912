import pytest

from clouder import bundle
from clouder.bundle import lock, recipe
from clouder.bundle.build import require_machine, require_space
from clouder.bundle.lock import Lock
from clouder.errors import AccessError, NotFoundError, UsageError


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CLOUDER_CACHE", str(tmp_path))
    return tmp_path


def put(cache, version: str, source: str, digest: str):
    directory = cache / "bundles" / f"{version}-{source}-{digest}"
    directory.mkdir(parents=True)
    lock.write(directory, Lock(version, source, "amd64", [], {}, []))
    return directory


def test_nothing_is_found_in_an_empty_cache(cache):
    assert bundle.find("v1.36.3") is None
    assert bundle.bundles() == []


@pytest.mark.parametrize("source", ["go", "release"])
def test_a_finished_bundle_is_returned_without_a_build(cache, source):
    directory = put(cache, "v1.36.3", source, recipe.load("v1.36.3").digest)
    found = bundle.ensure("v1.36.3")
    assert (found.path, found.kubernetes_version, len(found.digest)) == (directory, "v1.36.3", 12)
    assert bundle.find("v1.37.2") is None


def test_a_bundle_of_an_older_recipe_is_listed_but_not_used(cache):
    put(cache, "v1.36.3", "go", "000000000000")
    (cache / "bundles" / ".v1.36.3-go-half").mkdir()
    (cache / "bundles" / "v1.36.3-broken").mkdir()
    assert bundle.find("v1.36.3") is None
    assert [found.path.name for found in bundle.bundles()] == ["v1.36.3-go-000000000000"]


@pytest.mark.parametrize(
    ("version", "source", "error"), [("v9.9.9", "auto", NotFoundError), ("v1.36.3", "magic", UsageError)]
)
def test_a_wrong_version_or_source_makes_nothing(cache, version, source, error):
    with pytest.raises(error):
        bundle.ensure(version, source=source)
    assert list(cache.iterdir()) == []


def test_another_kind_of_machine_is_refused():
    require_machine("x86_64")
    with pytest.raises(AccessError, match="this one is aarch64"):
        require_machine("aarch64")


def test_too_little_disk_is_said_before_anything_is_started(cache, monkeypatch):
    monkeypatch.setattr("clouder.bundle.build.NEEDED_GIB", {"go": 1 << 30})
    with pytest.raises(AccessError, match="needs 1073741824 GiB of disk") as caught:
        require_space(cache / "build", "go", {"kubernetes"})
    assert "CLOUDER_CACHE" in caught.value.fix
    require_space(cache / "build", "go", set())
