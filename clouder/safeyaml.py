"""YAML that people write and programs trust: strict, bounded, and light to import."""

from __future__ import annotations

from typing import Any

from clouder.errors import SpecError

MAX_BYTES = 1 << 20
MAX_DEPTH = 32


def load_yaml(text: str | bytes, *, source: str = "cluster.yaml") -> dict[str, Any]:
    """A mapping from untrusted YAML; aliases, tags, deep nesting, doubled keys and non-UTF-8 are refused.

    PyYAML itself expands aliases without bound, keeps the last of two equal keys and overflows the stack on
    deep nesting, so the events are looked at before anything is built.
    """
    import yaml

    try:
        data = text.encode() if isinstance(text, str) else text
        if len(data) > MAX_BYTES:
            raise SpecError(f"{source}: larger than 1 MiB; a cluster spec is a few lines")
        decoded = data.decode()
        _check_events(decoded, source)
        loaded = yaml.load(decoded, Loader=_strict_loader())  # noqa: S506 (a SafeLoader that refuses doubled keys)
    except UnicodeDecodeError as error:
        raise SpecError(f"{source}: not UTF-8 text") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SpecError(f"{source}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(loaded, dict) or not all(isinstance(key, str) for key in loaded):
        raise SpecError(f"{source}: must be a map of fields, such as `name: demo`")
    return loaded


def _check_events(text: str, source: str) -> None:
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise SpecError(f"{source}: anchors and aliases are not allowed; write the value out")
        if tag := getattr(event, "tag", None):
            raise SpecError(f"{source}: tags such as {tag} are not allowed")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise SpecError(f"{source}: nested deeper than {MAX_DEPTH} levels")


def _strict_loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value]
            for key in keys:
                if keys.count(key) > 1:
                    raise yaml.YAMLError(f"{key} is there twice (line {node.start_mark.line + 1})")
            return super().construct_mapping(node, deep)

    return Loader


def dump_yaml(data: dict[str, Any]) -> str:
    """`data` in the order it has; `load_yaml` reads it back."""
    import yaml

    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
