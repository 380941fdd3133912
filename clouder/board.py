"""Where the lanes of a run wait for each other."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from clouder.step import Late, Todo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clouder.step import Step


class Board:
    """Which step is still pending on which host, and what the finished ones gave out."""

    def __init__(self, pending: Mapping[str, tuple[Step, ...]], failed: set[tuple[str, str]]) -> None:
        self._pending = {(host, step.name) for host, steps in pending.items() for step in steps}
        self._todo = Todo({host: frozenset(step.name for step in steps) for host, steps in pending.items()})
        self._failed = set(failed)
        self._outputs: dict[tuple[str, str], str] = {}
        self._changed = threading.Condition()
        self._cancelled = False

    def wait(self, step: Step) -> bool:
        """Waits until what `step` names has ended; False when it can never run."""
        with self._changed:
            self._changed.wait_for(lambda: self._cancelled or self._blocked(step) or self._free(step))
            return not self._cancelled and not self._blocked(step)

    def is_pending(self, host: str, step: Step) -> bool:
        """Whether `step` has not ended on `host`."""
        with self._changed:
            return (host, step.name) in self._pending

    def free(self, step: Step) -> bool:
        """Whether `step` can run at once."""
        with self._changed:
            return self._free(step) and not self._blocked(step)

    def _free(self, step: Step) -> bool:
        names = {*step.needs, *step.after}
        return not any(name in names for _, name in self._pending)

    def _blocked(self, step: Step) -> bool:
        return any(name in step.needs for _, name in self._failed)

    def settle(self, host: str, step: str, *, failed: bool = False) -> None:
        """Notes that `step` ended on `host`."""
        with self._changed:
            self._pending.discard((host, step))
            if failed:
                self._failed.add((host, step))
            self._changed.notify_all()

    def give(self, step: str, name: str, text: str) -> None:
        """Keeps an output for later steps."""
        with self._changed:
            self._outputs[step, name] = text

    def late(self) -> Late:
        """What is known by now."""
        with self._changed:
            return Late(dict(self._outputs), self._todo, frozenset(host for host, _ in self._failed))

    def cancel(self) -> None:
        """Wakes every lane; none starts another step."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()
