"""Jinja2's home: templates to text, and where the files that ship with Clouder are."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

PACKAGE = Path(__file__).resolve().parent


def asset(name: str) -> Path:
    """The file or folder `name`, such as `templates/terraform`; raises FileNotFoundError.

    A wheel carries them inside the package, a checkout has them beside it.
    """
    for base in (PACKAGE, PACKAGE.parent):
        if (base / name).exists():
            return base / name
    raise FileNotFoundError(f"{name} is not part of this installation of Clouder")


def render(template: str, **values: Any) -> str:
    """The text of `templates/<template>`; an undefined name raises jinja2.UndefinedError."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(asset("templates")),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 (nothing here is HTML)
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
