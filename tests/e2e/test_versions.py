"""Every Kubernetes version but the default one, from its bundle to a restored pod: `script/test versions`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clouder import bundle
from tests.e2e import tools

pytestmark = pytest.mark.versions


@pytest.mark.parametrize("version", bundle.SUPPORTED[1:])
def test_a_cluster_of_this_version_checkpoints_and_restores(version: str, home: Path) -> None:
    name = f"v{os.getpid()}"
    tools.clouder("bundle", "build", "--kubernetes-version", version, home=home)
    try:
        tools.clouder(*tools.create_args(name, 1), "--kubernetes-version", version, home=home)
        cluster = tools.load(name, home)
        kubelets = tools.kubectl(cluster, "get nodes -o jsonpath={.items[*].status.nodeInfo.kubeletVersion}")
        assert kubelets.split() == [version, version]
        tools.clouder("criu", "doctor", name, home=home)
    finally:
        tools.clouder("k8s", "delete", name, "--yes", home=home)
    assert tools.leftovers(name) == []
