"""Terraform's diagnostics in the user's words: what failed, on which node, and what to type next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clouder.errors import AccessError, ClouderError, TerraformError
from clouder.providers import aws_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

AGAIN = "run the same command again"


@dataclass(frozen=True)
class Diagnostic:
    """One error of terraform's; `address` is empty where it is of no resource."""

    summary: str
    detail: str
    address: str


@dataclass(frozen=True)
class _Known:
    pattern: re.Pattern[str]
    kind: type[ClouderError]
    message: str  # {0} is the first group of the pattern
    fix: str


def _known(pattern: str, kind: type[ClouderError], message: str, fix: str) -> _Known:
    return _Known(re.compile(pattern, re.I), kind, message, fix)


KNOWN = (
    _known(
        r"127\.0\.0\.1:(\d+).*(?:already allocated|already in use)",
        TerraformError,
        "port {0} on 127.0.0.1 is taken by another program",
        f"{AGAIN}: another port is chosen for a node; `ss -ltnp` shows who has {{0}}",
    ),
    _known(
        r"(pool overlaps with other one)",
        TerraformError,
        "the network range of the cluster was taken by another Docker network just now",
        f"{AGAIN}: another range is chosen",
    ),
    _known(r"(no space left on device)", AccessError, "the disk is full", f"free some space, then {AGAIN}"),
    _known(
        r"(error acquiring the state lock)",
        TerraformError,
        "another terraform works on this cluster's state",
        f"wait for it to end, then {AGAIN}",
    ),
    _known(
        r"(permission denied while trying to connect to the docker)",
        AccessError,
        "you may not use Docker's socket",
        "sudo usermod -aG docker $USER, then log in again",
    ),
    _known(
        r"(cannot connect to the docker daemon|docker does not answer|error during connect)",
        AccessError,
        "the Docker engine does not answer",
        f"start it (systemctl start docker, or script/demo), then {AGAIN}",
    ),
    _known(
        r"(the node image \S+ is not on this engine)",
        AccessError,
        "{0}",
        "clouder bundle build makes it",
    ),
    _known(
        r"clouder: (.* (?:exists already|is not of this cluster).*)",
        TerraformError,
        "{0}",
        "see `docker ps -a` and `docker network ls`",
    ),
    *(_known(fault.pattern, fault.kind, fault.message, fault.fix) for fault in aws_errors.FAULTS),
)


def explain(diagnostics: Sequence[Diagnostic]) -> ClouderError:
    """The error to raise for a terraform run that failed; a cause we know beats the first of the list."""
    details = "\n\n".join(_whole(item) for item in diagnostics)
    for item in diagnostics:
        for known in KNOWN:
            if found := known.pattern.search(f"{item.summary}\n{item.detail}"):
                return known.kind(
                    _at(item, known.message.format(found[1])), fix=known.fix.format(found[1]), details=details
                )
    return TerraformError(_at(diagnostics[0], _reason(diagnostics[0])), fix=AGAIN, details=details)


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
