"""A provider that nobody has seen make a whole cluster is out of reach."""

from __future__ import annotations

import pytest

from clouder.cluster import check
from clouder.errors import SpecError
from clouder.providers import PROVIDERS
from clouder.spec import parse


@pytest.mark.parametrize("name", [name for name, provider in PROVIDERS.items() if provider.unproven])
def test_an_unproven_provider_must_be_asked_for_by_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUDER_UNPROVEN", raising=False)
    with pytest.raises(SpecError, match=f"provider: {name} is not finished") as caught:
        check(parse({"name": "demo", "provider": name}))
    assert f"CLOUDER_UNPROVEN={name}" in caught.value.fix
    monkeypatch.setenv("CLOUDER_UNPROVEN", name)
    assert check(parse({"name": "demo", "provider": name})).name == name


def test_the_local_provider_is_proven() -> None:
    assert PROVIDERS["local"].unproven == ""
