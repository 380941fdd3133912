"""Tells the events of a run on stderr: as JSON lines, as plain lines, or as a live list on a terminal."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clouder.cli.options import LOG_FORMAT
from clouder.cli.outcome import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clouder.step import Event, Reporter

WIDTH = 64  # columns of the text before the seconds
# Terraform names its own events; the rest of them is in its log.
TERRAFORM_STATES = {
    "apply_start": "start",
    "apply_complete": "ok",
    "apply_errored": "failed",
    "waiting": "note",
    "warning": "note",
}


def log_format() -> str:
    """`text`, or `json` when `--log-format json` was given."""
    return LOG_FORMAT.get()


def is_live() -> bool:
    """Whether stderr is a terminal that can redraw lines, and nobody asked it not to."""
    if os.environ.get("NO_COLOR") or os.environ.get("CI"):
        return False
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


@contextmanager
def telling() -> Iterator[Reporter]:
    """A reporter for the events of one run; Ctrl-C stops the run cleanly while it is open."""
    from clouder.cli.interrupts import watching

    progress = _choose()
    with progress, watching(progress):
        yield progress


def _choose() -> Progress:
    if log_format() == "json":
        return JsonLines()
    if is_live():
        from clouder.cli.live import Live

        return Live()
    return Lines()


class Progress:
    """Knows what is running; the subclasses say it. Events come from many threads."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.running: dict[tuple[str, str], tuple[str, float]] = {}  # (host, step) -> text, start
        self._done: Counter[str] = Counter()
        self._blocked: Counter[str] = Counter()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        with self.lock:
            for host in list(self._done):
                self._tell_done(host)
            for host, count in sorted(self._blocked.items()):
                self.line("-", f"{host}: {_count(count, 'step')} not started")
            self._blocked.clear()

    def __call__(self, event: Event) -> None:
        """Takes one event."""
        with self.lock:
            self.take(event)

    def take(self, event: Event) -> None:
        """Keeps the books and says what a reader wants to know of `event`."""
        state = _state(event)
        key, text = (event.host, event.step), _text(event)
        if state == "done":
            self._done[event.host] += 1
            return
        self._tell_done(event.host)
        if state == "blocked":
            self._blocked[event.host] += 1
        elif state == "start":
            self.running[key] = (text, time.monotonic())
            self.started(event, text)
        elif state == "note":
            self.noted(event)
        elif state in {"ok", "failed"}:
            _, since = self.running.pop(key, ("", time.monotonic()))
            seconds = event.seconds or time.monotonic() - since
            self.line("✓" if state == "ok" else "✗", text, seconds)

    def waiting(self) -> list[str]:
        """What is running now, with its seconds."""
        now = time.monotonic()
        return [f"{text} ({duration(now - since)})" for text, since in list(self.running.values())]

    def started(self, event: Event, text: str) -> None:
        """Something began."""

    def noted(self, event: Event) -> None:
        """Something is worth a word while it runs."""
        self.line("·", event.note or event.title)

    def line(self, mark: str, text: str, seconds: float | None = None) -> None:
        """One finished line."""
        say(row(mark, text, seconds))

    def _tell_done(self, host: str) -> None:
        count = self._done.pop(host, 0)
        if count:
            self.line("✓", f"{host}: {_count(count, 'step')} done before")


class Lines(Progress):
    """Plain lines: what was started on this machine, and what ended anywhere."""

    def started(self, event: Event, text: str) -> None:
        """Says it where it may last: a build without a word for minutes looks dead."""
        if not event.host and not event.step.startswith("terraform/"):
            self.line("…", text)


class JsonLines(Progress):
    """Every event as one object a line, as it comes."""

    def take(self, event: Event) -> None:
        """Writes the event; nothing is left out."""
        import json
        from dataclasses import asdict

        key = (event.host, event.step)
        if event.state == "start":
            self.running[key] = (_text(event), time.monotonic())
        elif event.state != "note":
            self.running.pop(key, None)
        self.write(json.dumps(asdict(event)))

    def line(self, mark: str, text: str, seconds: float | None = None) -> None:
        """A word that is no event of the run: `step` is empty."""
        import json

        event = {
            "host": "",
            "step": "",
            "title": text,
            "state": "note",
            "seconds": seconds or 0.0,
            "note": mark,
        }
        self.write(json.dumps(event))

    def write(self, text: str) -> None:
        """One line, flushed at once."""
        say(text)
        sys.stderr.flush()


def _state(event: Event) -> str:
    """The state in the engine's words: parts of a bundle and resources of Terraform have their own."""
    if event.step.startswith("terraform/"):
        return TERRAFORM_STATES.get(event.state, "ignored")
    if event.step.startswith("bundle/"):
        return {"done": "ok", "cached": "ignored"}.get(event.state, event.state)
    return event.state


def _text(event: Event) -> str:
    inner = "  " if event.step.startswith(("terraform/", "bundle/")) else ""
    title = event.title.removeprefix("module.cluster.")
    text = f"{event.host}: {title}" if event.host else f"{inner}{title}"
    return f"{text}: {event.note.splitlines()[0]}" if event.state == "failed" and event.note else text


def row(mark: str, text: str, seconds: float | None) -> str:
    """`✓ demo-master: Install packages      6.2 s`."""
    return f"{mark} {text}" if seconds is None else f"{mark} {text:<{WIDTH}} {duration(seconds):>11}"


def duration(seconds: float) -> str:
    """`6.2 s`, `45 s` or `12 min 3 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 100 else f"{whole // 60} min {whole % 60} s"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")
