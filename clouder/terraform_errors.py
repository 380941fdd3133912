"""Terraform's diagnostics in the user's words: what failed, on which node, and what to type next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clouder.errors import AccessError, ClouderError, TerraformError
from clouder.providers.fault import AGAIN, Fault

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Diagnostic:
    """One error of terraform's; `address` is empty where it is of no resource."""

    summary: str
    detail: str
    address: str


LOCKED = "error acquiring the state lock"
# Of terraform itself, whatever the provider.
FAULTS = (
    Fault(r"(no space left on device)", "the disk is full", f"free some space, then {AGAIN}", AccessError),
)


def explain(diagnostics: Sequence[Diagnostic], faults: Sequence[Fault] = ()) -> ClouderError:
    """The error to raise for a terraform run that failed; a cause we know beats the first of the list.

    `faults` are those of the provider.
    """
    details = "\n\n".join(_whole(item) for item in diagnostics)
    for item in diagnostics:
        if LOCKED in item.summary.lower() + item.detail.lower():
            return _locked(item.detail, details)
        for fault in (*FAULTS, *faults):
            if (found := fault.find(f"{item.summary}\n{item.detail}")) is not None:
                message = _at(item, fault.message.format(found))
                return fault.kind(message, fix=fault.fix.format(found), details=details)
    return TerraformError(_at(diagnostics[0], _reason(diagnostics[0])), fix=AGAIN, details=details)


def _locked(text: str, details: str) -> ClouderError:
    """Who holds the state, which terraform tells in lines such as `  Who:  user@host`."""
    known = dict(re.findall(r"^\W*(ID|Who|Created):\s+(.+?)\s*$", text, re.M))
    by = f" by {known['Who']} since {known['Created']}" if {"Who", "Created"} <= known.keys() else ""
    free = f"terraform force-unlock {known['ID']}, in the terraform directory" if "ID" in known else ""
    return TerraformError(
        f"the state of the cluster is locked{by}",
        fix=f"wait for it to end, then {AGAIN}"
        + (f"; if nobody works on it any more: {free}" if free else ""),
        details=details,
    )


def node_of(address: str) -> str:
    """What a resource address is about: the key of for_each, else the resource's own name."""
    key = re.search(r'\["([^"]+)"\]$', address)
    return key[1] if key else address.rpartition(".")[2]


def _at(item: Diagnostic, text: str) -> str:
    return f"{node_of(item.address)}: {text}" if item.address else text


def _reason(item: Diagnostic) -> str:
    """The last line a local script said, which names the cause; otherwise terraform's own summary."""
    _, _, output = item.detail.partition("Output: ")
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if lines:
        return lines[-1].removeprefix("clouder: ")
    return item.summary


def _whole(item: Diagnostic) -> str:
    return "\n".join(part for part in (item.address, item.summary, item.detail) if part)
