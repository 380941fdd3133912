"""What a Terraform plan would do, and whether Clouder lets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from clouder.errors import TerraformError
from clouder.terraform_errors import node_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

Action = Literal["create", "update", "replace", "delete"]

# Resources of these names hold a cluster together, in the module of every provider.
BACKBONE = frozenset({"network", "lb"})


@dataclass(frozen=True)
class Change:
    """One resource and what is to become of it; `reason` is Terraform's word for it or empty."""

    address: str
    name: str
    action: Action
    reason: str = ""


@dataclass(frozen=True)
class Plan:
    """A plan file and what it does; names are those of nodes, or of single resources such as lb."""

    path: Path
    changes: tuple[Change, ...]
    outputs_change: bool = False
    starts: tuple[str, ...] = ()  # machines that are stopped, which is not Terraform's to see

    @property
    def creates(self) -> tuple[str, ...]:
        """What is new."""
        return self._names("create")

    @property
    def updates(self) -> tuple[str, ...]:
        """What changes and stays."""
        return self._names("update")

    @property
    def replaces(self) -> tuple[str, ...]:
        """What goes and is made anew."""
        return self._names("replace")

    @property
    def deletes(self) -> tuple[str, ...]:
        """What goes."""
        return self._names("delete")

    @property
    def empty(self) -> bool:
        """Nothing is to be done."""
        return not self.for_terraform and not self.starts

    @property
    def for_terraform(self) -> bool:
        """Terraform has something to do."""
        return bool(self.changes) or self.outputs_change

    def _names(self, action: Action) -> tuple[str, ...]:
        return tuple(change.name for change in self.changes if change.action == action)


def read(path: Path, shown: Mapping[str, Any], *, starts: tuple[str, ...] = ()) -> Plan:
    """The plan in `path`, from what `terraform show -json` says of it, with the machines to be started."""
    changes = [
        Change(item["address"], node_of(item["address"]), action, item.get("action_reason", ""))
        for item in shown.get("resource_changes", [])
        if (action := _action(item["change"]["actions"]))
    ]
    outputs = shown.get("output_changes", {}).values()
    gone = {change.name for change in changes if change.action in {"delete", "replace"}}
    starts = tuple(name for name in starts if name not in gone)
    return Plan(path, tuple(changes), any(item["actions"] != ["no-op"] for item in outputs), starts)


def _action(actions: list[str]) -> Action | None:
    if len(actions) == 2:
        return "replace"
    known: dict[str, Action] = {"create": "create", "update": "update", "delete": "delete"}
    return known.get(actions[0])


def check(
    plan: Plan,
    *,
    control_planes: Collection[str],
    living: Collection[str],
    initialised: bool,
    force: bool,
) -> None:
    """Raise TerraformError where the plan would delete or replace what the cluster stands on.

    `living` are the control planes of the last apply. To create one of them anew means that Terraform has
    forgotten it: its state was lost.

    Two replacements lose nothing and are let through: of what Terraform failed to make to its end, and of
    what is gone already. But a control plane that is gone took etcd with it: once it was `initialised`, it is
    for the user to say so.
    """
    if force:
        return
    refused = [change for change in plan.changes if _loses(change, control_planes, living, initialised)]
    forgotten = [change.name for change in refused if change.action == "create"]
    if forgotten:
        raise TerraformError(
            f"refused: Terraform's state does not hold {', '.join(forgotten)} any more, which runs",
            fix="bring terraform.tfstate back, or delete the cluster, which finds its machines without it",
        )
    lost = [change.name for change in refused if change.reason == "replace_by_request"]
    if lost:
        raise TerraformError(
            f"refused: {', '.join(lost)} is gone, and the data of the cluster with it",
            fix="bring the machine back, or give the cluster up: clouder k8s delete, then create it again",
            details=_details(refused),
        )
    if refused:
        names = ", ".join(f"{change.action} {change.name}" for change in refused)
        raise TerraformError(
            f"refused: the plan would {names}, and the cluster would be lost",
            fix="undo the change of the spec; if the cluster may be lost, delete it and create it again",
            details=_details(refused),
        )


def _details(changes: Iterable[Change]) -> str:
    return "\n".join(f"{change.address}: {change.action} {change.reason}" for change in changes)


def _loses(
    change: Change, control_planes: Collection[str], living: Collection[str], initialised: bool
) -> bool:
    if change.action == "create":
        return initialised and change.name in living
    if change.action not in {"delete", "replace"} or change.reason == "replace_because_tainted":
        return False
    if change.name in control_planes:
        return initialised or change.reason != "replace_by_request"
    return change.name in BACKBONE and change.reason != "replace_by_request"
