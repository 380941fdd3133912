"""Two creates of one cluster at the same instant: the second finds what the first has just made."""

from __future__ import annotations

from pathlib import Path

import pytest

from clouder import api
from clouder.spec import parse
from clouder.workspace import Workspace
from tests import tinynodes


def test_a_name_that_is_taken_between_the_look_and_the_claim_is_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in tinynodes.engine().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path))
    spec = parse({"name": "demo"})
    Workspace.create(spec)
    monkeypatch.setattr(Workspace, "names", staticmethod(list))  # the look came before
    assert api._claim(spec).name == "demo"
