"""What is rendered, byte for byte; `CLOUDER_UPDATE_GOLDEN=1 pytest` writes the golden files anew."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest

from clouder import terraform_dir
from clouder.providers import PROVIDERS, aws, azure, baremetal, ovh
from clouder.providers.local import World, allocate
from clouder.render import asset, render
from clouder.spec import parse

GOLDEN = Path(__file__).parent / "golden" / "terraform"
ROOT = Path(__file__).parent.parent
SPEC = {
    "name": "demo",
    "pools": [{"name": "workers", "desired": 2}, {"name": "big", "desired": 1, "size": "4x8192"}],
}


def _local() -> dict[str, Any]:
    world = World(networks=(), has_network=False, containers=frozenset(), port_is_free=lambda _: True)
    values = allocate(parse(SPEC), {}, world, image="clouder-node:golden")
    return {**values, "ssh_public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGolden clouder-demo"}


def _aws() -> dict[str, Any]:
    zones = {size: frozenset({"eu-west-1a", "eu-west-1b"}) for size in ("t3.large", "m7i.xlarge")}
    data = {**SPEC, "provider": "aws"}
    data["pools"] = [{"name": "workers", "desired": 2}, {"name": "big", "desired": 1, "size": "m7i.xlarge"}]
    values = aws.allocate(parse(data), {}, aws.World(zones, ("203.0.113.7/32",)), region="eu-west-1")
    return {**values, "ssh_public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGolden clouder-demo"}


def _azure() -> dict[str, Any]:
    zones = {size: frozenset({"1", "2", "3"}) for size in ("Standard_D2s_v5", "Standard_D4s_v5")}
    data = {**SPEC, "provider": "azure"}
    data["pools"] = [
        {"name": "workers", "desired": 2},
        {"name": "big", "desired": 1, "size": "Standard_D4s_v5"},
    ]
    around = azure.World(zones, ("203.0.113.7/32",))
    subscription = "00000000-0000-0000-0000-000000000001"
    values = azure.allocate(parse(data), {}, around, region="westeurope", subscription=subscription)
    return {**values, "ssh_public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGolden clouder-demo"}


def _baremetal() -> dict[str, Any]:
    hosts = {"master": "10.0.0.1", "node-1": "10.0.0.2:2222", "big-1": "10.0.0.3"}
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "G" * 43
    bastion = {"host": "gate.example.com", "user": "jump", "hostKey": key}
    ssh = {"user": "ubuntu", "keyFile": "~/.ssh/id_ed25519", "bastion": bastion}
    data = {"name": "demo", "provider": "baremetal", "hosts": hosts, "ssh": ssh}
    values = baremetal.tfvars(parse(data), {})
    return {**values, "ssh_public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGolden clouder-demo"}


def _ovh() -> dict[str, Any]:
    pools = [{"name": "workers", "desired": 2}, {"name": "big", "desired": 1, "size": "c3-16"}]
    data = {**SPEC, "provider": "ovh", "pools": pools}
    values = ovh.allocate(parse(data), {}, ("203.0.113.7/32",), region="GRA11")
    return {**values, "ssh_public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGolden clouder-demo"}


VALUES = {"local": _local, "aws": _aws, "azure": _azure, "ovh": _ovh, "baremetal": _baremetal}


def files_of(provider: str) -> dict[str, str]:
    return terraform_dir.files(PROVIDERS[provider], VALUES[provider]())


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_terraform_directory_is_the_golden_one(provider: str) -> None:
    """The module is copied as it stands, so that only what is rendered is kept as golden."""
    rendered = {name: text for name, text in files_of(provider).items() if not name.startswith("modules/")}
    folder = GOLDEN / provider
    if os.environ.get("CLOUDER_UPDATE_GOLDEN"):
        for name, text in rendered.items():
            path = folder / f"{name}.golden"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    golden = {path.name.removesuffix(".golden"): path.read_text() for path in folder.iterdir()}
    assert rendered == golden


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_module_is_copied_whole(provider: str) -> None:
    module = asset(f"terraform/{provider}")
    copied = {name: text for name, text in files_of(provider).items() if name.startswith("modules/")}
    assert copied == {
        f"modules/{provider}/{path.relative_to(module).as_posix()}": path.read_text()
        for path in module.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_path_of_this_machine_and_no_secret_is_in_it(provider: str) -> None:
    for name, text in files_of(provider).items():
        assert str(ROOT) not in text, name
        assert str(Path.home()) not in text, name
        if name != "README.md":  # which shows the form of host_keys
            assert "PRIVATE KEY" not in text, name


@pytest.mark.parametrize("provider", PROVIDERS)
def test_rendering_is_steady_whatever_the_order_of_the_values(provider: str) -> None:
    values = VALUES[provider]()
    other = dict(reversed(values.items()))
    assert terraform_dir.files(PROVIDERS[provider], other) == files_of(provider)


def test_a_value_cannot_become_code() -> None:
    hostile = '${file("/etc/passwd")} %{ if true } {{ 7 * 7 }} "quoted"'
    values = {**_local(), "tags": {"note": hostile}}
    made = terraform_dir.files(PROVIDERS["local"], values)
    assert [name for name, text in made.items() if "/etc/passwd" in text] == ["terraform.tfvars.json"]
    assert json.loads(made["terraform.tfvars.json"])["tags"]["note"] == hostile


def test_required_providers_are_written_in_order() -> None:
    text = render(
        "terraform/versions.tf.j2",
        required_providers={
            "b": {"source": "hashicorp/b", "version": ">= 2.0, < 3.0"},
            "a": {"source": "hashicorp/a", "version": ">= 1.0, < 2.0"},
        },
    )
    assert text == (
        'terraform {\n  required_version = ">= 1.5, < 2.0"\n\n  required_providers {\n'
        '    a = {\n      source  = "hashicorp/a"\n      version = ">= 1.0, < 2.0"\n    }\n'
        '    b = {\n      source  = "hashicorp/b"\n      version = ">= 2.0, < 3.0"\n    }\n  }\n}\n'
    )
    done = subprocess.run(["terraform", "fmt", "-"], input=text, capture_output=True, text=True, check=True)
    assert done.stdout == text


def test_an_undefined_name_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render("terraform/main.tf.j2")


def test_an_asset_that_is_not_there_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="templates/nothing is not part of this installation"):
        asset("templates/nothing")


def test_assets_are_found_in_a_wheel_too(tmp_path: Path) -> None:
    """A wheel carries templates/ and terraform/ inside the package."""
    package = tmp_path / "clouder"
    package.mkdir()
    for name in ("__init__.py", "render.py"):
        (package / name).write_text((ROOT / "clouder" / name).read_text())
    (package / "terraform" / "local").mkdir(parents=True)
    code = "from clouder.render import asset; print(asset('terraform/local'))"
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"
    found = subprocess.check_output([sys.executable, "-I", "-c", code], text=True)
    assert found.strip() == str(package / "terraform" / "local")


# The modules: the same contract for every provider


def hcl(folder: Path) -> dict[str, dict[str, str]]:
    """Blocks of `variable` and `output` with their text, by kind and name."""
    found: dict[str, dict[str, str]] = {"variable": {}, "output": {}}
    for path in sorted(folder.glob("*.tf")):
        for match in re.finditer(r'^(variable|output) "(\w+)" \{\n(.*?)^\}', path.read_text(), re.S | re.M):
            found[match[1]][match[2]] = match[3]
    return found


INPUTS = sorted(
    ["allowed_cidrs", "cluster_name", "host_keys", "nodes", "options", "region", "ssh_public_key", "tags"]
)
OUTPUTS = ["addon_values", "api_access", "api_endpoint", "hosts"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_module_takes_and_gives_what_every_module_does(provider: str) -> None:
    blocks = hcl(asset(f"terraform/{provider}"))
    assert sorted(blocks["variable"]) == INPUTS
    assert sorted(blocks["output"]) == OUTPUTS
    for name, text in blocks["variable"].items():
        assert "  description = " in text, name
        assert re.search(r"^  type +=", text, re.M), name
        assert re.search(r"^  nullable +=? *= false", text, re.M), name
        assert "validation {" in text or name == "host_keys", name
    assert "sensitive   = true" in blocks["variable"]["host_keys"]
    for name, text in blocks["output"].items():
        assert "  description = " in text, name


@pytest.mark.parametrize("provider", PROVIDERS)
def test_nodes_are_made_by_name_and_nothing_by_number(provider: str) -> None:
    text = "".join(path.read_text() for path in asset(f"terraform/{provider}").glob("*.tf"))
    assert "for_each = var.nodes" in text
    assert not re.search(r"^\s*count\s*=", text, re.M)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_shell_scripts_of_a_module_are_clean(provider: str) -> None:
    scripts = [str(path.relative_to(ROOT)) for path in (ROOT / "terraform" / provider).rglob("*.sh")]
    subprocess.run(["shellcheck", "-x", *scripts, "templates/node-image/node-entry.sh"], cwd=ROOT, check=True)
