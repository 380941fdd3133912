"""`<home>/contexts.yaml`: the current provider, and one account for each provider that has a context."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from clouder.errors import AccessError, SpecError
from clouder.safeyaml import dump_yaml, load_yaml
from clouder.store import home, write_private

if TYPE_CHECKING:
    from pathlib import Path


class Contexts(TypedDict):
    """What the file holds; `current` is empty where there is no file."""

    current: str
    accounts: dict[str, str]


def path() -> Path:
    """The file."""
    return home() / "contexts.yaml"


def account_of(provider: str) -> str:
    """The account of the context of `provider`; empty where there is none. Raises SpecError."""
    return load()["accounts"].get(provider, "")


def load() -> Contexts:
    """What the file says; raises SpecError when it is damaged, AccessError when it cannot be read."""
    try:
        data = load_yaml(path().read_bytes(), source=str(path()))
    except (FileNotFoundError, NotADirectoryError):
        return {"current": "", "accounts": {}}
    except OSError as error:
        raise AccessError(f"cannot read {path()}: {error.strerror}", fix="make it readable") from error
    accounts, current = data.get("accounts"), data.get("current")
    known = accounts if isinstance(accounts, dict) else {}
    if set(data) != {"current", "accounts"} or current not in list(known):
        raise wrong("must hold `current`, and under `accounts` one line for each provider")
    for name, account in known.items():
        if not isinstance(name, str) or not isinstance(account, str):
            raise wrong(f"accounts.{name}: providers and accounts are text")
    return {"current": str(current), "accounts": known}


def save(data: Contexts) -> None:
    """Replace the file."""
    write_private(path(), dump_yaml({**data}))


def wrong(problem: str) -> SpecError:
    """The error for a file that says what it cannot."""
    return SpecError(f"{path()} {problem}", fix=f"mend it, or: rm {path()} && clouder ctx init")
