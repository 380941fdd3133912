"""The Terraform directory of a cluster: what is in it, and how it gets there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from clouder.render import asset, render
from clouder.state import LocalState
from clouder.store import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from clouder.providers import Provider
    from clouder.state import State

LOCAL = LocalState()
TFVARS = "terraform.tfvars.json"
TEMPLATES = {
    "versions.tf": "versions.tf.j2",
    "providers.tf": "providers.tf.j2",
    "main.tf": "main.tf.j2",
    "outputs.tf": "outputs.tf.j2",
    "backend.tf": "backend.tf.j2",
    "README.md": "README.md.j2",
    ".gitignore": "gitignore.j2",
    ".tflint.hcl": "tflint.hcl",
}


def files(provider: Provider, tfvars: Mapping[str, Any], state: State = LOCAL) -> dict[str, str]:
    """Every file by its path in the directory; the values stand in terraform.tfvars.json alone.

    There `${...}` is plain text, while Terraform would evaluate it in any .tf file.
    """
    module = asset(f"terraform/{provider.name}")
    prefix = f"modules/{provider.name}"
    copied = {
        f"{prefix}/{path.relative_to(module).as_posix()}": path.read_text()
        for path in sorted(module.rglob("*"))
        if path.is_file()
    }
    rendered = {
        name: render(
            f"terraform/{template}",
            module=provider.name,
            cluster=tfvars["cluster_name"],
            first_node=next(iter(tfvars["nodes"]), "node"),
            given_machines=provider.host_keys is not None,
            required_providers=provider.required_providers,
            provider_arguments=provider.provider_arguments,
            provider_blocks=provider.provider_blocks,
            minimum_version=state.terraform,
            backend=state.backend,
            backend_settings=state.settings(tfvars["cluster_name"]),
            state_place=state.place(tfvars["cluster_name"]),
        )
        for name, template in TEMPLATES.items()
        if name != "providers.tf" or provider.provider_arguments
    }
    # The inputs of the directory are those of the module, word for word.
    rendered["variables.tf"] = copied[f"{prefix}/variables.tf"]
    # The values come last: a directory without them was never applied.
    return {**copied, **rendered, TFVARS: json.dumps(tfvars, indent=2, sort_keys=True) + "\n"}


def write(directory: Path, wanted: Mapping[str, str]) -> None:
    """Make `directory` hold `wanted`; files that are right already are not touched, stale modules go."""
    for name, text in wanted.items():
        path = directory / name
        if not path.is_file() or path.read_text() != text:
            write_private(path, text)
    for path in (directory / "modules").rglob("*"):
        if path.is_file() and path.relative_to(directory).as_posix() not in wanted:
            path.unlink()


def heal_state(directory: Path) -> None:
    """Put back the state from before the last run where a kill has cut the file that Terraform was writing.

    Terraform empties its local state file and writes it anew, each time. Cut off, an empty one would count as
    a cluster that was never made. What the killed run had made since is found by its labels.
    """
    state, backup = directory / "terraform.tfstate", directory / "terraform.tfstate.backup"
    if not state.exists() or _is_json(state):
        return
    if _is_json(backup):
        write_private(state, backup.read_bytes())
    else:
        state.unlink()


def _is_json(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_bytes()), dict)
    except (OSError, ValueError):
        return False


def read_tfvars(directory: Path) -> dict[str, Any]:
    """The values written last; empty where there are none."""
    path = directory / TFVARS
    if not path.exists():
        return {}
    values: dict[str, Any] = json.loads(path.read_text())
    return values
