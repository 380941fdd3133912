"""The parts of a build: each made once per hash of its inputs, side by side where nothing is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clouder.bundle.events import Event, State
from clouder.bundle.recipe import fingerprint
from clouder.bundle.shelf import make_once

if TYPE_CHECKING:
    from clouder.bundle.processes import Processes

Progress = Callable[[Event], None]
Finished = Mapping[str, Path]
LANES = 3  # a compiler fills two cores; the third lane is for what waits on the network


@dataclass(frozen=True)
class Part:
    """One directory of the build cache: `make(target, finished)` fills it, `inputs` decide its content."""

    name: str
    inputs: object
    make: Callable[[Path, Finished], None]
    needs: Sequence[str] = ()


def make_parts(
    parts: Sequence[Part], cache: Path, *, processes: Processes, progress: Progress
) -> dict[str, Path]:
    """Make what is not in `cache` yet, return every part's directory; the first failure stops the rest."""
    keys = _keys(parts)
    finished = {part.name: cache / keys[part.name] for part in parts if (cache / keys[part.name]).is_dir()}
    for name in finished:
        progress(Event(name, "cached"))
    waiting = [part for part in parts if part.name not in finished]
    running: dict[Future[Path], str] = {}
    with ThreadPoolExecutor(LANES) as pool:
        try:
            while waiting or running:
                for part in [part for part in waiting if set(part.needs) <= finished.keys()]:
                    waiting.remove(part)
                    job = pool.submit(
                        _make, part, cache / keys[part.name], dict(finished), processes, progress
                    )
                    running[job] = part.name
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    finished[running.pop(future)] = future.result()
        except BaseException:  # also Ctrl-C
            _stop(processes, running)
            raise
    return finished


def missing_parts(parts: Sequence[Part], cache: Path) -> set[str]:
    """The names of the parts that have to be made."""
    return {name for name, key in _keys(parts).items() if not (cache / key).is_dir()}


def _keys(parts: Sequence[Part]) -> dict[str, str]:
    keys: dict[str, str] = {}
    for part in parts:  # a part comes after those that it needs
        keys[part.name] = f"{part.name}-{fingerprint([part.inputs, [keys[need] for need in part.needs]])}"
    return keys


def _make(part: Part, target: Path, finished: Finished, processes: Processes, progress: Progress) -> Path:
    started = time.monotonic()

    def tell(state: State, note: str = "") -> None:
        progress(Event(part.name, state, 0.0 if state == "start" else time.monotonic() - started, note))

    tell("start")
    try:
        make_once(
            target,
            lambda directory: part.make(directory, finished),
            processes=processes,
            waiting=lambda: tell("start", "another build is making it: waiting for that"),
        )
    except BaseException as error:
        tell("failed", str(error))
        raise
    tell("done")
    return target


def _stop(processes: Processes, running: Mapping[Future[Path], str]) -> None:
    processes.stop()
    for future in running:
        future.cancel()
    wait(running)
