"""One real cluster for all tests that only look at it or run pods on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from clouder.cluster import Cluster
from tests.e2e import tools


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CLOUDER_HOME of the end-to-end tests."""
    return tmp_path_factory.mktemp("clouder-home")


@pytest.fixture(scope="session")
def cluster(home: Path) -> Iterator[Cluster]:
    """A 1+2 cluster made by the command a user types."""
    name = f"shared-{os.getpid()}"
    tools.create(name, 2, home=home)
    with tools.at_home(home):
        yield tools.load(name, home)
    volumes = tools.volumes(name)
    tools.clouder("k8s", "delete", name, "--yes", home=home)
    assert len(volumes) == 9  # three for each node
    assert tools.leftovers(name, volumes) == []
