"""The run folders of a cluster, listed and printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from clouder import api
from clouder.cli.output import show, table
from clouder.errors import NotFoundError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One run; `number` counts from the oldest, 1."""

    number: int
    started: str  # UTC
    command: str
    path: str


def list_runs(name: str, output: str) -> None:
    """Print all runs, oldest first."""
    rows = [_run(number, path) for number, path in enumerate(api.runs(name), start=1)]
    columns = {"RUN": "number", "STARTED (UTC)": "started", "COMMAND": "command", "FOLDER": "path"}
    show(rows, output, table=table(rows, columns))


def _run(number: int, path: Path) -> Run:
    stamp, _, command = path.name.partition("Z-")
    day, _, time = stamp.partition("T")
    return Run(number, f"{day} {time.replace('-', ':')}", command, str(path))


def print_run(name: str, wanted: str) -> None:
    """Print every log of one run; scripts are only named, since they are long."""
    path = _find(api.runs(name), wanted, name)
    for file in sorted(path.glob("*.*")):
        if file.is_file():
            click.echo(f"==> {file.name} <==")
            click.echo(file.read_text(errors="replace"))
    for script in sorted(path.glob("scripts/*")):
        click.echo(script)


def _find(paths: list[Path], wanted: str, name: str) -> Path:
    if wanted == "last" and paths:
        return paths[-1]
    if wanted.isdecimal() and 1 <= int(wanted) <= len(paths):
        return paths[int(wanted) - 1]
    raise NotFoundError(
        f"cluster {name} has no run {wanted}; it has {len(paths)}", fix=f"clouder k8s logs {name}"
    )
