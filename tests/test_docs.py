"""The documents name every command, every exit code and every key that programs may rely on."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from clouder import errors
from tests.cli import commands

TEXT = (Path(__file__).parent.parent / "docs" / "commands.md").read_text()
LEAVES = [path for path, command in commands() if not isinstance(command, click.Group)]
CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, errors.ClouderError)
]


@pytest.mark.parametrize("path", LEAVES)
def test_a_command_is_documented(path: str) -> None:
    assert re.search(rf"`{path}[ `]", TEXT)


@pytest.mark.parametrize("path", re.findall(r"^\| `(clouder(?: [a-z0-9-]+)+)", TEXT, re.MULTILINE))
def test_what_is_documented_is_there(path: str) -> None:
    assert path in {*LEAVES, "clouder --version"}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_exit_code_is_documented(kind: type[errors.ClouderError]) -> None:
    assert kind.__doc__
    assert f"| {kind.exit_code} | `{kind.__name__}` | {kind.__doc__.splitlines()[0]} |" in TEXT


def test_exit_codes_are_told_apart() -> None:
    assert len({kind.exit_code for kind in CLASSES}) == len(CLASSES)
