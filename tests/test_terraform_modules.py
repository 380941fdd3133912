"""Each module called from a root of the user's own, as one takes it into an existing repository."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clouder import keys
from clouder.render import asset
from clouder.terraform import clean_environment
from tests import awslab, tinynodes
from tests.lint import terraform, tflint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(300)]

LOGIN = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "G" * 43
VERSIONS = """terraform {
  required_version = ">= 1.5, < 2.0"
%s}
"""
AWS = """
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.60, < 7.0"
    }
  }
"""
REGION = """
provider "aws" {
  region = "eu-west-1"
}
"""
MAIN = """module "kubernetes" {
  source = "./modules/%s"

  cluster_name   = "%s"
  region         = "%s"
  ssh_public_key = var.login
  host_keys      = var.host_keys
  allowed_cidrs  = %s
  tags           = { team = "platform" }

  nodes   = jsondecode(file("${path.module}/nodes.json"))
  options = jsondecode(file("${path.module}/options.json"))
}
"""
VARIABLES = """variable "login" {
  description = "Public key that may log in"
  type        = string
}

variable "host_keys" {
  description = "Private host keys by node"
  type        = map(string)
  sensitive   = true
}
"""
OUTPUTS = """output "api" {
  description = "Where the API answers"
  value       = module.kubernetes.api_endpoint
}

output "machines" {
  description = "Names of the machines"
  value       = [for host in module.kubernetes.hosts : host.name]
}
"""


def root(folder: Path, module: str, name: str, values: Mapping[str, Any]) -> Path:
    """A root module as one would write it, with the module copied in from the checkout."""
    shutil.copytree(asset(f"terraform/{module}"), folder / "modules" / module)
    needs = AWS if module == "aws" else ""
    written = {
        "versions.tf": VERSIONS % needs + (REGION if module == "aws" else ""),
        "main.tf": MAIN % (module, name, values["region"], json.dumps(values["allowed_cidrs"])),
        "variables.tf": VARIABLES,
        "outputs.tf": OUTPUTS,
        "nodes.json": json.dumps(values["nodes"]),
        "options.json": json.dumps(values["options"]),
    }
    for path, text in written.items():
        (folder / path).write_text(text)
    return folder


BAREMETAL = {
    "region": "",
    "allowed_cidrs": [],
    "nodes": {
        "rack-master": {
            "role": "master",
            "pool": "control-plane",
            "size": "",
            "address": "10.0.0.1",
            "ssh_port": 22,
        },
        "rack-node-1": {
            "role": "node",
            "pool": "workers",
            "size": "",
            "address": "10.0.0.2",
            "ssh_port": 2222,
        },
    },
    "options": {"endpoint": "api.example.com:6443", "ssh_user": "ubuntu", "bastion": None},
}
CLOUD = {
    "region": "eu-west-1",
    "allowed_cidrs": ["203.0.113.7/32"],
    "nodes": {
        "cloud-master": {"role": "master", "pool": "control-plane", "size": "t3.large", "zone": "eu-west-1a"},
        "cloud-node-1": {"role": "node", "pool": "workers", "size": "t3.large", "zone": "eu-west-1b"},
    },
    "options": {
        "vpc_cidr": "10.0.0.0/16",
        "zones": ["eu-west-1a", "eu-west-1b"],
        "volume_gib": 40,
        "ami_id": "",
    },
}


def run(folder: Path, *argv: str, **more: str) -> str:
    done = subprocess.run(
        argv,
        cwd=folder,
        env=clean_environment({"TF_VAR_login": LOGIN, **more}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def is_clean(folder: Path) -> None:
    run(folder, terraform(), "fmt", "-check", "-recursive")
    run(folder, terraform(), "init", "-no-color")
    run(folder, terraform(), "validate", "-no-color")
    config = asset("templates/terraform/tflint.hcl")
    run(folder, tflint(), "--recursive", "--no-color", f"--config={config}")


def outputs(folder: Path) -> dict[str, Any]:
    shown = json.loads(run(folder, terraform(), "output", "-json"))
    return {name: item["value"] for name, item in shown.items()}


def test_machines_that_are_there(tmp_path: Path) -> None:
    folder = root(tmp_path, "baremetal", "rack", BAREMETAL)
    is_clean(folder)
    run(folder, terraform(), "apply", "-auto-approve", TF_VAR_host_keys="{}")
    assert outputs(folder) == {"api": "api.example.com:6443", "machines": ["rack-master", "rack-node-1"]}
    run(folder, terraform(), "destroy", "-auto-approve", TF_VAR_host_keys="{}")


@pytest.mark.aws
def test_machines_of_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = tmp_path / "lab"
    lab.mkdir()
    for name, value in awslab.environment("http://127.0.0.1:1", lab).items():
        monkeypatch.setenv(name, value)  # where the provider is found; nothing is asked of AWS
    here = tmp_path / "root"
    here.mkdir()
    is_clean(root(here, "aws", "cloud", CLOUD))


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    for key, value in tinynodes.engine().items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path / "home"))
    with tinynodes.cluster_name() as free:
        yield free


def test_containers_of_this_machine(name: str, tmp_path: Path) -> None:
    values = tinynodes.TINY.tfvars(tinynodes.spec_of(name), {})  # for addresses and ports that are free
    here = tmp_path / "root"
    here.mkdir()
    folder = root(here, "local", name, values)
    is_clean(folder)
    for node in values["nodes"]:
        keys.ensure(tmp_path / "keys" / node, node)
    secret = json.dumps({node: (tmp_path / "keys" / node).read_text() for node in values["nodes"]})
    run(folder, terraform(), "apply", "-auto-approve", TF_VAR_host_keys=secret)
    assert outputs(folder)["machines"] == sorted(values["nodes"])
    assert set(tinynodes.containers(name, all_states=False)) == {f"{name}-lb", *values["nodes"]}
    plan = run(folder, terraform(), "plan", "-no-color", TF_VAR_host_keys=secret)
    assert "No changes." in plan
    run(folder, terraform(), "destroy", "-auto-approve", TF_VAR_host_keys=secret)
    assert tinynodes.leftovers(name, set()) == []
