"""The parts of a build: each made once per hash of its inputs, side by side where nothing is waited for."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from clouder.bundle.events import Event
from clouder.bundle.processes import Processes, explained
from clouder.bundle.recipe import fingerprint

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
                    job = pool.submit(_make, part, cache / keys[part.name], dict(finished), progress)
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


def _make(part: Part, target: Path, finished: Finished, progress: Progress) -> Path:
    started = time.monotonic()
    progress(Event(part.name, "start"))
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        part.make(temporary, finished)
        _publish(temporary, target)
    except BaseException as error:
        progress(Event(part.name, "failed", time.monotonic() - started, str(error)))
        raise explained(error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    progress(Event(part.name, "done", time.monotonic() - started))
    return target


def _publish(temporary: Path, target: Path) -> None:
    temporary.chmod(0o755)
    try:
        temporary.rename(target)
    except OSError:
        if not target.is_dir():  # else another recipe's build made the same part meanwhile
            raise


def _stop(processes: Processes, running: Mapping[Future[Path], str]) -> None:
    processes.stop()
    for future in running:
        future.cancel()
    wait(running)
