"""What a build tells its caller while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["start", "done", "failed", "cached"]


@dataclass(frozen=True)
class Event:
    """One part of a build changed state; `seconds` is the time that the part took, 0.0 at its start."""

    part: str
    state: State
    seconds: float = 0.0
    note: str = ""


def ignore(event: Event) -> None:
    """Take no notice: the default progress receiver."""
