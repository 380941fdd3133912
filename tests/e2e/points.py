"""Where a create of a 1+1 cluster can be cut: the start and the end of everything it does, in order."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.tools import Event

STEPS = (
    "render",
    "machines",
    "connect",
    "init",
    "rbac",
    "token",
    "kubeconfig",
    "flannel",
    "join",
    "labels",
    "ready",
    "tokens",
)
POINTS = [(step, state) for step in STEPS for state in ("start", "ok")]


def at(step: str, state: str) -> Callable[[Event], bool]:
    """Whether an event is that point."""

    def matches(event: Event) -> bool:
        return bool(event["step"] == step and event["state"] == state)

    return matches
