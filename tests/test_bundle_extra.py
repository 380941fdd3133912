"""Extras: found when they are whole, refused when they are damaged, and renamed when their recipe changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clouder.bundle import extra, lock, recipe
from clouder.bundle.lock import Lock
from clouder.errors import ClouderError

NAMES = sorted(path.stem for path in (recipe.RECIPES / "addons").glob("*.json") if "." not in path.stem)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDER_CACHE", str(tmp_path))


def test_a_finished_extra_is_returned_without_a_build() -> None:
    wanted = extra.load("metrics-server")
    wanted.directory.mkdir(parents=True)
    lock.write(wanted.directory, Lock("", "go", "amd64", [], {}, wanted.references))
    assert extra.ensure("metrics-server") == wanted.directory


def test_a_damaged_extra_is_refused() -> None:
    wanted = extra.load("metrics-server")
    wanted.directory.mkdir(parents=True)
    with pytest.raises(ClouderError, match=r"bundle\.lock\.json cannot be read"):
        extra.ensure("metrics-server")


@pytest.mark.parametrize("name", NAMES)
def test_an_extra_is_none_of_the_bundles(name: str) -> None:
    """What is built for an addon makes no bundle stale: no recipe of a bundle names its modules."""
    modules = {build.module for build in extra.load(name).builds}
    for version in recipe.supported():
        assert not modules & {build.module for build in recipe.load(version).builds}


@pytest.mark.parametrize("name", NAMES)
def test_another_version_is_another_directory(name: str) -> None:
    wanted = extra.load(name)
    other = replace(wanted, versions=dict.fromkeys(wanted.versions, "0.0.0"))
    assert other.directory != wanted.directory


@pytest.mark.parametrize("name", NAMES)
def test_an_extra_brings_images_or_tools_and_says_which_version(name: str) -> None:
    wanted = extra.load(name)
    assert wanted.images or wanted.tools
    for build in wanted.builds:
        assert any(wanted.versions[build.name] in text for text in build.variables.values())
