"""What every node gets before Kubernetes starts on it; it knows no cluster's name, so it can be baked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clouder.render import asset, render
from clouder.step import Step
from clouder.steps.select import criu_hosts, every_host

if TYPE_CHECKING:
    from pathlib import Path

    from clouder.step import Target

PACKAGES = ("containerd", "runc", "criu", "kubernetes-cni", "cri-tools", "kubelet", "kubeadm", "kubectl")


def _package_values(target: Target) -> dict[str, str]:
    return {"PACKAGES": " ".join(PACKAGES), "KUBERNETES": target.cluster.spec.kubernetes_version}


def _package_uploads(target: Target) -> dict[str, Path]:
    return {"/var/lib/clouder/apt": target.cluster.bundle.path / "apt"}


def _containerd_files(target: Target) -> dict[str, bytes]:
    config = render(
        "node/containerd.toml.j2",
        sandbox=target.cluster.bundle.lock.image("registry.k8s.io/pause"),
        restrict_oom_score_adj=target.facts["sys_resource"] == "no",
        criu=target.cluster.spec.criu,
    )
    return {"config.toml": config.encode(), "crictl.yaml": asset("templates/node/crictl.yaml").read_bytes()}


def _criu_files(_: Target) -> dict[str, bytes]:
    return {"runc.conf": asset("templates/node/runc.conf").read_bytes()}


def _image_values(target: Target) -> dict[str, str]:
    return {"IMAGES": " ".join(target.cluster.bundle.lock.images)}


def _image_uploads(target: Target) -> dict[str, Path]:
    return {"/var/lib/clouder/images": target.cluster.bundle.path / "images"}


BASE = Step("base", "Prepare the kernel", on=every_host)
INSTALL_PACKAGES = Step(
    "packages", "Install packages", on=every_host, values=_package_values, uploads=_package_uploads
)
CONFIGURE_CONTAINERD = Step("containerd", "Start containerd", on=every_host, files=_containerd_files)
CONFIGURE_CRIU = Step("criu", "Set up CRIU", on=criu_hosts, files=_criu_files)
TEST_CRIU = Step("selftest", "Test CRIU", on=criu_hosts)
IMPORT_IMAGES = Step("images", "Import images", on=every_host, values=_image_values, uploads=_image_uploads)
