"""What a cluster may cost a month, from dated tables in `prices/`: an estimate, and marked as one."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

TABLES = Path(__file__).parent / "prices"


@dataclass(frozen=True)
class Estimate:
    """Money a month as of `date`; `unknown` are the sizes it leaves out, once for each node."""

    monthly: float
    currency: str
    date: str
    unknown: tuple[str, ...]


def estimate(
    provider: str,
    region: str,
    sizes: Sequence[str],
    *,
    disk_gib: int,
    load_balancers: int,
    gateways: int = 0,
) -> Estimate | None:
    """For a node of each of `sizes` with a disk and a public address; None where the region is not known.

    Traffic, and the public addresses of load balancers and gateways, are not in it.
    """
    table = json.loads((TABLES / f"{provider}.json").read_text())
    prices: dict[str, Any] | None = table["regions"].get(region)
    if prices is None:
        return None
    known = [size for size in sizes if size in prices["sizesPerHour"]]
    hourly = sum(prices["sizesPerHour"][size] for size in known)
    hourly += len(sizes) * prices["addressPerHour"] + load_balancers * prices["loadBalancerPerHour"]
    hourly += gateways * prices.get("gatewayPerHour", 0)
    monthly = hourly * table["hoursPerMonth"] + len(sizes) * disk_gib * prices["diskPerGibMonth"]
    unknown = tuple(size for size in sizes if size not in prices["sizesPerHour"])
    return Estimate(round(monthly, 2), table["currency"], table["date"], unknown)


def line(found: Estimate | None, region: str) -> str:
    """The estimate for a reader."""
    if found is None:
        return f"what it costs is not known: there is no table of prices for {region}"
    text = f"about {found.monthly:.0f} {found.currency} a month; an estimate from prices of {found.date}"
    text += ", without traffic and taxes"
    if found.unknown:
        counted = ", ".join(f"{number} x {size}" for size, number in sorted(Counter(found.unknown).items()))
        text += f", and without {counted}, whose price is not known"
    return text
