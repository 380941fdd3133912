"""Tables of measured numbers, on stdout and in docs/benchmarks.md."""

from __future__ import annotations

import os
import re
from dataclasses import astuple, dataclass
from datetime import datetime, timezone
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
HEAD = ("what", "measured", "hold", "all runs")


@dataclass(frozen=True)
class Row:
    """One number: its name, its value with the unit, what it must hold, and every run."""

    what: str
    measured: str
    hold: str
    runs: str


def publish(part: str, rows: list[Row]) -> None:
    """Print the table and put it between the marks of `part` in docs/benchmarks.md."""
    text = table(rows)
    print(text)
    load = os.getloadavg()[0]
    time = f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC"
    stamp = f"{time}, {os.cpu_count()} cores, load at the end {load:.1f}"
    page = PAGE.read_text()
    marks = rf"(<!-- {part} -->\n).*?(<!-- end {part} -->)"
    PAGE.write_text(re.sub(marks, lambda found: f"{found[1]}{stamp}\n\n{text}\n{found[2]}", page, flags=re.S))


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [HEAD, ("---",) * len(HEAD), *(astuple(row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
