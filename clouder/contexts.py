"""Contexts: which provider and account are used when no flag says so; `<home>/contexts.yaml`."""

from __future__ import annotations

from dataclasses import dataclass

from clouder import contextfile
from clouder.providers import PROVIDERS, provider_of

DEFAULT_PROVIDER = "local"


@dataclass(frozen=True)
class Context:
    """One choice of provider and account; exactly one context is current."""

    provider: str
    account: str
    current: bool


def provider() -> str:
    """The provider of the current context, `local` where there is none; raises SpecError."""
    return next((context.provider for context in contexts() if context.current), DEFAULT_PROVIDER)


def contexts() -> list[Context]:
    """All contexts, sorted; raises SpecError for a damaged file."""
    data = _load()
    return [
        Context(name, account, name == data["current"]) for name, account in sorted(data["accounts"].items())
    ]


def choose(provider: str, account: str = "") -> Context:
    """Make `provider` the current context, with `account` where one is given; raises SpecError."""
    provider_of(provider)
    data = _load()
    accounts = {**data["accounts"], provider: account or data["accounts"].get(provider, "")}
    contextfile.save({"current": provider, "accounts": accounts})
    return Context(provider, accounts[provider], current=True)


def start() -> list[Context]:
    """Write the file with a context for the default provider, unless there is one already."""
    if not contextfile.path().exists():
        choose(DEFAULT_PROVIDER)
    return contexts()


def _load() -> contextfile.Contexts:
    data = contextfile.load()
    for name in data["accounts"]:
        if name not in PROVIDERS:
            raise contextfile.wrong(f"accounts.{name}: providers are {', '.join(PROVIDERS)}")
    return data
