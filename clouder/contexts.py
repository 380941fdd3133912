"""Contexts: which provider and account are used when no flag says so; `<home>/contexts.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clouder.errors import AccessError, SpecError
from clouder.providers import PROVIDERS, provider_of
from clouder.store import home, write_private

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_PROVIDER = "local"


@dataclass(frozen=True)
class Context:
    """One choice of provider and account; exactly one context is current."""

    provider: str
    account: str
    current: bool


def path() -> Path:
    """The file."""
    return home() / "contexts.yaml"


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
    _save({"current": provider, "accounts": accounts})
    return Context(provider, accounts[provider], current=True)


def start() -> list[Context]:
    """Write the file with a context for the default provider, unless there is one already."""
    if not path().exists():
        choose(DEFAULT_PROVIDER)
    return contexts()


def _load() -> dict[str, Any]:
    from clouder.spec import load_yaml

    try:
        data = load_yaml(path().read_bytes(), source=str(path()))
    except (FileNotFoundError, NotADirectoryError):
        return {"current": "", "accounts": {}}
    except OSError as error:
        raise AccessError(f"cannot read {path()}: {error.strerror}", fix="make it readable") from error
    accounts, current = data.get("accounts"), data.get("current")
    known = accounts if isinstance(accounts, dict) else {}
    if set(data) != {"current", "accounts"} or current not in list(known):
        raise _wrong("must hold `current`, and under `accounts` one line for each provider")
    for name, account in known.items():
        if name not in PROVIDERS or not isinstance(account, str):
            raise _wrong(f"accounts.{name}: providers are {', '.join(PROVIDERS)}, accounts are text")
    return data


def _save(data: dict[str, Any]) -> None:
    import yaml

    write_private(path(), yaml.safe_dump(data, sort_keys=False))


def _wrong(problem: str) -> SpecError:
    return SpecError(f"{path()} {problem}", fix=f"mend it, or: rm {path()} && clouder ctx init")
