"""Addons of Azure."""

from __future__ import annotations

import json

from clouder.addons.addon import Addon, Place, told
from clouder.bundle import charts

CCM_CHART = "cloud-provider-azure"


def _cloud_config(place: Place) -> str:
    """`azure.json`: no credentials in it, since the control planes have an identity of their own."""
    values = told(
        place,
        "region",
        "tenant_id",
        "subscription_id",
        "resource_group",
        "network",
        "node_subnet",
        "node_security_group",
        "identity_client_id",
    )
    config = {
        "cloud": "AzurePublicCloud",
        "tenantId": values["tenant_id"],
        "subscriptionId": values["subscription_id"],
        "resourceGroup": values["resource_group"],
        "location": values["region"],
        "vnetName": values["network"],
        "vnetResourceGroup": values["resource_group"],
        "subnetName": values["node_subnet"],
        "securityGroupName": values["node_security_group"],
        "securityGroupResourceGroup": values["resource_group"],
        "useManagedIdentityExtension": True,
        "userAssignedIdentityID": values["identity_client_id"],
        "useInstanceMetadata": True,
        "vmType": "standard",  # machines of their own; the default is scale sets
        "loadBalancerSku": "standard",  # the default is the basic one, which Azure retired in September 2025
        "excludeMasterFromStandardLB": True,
        "disableOutboundSNAT": True,  # nodes reach the internet through the NAT gateway
    }
    return json.dumps(config, indent=2)


def _ccm_values(place: Place) -> dict[str, str]:
    return {
        "cluster": place.spec.name,
        "pod_cidr": place.spec.network.pod_cidr,
        "tag": charts.locked()[CCM_CHART].app_version,
        "cloud_config": _cloud_config(place),
    }


AZURE_CCM = Addon(
    "azure-ccm",
    "Cloud controller manager of Azure: load balancers, and nodes that Azure knows",
    _ccm_values,
    waits=("kube-system daemonset/cloud-node-manager", "kube-system deployment/cloud-controller-manager"),
    chart=CCM_CHART,
    providers=("azure",),
    cloud_controller=True,
    unproven="an API server takes its manifests, but nobody ran it on Azure yet",
)
