"""Ctrl-C: the first stops the run cleanly, a second says what is still being waited for."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from clouder.cli.progress import Progress

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def watching(progress: Progress) -> Iterator[None]:
    """Turns the first signal into KeyboardInterrupt; the next ones do not disturb the stopping.

    A signal that was ignored before (nohup, a shell's background job) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    presses = _Presses(progress)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, presses.take)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Presses:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._count = 0

    def take(self, _: int, __: FrameType | None) -> None:
        """The first press stops; the second explains; a third goes through, for those who insist."""
        self._count += 1
        if self._count == 1:
            self._progress.line("·", "stopping; what is half done is left so that the next run goes on")
        elif self._count == 2:
            for text in self._progress.waiting() or ["the connections to close"]:
                self._progress.line("·", f"still waiting for {text.strip()}")
            self._progress.line("·", f"once more stops at once; kill -9 {os.getpid()} ends it without a word")
            return
        raise KeyboardInterrupt
