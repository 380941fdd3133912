"""What a provider is: one record of facts and plain functions; nothing else asks which provider it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clouder.providers.fault import Fault
    from clouder.spec import ClusterSpec


HostKeys = Callable[["ClusterSpec", Mapping[str, Any], Mapping[str, str]], Mapping[str, str]]


def no_environment(spec: ClusterSpec) -> dict[str, str]:  # noqa: ARG001
    """Terraform needs nothing from Clouder but what is in the environment already."""
    return {}


def nothing(spec: ClusterSpec) -> tuple[str, ...]:  # noqa: ARG001
    """There is nothing to say; Terraform's own refresh sees everything there is to see."""
    return ()


def do_nothing(spec: ClusterSpec, names: tuple[str, ...]) -> None:
    """There is never a stopped machine to start."""


def sweep_nothing(spec: ClusterSpec, tfvars: Mapping[str, Any]) -> None:
    """Terraform's own destroy is enough."""


def no_orphans(spec: ClusterSpec, tfvars: Mapping[str, Any], held: frozenset[str]) -> None:
    """What a killed terraform leaves is in the way of nothing."""


def tried() -> list[str]:
    """What is not proven and wanted all the same: the names in CLOUDER_UNPROVEN, between commas."""
    return [name for name in os.environ.get("CLOUDER_UNPROVEN", "").split(",") if name]


def no_ids(spec: ClusterSpec, tfvars: Mapping[str, Any]) -> dict[str, str]:  # noqa: ARG001
    """What things are called there is not known before they are made."""
    return {}


@dataclass(frozen=True)
class Provider:
    """One place where machines come from.

    tfvars:       (spec, previous tfvars or {}) -> all Terraform values but ssh_public_key and host_keys.
                  `previous` keeps addresses and ports where they are. Raises SpecError, AccessError.
    check_access: raises AccessError, with the fix, before anything is created.
    environment:  what terraform gets on top of the environment of this process.
    missing:      addresses inside the module, such as `terraform_data.lb`, of resources that are gone without
                  Terraform being able to notice; the next plan makes them anew.
    stopped:      names of machines that are there and do not run; `start` starts them.
    sweep:        removes what still bears the cluster's labels after a destroy, given the tfvars: what a
                  terraform that was killed made and did not write down.
    sweep_orphans: the same before a plan after a kill, but for what Terraform holds: their ids.
    adopt:        (spec, tfvars) -> by the address inside the module, the id of everything, where names alone
                  give the ids; what others hang on comes first. What a killed run made and did not write down
                  is imported, not removed.
    required_providers: of Terraform, by name: source and version.
    provider_arguments: of their provider blocks, by name: Terraform expressions such as `var.region`.
    provider_blocks: of them too, by name: the empty blocks without which they are not valid.
    unproven:     what was never run on it; while that is not empty, a create takes CLOUDER_UNPROVEN=<name>,…
    image_builder: what bakes the image of the nodes, a key of clouder.bake.BUILDERS; empty: nothing does.
    keeps_machines: the machines are there before the cluster and stay after it: the spec names them, and a
                  delete takes the cluster off them.
    host_keys:    (spec, tfvars, pinned keys by node) -> the public host key of each node, where machines have
                  keys of their own. None: Clouder makes the keys and the module puts them in.
    faults:       what its tools say when they refuse, and what to do about it.
    notes:        what the user is told of a spec before anything happens, one line each.
    """

    name: str
    title: str
    default_region: str
    default_sizes: Mapping[str, str]  # by role: master, node
    ssh_user: str
    tfvars: Callable[[ClusterSpec, Mapping[str, Any]], dict[str, Any]]
    check_access: Callable[[ClusterSpec], None]
    environment: Callable[[ClusterSpec], dict[str, str]] = no_environment
    missing: Callable[[ClusterSpec], tuple[str, ...]] = nothing
    stopped: Callable[[ClusterSpec], tuple[str, ...]] = nothing
    start: Callable[[ClusterSpec, tuple[str, ...]], None] = do_nothing
    sweep: Callable[[ClusterSpec, Mapping[str, Any]], None] = sweep_nothing
    sweep_orphans: Callable[[ClusterSpec, Mapping[str, Any], frozenset[str]], None] = no_orphans
    adopt: Callable[[ClusterSpec, Mapping[str, Any]], dict[str, str]] = no_ids
    unproven: str = ""
    image_builder: str = ""
    keeps_machines: bool = False
    host_keys: HostKeys | None = None
    notes: Callable[[ClusterSpec], tuple[str, ...]] = nothing
    faults: tuple[Fault, ...] = ()
    required_providers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    provider_arguments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    provider_blocks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def common_tfvars(spec: ClusterSpec) -> dict[str, Any]:
    """The part of the Terraform values that every module takes in the same form."""
    return {
        "cluster_name": spec.name,
        "region": spec.region,
        "nodes": {
            node.name: {"role": node.role, "pool": node.pool, "size": node.size} for node in spec.nodes()
        },
        "tags": {},
    }
