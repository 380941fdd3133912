"""The address under which this machine is seen from outside: the default of who may reach rented machines."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from clouder.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clouder.spec import ClusterSpec

ASK = "https://checkip.amazonaws.com"
SECONDS = 3


def allowed_cidrs(spec: ClusterSpec, previous: Mapping[str, Any]) -> list[str]:
    """The networks of the spec, else this machine's own address as it is now, else as it was the last time.

    Raises SpecError where none of them is known.
    """
    if spec.allowed_cidrs:
        return sorted(set(spec.allowed_cidrs))
    found = own_address()
    if found:
        return [f"{found}/32"]
    if previous.get("allowed_cidrs"):
        return list(previous["allowed_cidrs"])
    raise SpecError(
        f"who may reach the machines is not known: {ASK} does not tell the address of this machine",
        fix="--allowed-cidr ADDRESS/32, with the address you reach the internet from",
    )


def own_address() -> str:
    """This machine's public IPv4 address; empty when nobody tells it within 3 seconds."""
    from urllib.request import urlopen

    try:
        with urlopen(ASK, timeout=SECONDS) as answer:
            return str(IPv4Address(answer.read(64).decode().strip()))
    except (OSError, ValueError):
        return ""
