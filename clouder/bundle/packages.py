"""The .deb files we make: which program goes where, and what each needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clouder.bundle.deb import Package, pack
from clouder.bundle.recipe import FILES, Recipe, tree
from clouder.bundle.tarball import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

REVISION = "1clouder1"
KUBERNETES = "https://kubernetes.io"

# Enabled at once, as Debian's packages are. A kubelet has nothing to do before kubeadm wrote its files.
ENABLE = """#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
deb-systemd-helper enable {unit} >/dev/null || true
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    {start}
fi
"""
STOP = """#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    deb-systemd-invoke stop {unit} || true
fi
"""


@dataclass(frozen=True)
class NodePackage:
    """One package: the recipe key of its version, its programs (target -> `build/program`), files, units."""

    name: str
    version: str
    description: str
    homepage: str
    programs: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    depends: Sequence[str] = ()
    recommends: Sequence[str] = ()
    unit: str = ""
    start: str = ":"


PACKAGES = (
    NodePackage(
        "kubeadm",
        "kubernetes",
        "tool that makes and upgrades Kubernetes clusters",
        KUBERNETES,
        {"usr/bin/kubeadm": "kubernetes/kubeadm"},
        depends=("kubelet (>= {kubernetes})", "kubectl (>= {kubernetes})", "cri-tools"),
    ),
    NodePackage(
        "kubelet",
        "kubernetes",
        "Kubernetes node agent",
        KUBERNETES,
        {"usr/bin/kubelet": "kubernetes/kubelet"},
        files={
            "usr/lib/systemd/system/kubelet.service": "kubelet.service",
            "usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf": "10-kubeadm.conf",
        },
        depends=(
            *("conntrack", "ethtool", "iproute2", "iptables", "kmod", "mount", "socat", "util-linux"),
            "kubernetes-cni",
        ),
        unit="kubelet.service",
    ),
    NodePackage(
        "kubectl",
        "kubernetes",
        "Kubernetes command line client",
        KUBERNETES,
        {"usr/bin/kubectl": "kubernetes/kubectl"},
    ),
    NodePackage(
        "cri-tools",
        "cri-tools",
        "command line client of container runtimes",
        "https://github.com/kubernetes-sigs/cri-tools",
        {"usr/bin/crictl": "cri-tools/crictl"},
    ),
    NodePackage(
        "kubernetes-cni",
        "cni-plugins",
        "network plugins of containers, with the flannel plugin",
        "https://github.com/containernetworking/plugins",
        {
            "opt/cni/bin/bridge": "cni-plugins/bridge",
            "opt/cni/bin/host-local": "cni-plugins/host-local",
            "opt/cni/bin/loopback": "cni-plugins/loopback",
            "opt/cni/bin/portmap": "cni-plugins/portmap",
            "opt/cni/bin/flannel": "cni-flannel/flannel",
        },
    ),
    NodePackage(
        "containerd",
        "containerd",
        "container runtime",
        "https://containerd.io",
        {
            "usr/bin/containerd": "containerd/containerd",
            "usr/bin/containerd-shim-runc-v2": "containerd/containerd-shim-runc-v2",
            "usr/bin/ctr": "containerd/ctr",
        },
        files={"usr/lib/systemd/system/containerd.service": "containerd.service"},
        depends=("runc (>= {runc})",),
        recommends=("criu (>= {criu})",),
        unit="containerd.service",
        start="deb-systemd-invoke restart containerd.service || true",
    ),
)


def pack_all(recipe: Recipe, programs: Mapping[str, Path], directory: Path) -> list[Path]:
    """Write every package into `directory`; `programs` holds a path for each `build/program`."""
    return [pack(_package(row, recipe), _entries(row, programs), directory) for row in PACKAGES]


def shipped() -> dict[str, str]:
    """The hashes of the files that come from this Python package rather than from a build."""
    return tree(FILES)


def _package(row: NodePackage, recipe: Recipe) -> Package:
    scripts = {
        "postinst": ENABLE.format(unit=row.unit, start=row.start),
        "prerm": STOP.format(unit=row.unit),
    }
    return Package(
        row.name,
        f"{recipe.versions[row.version]}-{REVISION}",
        row.description,
        row.homepage,
        [text.format_map(recipe.versions) for text in row.depends],
        [text.format_map(recipe.versions) for text in row.recommends],
        scripts if row.unit else {},
    )


def _entries(row: NodePackage, programs: Mapping[str, Path]) -> list[Entry]:
    made = [Entry(target, programs[program]) for target, program in row.programs.items()]
    return [*made, *(Entry(target, FILES / name, mode=0o644) for target, name in row.files.items())]
