"""A provider that nobody has seen make a whole cluster is out of reach."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clouder.cluster import check
from clouder.errors import SpecError
from clouder.providers import PROVIDERS
from clouder.providers.local import LOCAL
from clouder.spec import parse

TRIAL = replace(LOCAL, name="trial", unproven="nobody has seen a cluster on it")


def test_an_unproven_provider_must_be_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROVIDERS, "trial", TRIAL)
    monkeypatch.delenv("CLOUDER_UNPROVEN", raising=False)
    with pytest.raises(SpecError, match="provider: trial is not finished: nobody has seen") as caught:
        check(parse({"name": "demo", "provider": "trial"}))
    assert "CLOUDER_UNPROVEN=trial" in caught.value.fix
    monkeypatch.setenv("CLOUDER_UNPROVEN", "another")
    with pytest.raises(SpecError):
        check(parse({"name": "demo", "provider": "trial"}))
    monkeypatch.setenv("CLOUDER_UNPROVEN", "trial")
    assert check(parse({"name": "demo", "provider": "trial"})) == TRIAL


@pytest.mark.parametrize("name", ["local", "aws", "baremetal"])
def test_a_provider_that_made_a_ready_cluster_in_a_test_is_not_held_back(name: str) -> None:
    assert PROVIDERS[name].unproven == ""
