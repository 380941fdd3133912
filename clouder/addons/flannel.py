"""Flannel: the pod network of every cluster."""

from __future__ import annotations

from clouder.addons.addon import Addon, Place


def _values(place: Place) -> dict[str, str]:
    host, _, port = place.endpoint.rpartition(":")
    return {
        "pod_cidr": place.spec.network.pod_cidr,
        "image": place.bundle.lock.image("ghcr.io/flannel-io/flannel"),
        "api_host": host,
        "api_port": port,
    }


FLANNEL = Addon("flannel", "Pod network", _values)
