"""Bundle, node image and machines: what happens on the operator's machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clouder import bundle as bundles
from clouder.addons import wanted
from clouder.step import Action, Event

if TYPE_CHECKING:
    from clouder.bundle import Event as BundleEvent
    from clouder.cluster import Cluster
    from clouder.step import Reporter
    from clouder.terraform_event import OnEvent, TerraformEvent


def _ensure_bundle(cluster: Cluster, report: Reporter) -> Cluster:
    def tell(event: BundleEvent) -> None:
        report(Event("", f"bundle/{event.part}", event.part, event.state, event.seconds, event.note))

    bundles.ensure(cluster.spec.kubernetes_version, progress=tell)
    for addon in wanted(cluster.spec):
        addon.prepare(tell)
    return cluster


def _render(cluster: Cluster, _: Reporter) -> Cluster:
    cluster.workspace.prepare(cluster.provider, cluster.spec)
    return cluster


def terraform_events(report: Reporter) -> OnEvent:
    """Tells `report` what terraform does, as steps named `terraform/<address>`."""

    def tell(event: TerraformEvent) -> None:
        step = f"terraform/{event.address}"
        report(Event("", step, event.address, event.kind, event.seconds, event.message))

    return tell


def _apply(cluster: Cluster, report: Reporter) -> Cluster:
    tell = terraform_events(report)
    workspace = cluster.workspace
    plan = workspace.plan(on_event=tell)
    workspace.check(plan, force=False)
    # Also when nothing is to do: a run that was killed after Terraform's end has not written the outputs.
    return cluster.with_outputs(workspace.apply(plan, on_event=tell))


ENSURE_BUNDLE = Action("bundle", "Get the bundle", _ensure_bundle)
RENDER = Action("render", "Write the Terraform files", _render)
CREATE_MACHINES = Action("machines", "Create the machines", _apply)
