"""The list on a terminal: finished lines stay, running ones stand below with their seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.text import Text

from clouder.cli.progress import Progress, row

if TYPE_CHECKING:
    from rich.console import RenderableType

    from clouder.step import Event

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
FRAMES_A_SECOND = 8
MOST_ROWS = 12
STYLES = {"✓": "green", "✗": "bold red", "-": "yellow", "·": "dim"}


class Live(Progress):
    """Progress on a terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._live = RichLive(
            console=self._console,
            get_renderable=self._rows,
            refresh_per_second=FRAMES_A_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._notes: dict[tuple[str, str], str] = {}

    def __enter__(self) -> Progress:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self.running.clear()
        self._live.stop()

    def noted(self, event: Event) -> None:
        """A note stands beside the running row it belongs to, for as long as that runs."""
        key = (event.host, event.step)
        if key in self.running:
            self._notes[key] = event.note
        else:
            super().noted(event)

    def line(self, mark: str, text: str, seconds: float | None = None) -> None:
        """One finished line above the running ones, never longer than the window."""
        shown = Text(row(mark, text, seconds), no_wrap=True, overflow="ellipsis")
        shown.stylize(STYLES.get(mark, ""), 0, 1)
        self._console.print(shown)

    def _rows(self) -> RenderableType:
        now = time.monotonic()
        mark = SPINNER[int(now * FRAMES_A_SECOND) % len(SPINNER)]
        running = list(self.running.items())
        rows = [
            Text(row(mark, self._shown(key, text), now - since), no_wrap=True, overflow="ellipsis")
            for key, (text, since) in running[:MOST_ROWS]
        ]
        if len(running) > MOST_ROWS:
            rows.append(Text(f"  and {len(running) - MOST_ROWS} more"))
        return Group(*rows)

    def _shown(self, key: tuple[str, str], text: str) -> str:
        note = self._notes.get(key, "")
        return f"{text} ({note})" if note else text
