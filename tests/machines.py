"""A cluster's machines, made and removed as `clouder` does it, on any provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clouder.providers import provider_of
from clouder.workspace import Workspace

if TYPE_CHECKING:
    from clouder.plan import Plan
    from clouder.providers import Provider
    from clouder.spec import ClusterSpec
    from clouder.workspace import OnEvent, Outputs


def apply(
    spec: ClusterSpec,
    provider: Provider | None = None,
    *,
    on_event: OnEvent | None = None,
    force: bool = False,
) -> tuple[Plan, Outputs]:
    """What a create does before the first step on a node; `provider` stands in for the spec's."""
    workspace = Workspace.open(spec.name) if spec.name in Workspace.names() else Workspace.create(spec)
    with workspace.lock(f"clouder k8s create {spec.name}", on_event=on_event), workspace.run_log("test"):
        workspace.prepare(provider or provider_of(spec.provider), spec)
        plan = workspace.plan(on_event=on_event)
        workspace.check(plan, force=force)
        return plan, workspace.apply(plan, on_event=on_event)


def delete(name: str, provider: Provider | None = None) -> None:
    """What a delete does."""
    workspace = Workspace.open(name)
    with workspace.lock(f"clouder k8s delete {name}"), workspace.run_log("delete"):
        workspace.destroy(provider or provider_of(workspace.spec().provider))
        workspace.remove()
