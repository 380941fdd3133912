"""Azure without Azure: the true provider and Clouder on the stand-in, from spec to machines and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clouder.spec import parse
from tests import plugins
from tests.azure import provider
from tests.azure.account import REGION, SUBSCRIPTION, TENANT

if TYPE_CHECKING:
    from pathlib import Path

    from clouder.spec import ClusterSpec
    from tests.azure.arm import Arm


def credentials(arm: Arm) -> dict[str, str]:
    """What leads terraform and Clouder to the stand-in."""
    return {
        "ARM_METADATA_HOSTNAME": arm.url.removeprefix("https://"),
        "SSL_CERT_FILE": str(arm.certificate),
        "ARM_SUBSCRIPTION_ID": SUBSCRIPTION,
        "ARM_TENANT_ID": TENANT,
        "ARM_CLIENT_ID": TENANT,
        "ARM_CLIENT_SECRET": "testing",
        "ARM_USE_CLI": "false",
    }


def terraform_config(folder: Path) -> dict[str, str]:
    """Lets terraform find the provider that was built, and nothing else."""
    return plugins.configuration(folder, provider.mirror())


def spec_of(name: str, workers: int = 1, **fields: Any) -> ClusterSpec:
    """A cluster on Azure with one master."""
    return parse(
        {
            "name": name,
            "provider": "azure",
            "region": REGION,
            "pools": [{"name": "workers", "desired": workers}],
            "allowedCidrs": ["203.0.113.7/32"],
            **fields,
        }
    )
