"""Contexts: which provider is used when no flag says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from clouder import contexts
from clouder.contexts import Context
from clouder.errors import SpecError
from tests.cli import run


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_without_a_file_local_is_used_and_nothing_is_written(home: Path) -> None:
    assert (contexts.provider(), contexts.contexts()) == ("local", [])
    assert not home.exists()


def test_init_writes_a_private_file_once(home: Path) -> None:
    assert run("ctx", "init").exit_code == 0
    path = home / "contexts.yaml"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("current: local\naccounts: {local: mine}\n")
    assert run("ctx", "init").exit_code == 0
    assert contexts.contexts() == [Context("local", "mine", current=True)]


def test_set_keeps_the_account_that_was_given_before() -> None:
    contexts.choose("local", "mine")
    assert contexts.choose("local") == Context("local", "mine", current=True)
    assert run("ctx", "ls", "-o", "yaml").stdout == "- provider: local\n  account: mine\n  current: true\n"


WRONG = [
    "",
    "[]",
    "current: local\n",
    "current: moon\naccounts: {moon: ''}\n",
    "current: local\naccounts: {moon: ''}\n",
    "current: local\naccounts: {local: 3}\n",
    "current: local\naccounts: {local: ''}\nmore: 1\n",
    "current: [local]\naccounts: {local: ''}\n",
    "current: &a local\naccounts: {*a : ''}\n",
]


@pytest.mark.parametrize("text", WRONG)
def test_a_damaged_file_is_named(text: str, home: Path) -> None:
    home.mkdir()
    (home / "contexts.yaml").write_text(text)
    with pytest.raises(SpecError, match=r"contexts\.yaml"):
        contexts.provider()
    result = run("k8s", "create", "demo")
    assert (result.exit_code, "contexts.yaml" in result.stderr) == (3, True)
