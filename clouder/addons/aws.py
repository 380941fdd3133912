"""Addons of AWS; on the host network, since no other pod can ask the metadata service (hop limit 1)."""

from __future__ import annotations

from clouder.addons.addon import Addon, Place
from clouder.bundle import charts

CCM_CHART = "aws-cloud-controller-manager"


def _ccm_values(place: Place) -> dict[str, str]:
    return {"cluster": place.spec.name, "tag": charts.locked()[CCM_CHART].app_version}


AWS_CCM = Addon(
    "aws-ccm",
    "Cloud controller manager of AWS: load balancers, and nodes that AWS knows",
    _ccm_values,
    waits=("kube-system daemonset/aws-cloud-controller-manager",),
    chart=CCM_CHART,
    manifests=False,
    providers=("aws",),
    cloud_controller=True,
    unproven="an API server takes its manifests, but nobody ran it on AWS yet",
)
