"""What terraform says while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class TerraformEvent:
    """One thing terraform said: kind is its own `type`, or `text`, `waiting` or `warning` from Clouder."""

    kind: str
    address: str
    message: str
    seconds: float = 0.0


OnEvent = Callable[[TerraformEvent], None]


def ignore(event: TerraformEvent) -> None:
    """Show nothing."""
