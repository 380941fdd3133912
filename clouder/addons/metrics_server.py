"""metrics-server: `kubectl top`, and the numbers that a HorizontalPodAutoscaler scales by."""

from __future__ import annotations

from clouder.addons.addon import Addon, Place
from clouder.bundle import extra


def _values(_: Place) -> dict[str, str]:
    return {"image": extra.load("metrics-server").image("registry.k8s.io/metrics-server/metrics-server")}


METRICS_SERVER = Addon(
    "metrics-server",
    "CPU and memory of nodes and pods, for `kubectl top` and autoscaling",
    _values,
    waits=("kube-system deployment/metrics-server", "- apiservice/v1beta1.metrics.k8s.io"),
    images=True,
)
