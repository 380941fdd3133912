"""Data on stdout: a table for readers, JSON and YAML with stable keys for programs."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def show(value: Any, output: str, *, table: str) -> None:
    """Prints `value` in the asked form; `table` is its text for readers."""
    if output == "json":
        import json

        click.echo(json.dumps(plain(value), indent=2, ensure_ascii=False))
    elif output == "yaml":
        import yaml

        click.echo(yaml.safe_dump(plain(value), sort_keys=False, allow_unicode=True), nl=False)
    else:
        click.echo(table, nl=bool(table))


def plain(value: Any) -> Any:
    """Dataclasses, specs and tuples as maps and lists; keys in camelCase, as in cluster.yaml."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", by_alias=True)
    if is_dataclass(value) and not isinstance(value, type):
        return {_camel(item.name): plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def table(rows: Iterable[Any], columns: Mapping[str, str]) -> str:
    """Aligned text; `columns` maps a heading to the name of a field."""
    cells = [list(columns), *([_cell(row, field) for field in columns.values()] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    return "\n".join(_line(line, widths) for line in cells)


def _cell(row: Any, field: str) -> str:
    value = row[field] if isinstance(row, dict) else getattr(row, field)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value in (None, "") else str(value)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()
