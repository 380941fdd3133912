"""local-path: volumes that are directories of the node, for machines without a cloud's disks."""

from __future__ import annotations

from clouder.addons.addon import Addon, Place
from clouder.bundle import extra
from clouder.bundle.images import BUSYBOX


def _values(place: Place) -> dict[str, str]:
    return {
        "image": extra.load("local-path").image("docker.io/rancher/local-path-provisioner"),
        "helper_image": place.bundle.lock.image(BUSYBOX),
    }


LOCAL_PATH = Addon(
    "local-path",
    "Default storage class: volumes that are directories of the node",
    _values,
    waits=("local-path-storage deployment/local-path-provisioner",),
    images=True,
)
