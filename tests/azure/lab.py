"""Azure without Azure: the true provider and Clouder on the stand-in, from spec to machines and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clouder.providers.azure import AZURE
from clouder.spec import parse
from clouder.workspace import Workspace
from tests import plugins
from tests.azure import provider
from tests.azure.account import REGION, SUBSCRIPTION, TENANT

if TYPE_CHECKING:
    from pathlib import Path

    from clouder.plan import Plan
    from clouder.spec import ClusterSpec
    from clouder.workspace import OnEvent, Outputs
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


def apply(spec: ClusterSpec, *, on_event: OnEvent | None = None) -> tuple[Plan, Outputs | None]:
    """What a create does before the first step on a node."""
    workspace = Workspace.open(spec.name) if spec.name in Workspace.names() else Workspace.create(spec)
    with workspace.lock(f"clouder k8s create {spec.name}", on_event=on_event), workspace.run_log("test"):
        workspace.prepare(AZURE, spec)
        plan = workspace.plan(on_event=on_event)
        workspace.check(plan)
        return plan, workspace.apply(plan, on_event=on_event)  # reads the outputs of an empty one, too


def delete(name: str) -> None:
    """What a delete does."""
    workspace = Workspace.open(name)
    with workspace.lock(f"clouder k8s delete {name}"), workspace.run_log("delete"):
        workspace.destroy(AZURE)
        workspace.remove()
