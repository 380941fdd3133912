"""Joins the steps of one host into one payload, and reads back the lines it prints."""

from __future__ import annotations

import base64
import secrets
import shlex
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clouder.bootstrap import Payload
from clouder.render import asset

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clouder.step import Files, Late, Step, Target, Values


def probe(steps: Iterable[Step], target: Target) -> Payload:
    """Asks each step whether it is done; changes nothing."""
    return _join("probe", [(step, "-", {}) for step in steps], target)


def apply(steps: Iterable[Step], target: Target, late: Late) -> Payload:
    """Does the steps in order, and marks each one after its verify passed."""
    return _join(
        "apply",
        [
            (step, _marker(step, target), {**step.files(target), **step.late_files(target, late)})
            for step in steps
        ],
        target,
    )


def _marker(step: Step, target: Target) -> str:
    return "-" if step.when else step.fingerprint(target)


def _join(mode: str, parts: list[tuple[Step, str, Files]], target: Target) -> Payload:
    files: dict[str, bytes] = {
        "main.sh": asset("templates/node/lib/main.sh").read_bytes(),
        "run.sh": asset("templates/node/lib/run.sh").read_bytes(),
        "mode": mode.encode(),
        # Output of programs that looks like a progress line is not one: it does not know this run's word.
        "nonce": secrets.token_hex(8).encode(),
        "list": "".join(f"{step.name} {marker}\n" for step, marker, _ in parts).encode(),
    }
    for step, _, contents in parts:
        files[f"{step.name}/step.sh"] = step.script()
        files[f"{step.name}/env"] = environment(step.values(target))
        files.update({f"{step.name}/{name}": content for name, content in contents.items()})
    return Payload(files)


def readable(payload: Payload) -> str:
    """The scripts and values as sent, for the log; rendered files may hold secrets and are only named."""
    shown = {"main.sh", "run.sh", "mode", "list", "step.sh", "env"}
    texts = {
        name: content.decode() if name.rpartition("/")[2] in shown else "# (not shown)"
        for name, content in payload.files.items()
    }
    return "\n".join(f"# --- {name}\n{text}" for name, text in texts.items())


def environment(values: Values) -> bytes:
    """Lines for `sh` to read, each value quoted."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(values.items())).encode()


@dataclass(frozen=True)
class Line:
    """A progress line: `::<nonce> <kind> <step> <word> <rest>`."""

    kind: str  # fact, probe, step or out
    subject: str
    word: str = ""
    rest: str = ""


def parse(text: str, request: Payload) -> tuple[str, Line | None]:
    """The ordinary output in `text` and the progress line of `request` that ends it, if there is one.

    A program that ends without a newline leaves its last words before the progress line.
    """
    output, marker, rest = text.partition(f"::{request.files['nonce'].decode()} ")
    if not marker:
        return text, None
    return output, Line(*[*rest.split(" ", 3), "", "", ""][:4])


def against_this_clock(line: Line) -> Line:
    """A host's clock, just heard, as the fact `clock_off`: the seconds it is ahead of this machine's."""
    if (line.kind, line.subject) != ("fact", "clock") or not line.word.isdecimal():
        return line
    return Line("fact", "clock_off", str(int(line.word) - round(time.time())))


def decode(pieces: Iterable[str]) -> str:
    """The text that the `out` lines of one file carry; raises ValueError when it is damaged."""
    return base64.b64decode("".join(pieces), validate=True).decode()


def facts(lines: Iterable[Line]) -> Mapping[str, str]:
    """What the host told about itself."""
    return {line.subject: line.word for line in lines if line.kind == "fact"}
