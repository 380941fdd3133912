"""What a terraform that was cut off left: the half-made is made anew, the lost is taken in or removed."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from clouder.errors import AccessError, ClouderError
from clouder.store import write_private
from clouder.terraform import FLAG, LOCK_TIMEOUT
from clouder.terraform_process import forget_unfinished, unfinished, was_cut_off

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from clouder.providers import Provider
    from clouder.spec import ClusterSpec
    from clouder.terraform import Terraform

NOT_THERE = re.compile(r"non-existent remote object|was not found|does not exist", re.I)  # of an import


def resources(terraform: Terraform) -> list[dict[str, Any]]:
    """Everything Terraform holds."""
    root = terraform.ask("show").get("values", {}).get("root_module", {})
    return [item for part in (root, *root.get("child_modules", [])) for item in part.get("resources", [])]


def addresses(terraform: Terraform) -> list[str]:
    """Addresses of everything Terraform holds."""
    return [item["address"] for item in resources(terraform)]


def note_failure(folder: Path) -> None:
    """An apply ended with an error; `folder` is that of the process."""
    with suppress(AccessError):  # a full disk is told by the error itself
        write_private(folder / "failed", "")


def recover(
    terraform: Terraform, provider: Provider, spec: ClusterSpec, tfvars: Mapping[str, Any], folder: Path
) -> None:
    """Settle what the last apply left, if it was killed or failed; before anything is planned."""
    failed, cut_off = folder / "failed", was_cut_off(folder)
    if not cut_off and not failed.exists():
        return
    if begun := {*unfinished(folder)}:
        for address in sorted(begun & {*addresses(terraform)}):
            terraform.cmd("taint", address, lock_timeout=LOCK_TIMEOUT)
    adopt(terraform, provider, spec, tfvars)
    if cut_off:
        held = frozenset(str(item["values"].get("id", "")) for item in resources(terraform)) - {""}
        provider.sweep_orphans(spec, tfvars, held)
        forget_unfinished(folder)
    failed.unlink(missing_ok=True)


def adopt(terraform: Terraform, provider: Provider, spec: ClusterSpec, tfvars: Mapping[str, Any]) -> None:
    """Take in, by their names, what was made and not written down.

    A killed terraform has not come to it; a refusal may be an answer that was lost.
    """
    known = {f"module.cluster.{address}": name for address, name in provider.adopt(spec, tfvars).items()}
    held = {*addresses(terraform)} if known else set()
    absent: list[str] = []
    taken = False
    for address, name in known.items():
        inside = any(re.match(rf"{re.escape(place)}([/|]|\Z)", name) for place in absent)
        if address in held or inside:
            continue
        if _import(terraform, address, name):
            taken = True
        else:
            absent.append(name)
    if taken:  # an import writes down neither the outputs nor what hangs on what
        terraform.cmd("apply", refresh_only=FLAG, auto_approve=FLAG, input=False, json=FLAG)


def _import(terraform: Terraform, address: str, name: str) -> bool:
    """False where there is nothing of this name."""
    try:
        terraform.cmd("import", address, name, input=False, lock_timeout=LOCK_TIMEOUT, no_color=FLAG)
    except ClouderError as error:
        if not NOT_THERE.search(error.details):
            raise
        return False
    return True
