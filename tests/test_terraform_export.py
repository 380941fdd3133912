"""The Terraform of a cluster taken elsewhere: nothing secret in it, and nothing overwritten."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from clouder.providers.local import LOCAL
from clouder.spec import parse
from clouder.workspace import Workspace
from tests import tinynodes
from tests.cli import run
from tests.lint import tflint

FILES = {
    ".gitignore",
    ".tflint.hcl",
    "README.md",
    "backend.tf",
    "main.tf",
    "outputs.tf",
    "terraform.tfvars.json",
    "variables.tf",
    "versions.tf",
}
CONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: kubernetes, cluster: {certificate-authority-data: Q0E=, server: "https://10.213.0.2:6443"}}]
users: [{name: kubernetes-admin, user: {client-certificate-data: Q0VSVA==, client-key-data: %s}}]
contexts: [{name: kubernetes-admin@kubernetes, context: {cluster: kubernetes, user: kubernetes-admin}}]
current-context: kubernetes-admin@kubernetes
"""
CLIENT_KEY = "Y2xpZW50LWtleS1vZi10aGUtb3BlcmF0b3I="


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in tinynodes.engine().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path / "home"))


def prepared(name: str = "demo") -> Workspace:
    spec = parse({"name": name, "pools": [{"name": "workers", "desired": 1}]})
    workspace = Workspace.create(spec)
    workspace.prepare(LOCAL, spec)
    return workspace


def secrets_of(workspace: Workspace) -> set[str]:
    """Every line of every private key, and what a kubeconfig opens the cluster with."""
    keys = [path for path in (workspace.path / "keys").rglob("*") if path.is_file() and path.suffix != ".pub"]
    assert len(keys) == 3  # the login's, and one of each node
    lines = {line for path in keys for line in path.read_text().splitlines()}
    return {line for line in lines if len(line) > 16 and not line.startswith("-----")} | {CLIENT_KEY}


def test_what_is_exported_is_whole_and_holds_no_secret(tmp_path: Path) -> None:
    workspace = prepared()
    workspace.save_kubeconfig(CONFIG % CLIENT_KEY, "127.0.0.1:20000")
    secrets = secrets_of(workspace)
    for name in (
        "terraform.tfstate",
        "terraform.tfstate.backup",
        ".terraform/terraform.tfstate",
        "crash.log",
    ):
        (workspace.directory / name).parent.mkdir(exist_ok=True)
        (workspace.directory / name).write_text(json.dumps(sorted(secrets)))

    target = tmp_path / "infra" / "demo"
    result = run("terraform", "export", "demo", str(target))
    assert (result.exit_code, result.stdout) == (0, "")

    found = {
        path.relative_to(target).as_posix(): path.read_text() for path in target.rglob("*") if path.is_file()
    }
    assert {name for name in found if not name.startswith("modules/local/")} == FILES
    module = Path(__file__).parent.parent / "terraform" / "local"
    assert {name.removeprefix("modules/local/") for name in found if name.startswith("modules/")} == {
        path.relative_to(module).as_posix() for path in module.rglob("*") if path.is_file()
    }
    for name, text in found.items():
        assert not [secret for secret in secrets if secret in text], name
        assert str(tmp_path) not in text, name
        assert str(Path.home()) not in text, name
    assert json.loads(found["terraform.tfvars.json"])["cluster_name"] == "demo"


def test_the_versions_of_the_providers_go_along(tmp_path: Path) -> None:
    (prepared().directory / ".terraform.lock.hcl").write_text("# locked\n")
    assert run("terraform", "export", "demo", str(tmp_path / "out")).exit_code == 0
    assert (tmp_path / "out" / ".terraform.lock.hcl").read_text() == "# locked\n"


def test_an_empty_directory_is_filled(tmp_path: Path) -> None:
    prepared()
    (tmp_path / "out").mkdir()
    assert run("terraform", "export", "demo", str(tmp_path / "out")).exit_code == 0
    assert (tmp_path / "out" / "main.tf").is_file()


def test_a_directory_that_holds_something_is_refused_and_stays(tmp_path: Path) -> None:
    prepared()
    mine = tmp_path / "out" / "main.tf"
    mine.parent.mkdir()
    mine.write_text("mine")
    result = run("terraform", "export", "demo", str(mine.parent))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is not empty" in result.stderr
    assert "fix: give a directory that is new or empty" in result.stderr
    assert [path.read_text() for path in mine.parent.iterdir()] == ["mine"]


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    prepared()
    (tmp_path / "out").write_text("mine")
    result = run("terraform", "export", "demo", str(tmp_path / "out"))
    assert (result.exit_code, "is a file" in result.stderr) == (2, True)
    below = run("terraform", "export", "demo", str(tmp_path / "out" / "below"))
    assert (below.exit_code, "cannot write" in below.stderr) == (5, True)


def test_a_cluster_that_was_never_prepared_has_nothing_to_export(tmp_path: Path) -> None:
    Workspace.create(parse({"name": "demo"}))
    for line in (["export", "demo", str(tmp_path / "out")], ["lint", "demo"]):
        result = run("terraform", *line)
        assert (result.exit_code, "has no Terraform yet" in result.stderr) == (4, True)
    assert not (tmp_path / "out").exists()


def only(tmp_path: Path, *programs: str) -> str:
    """A PATH with just these programs."""
    import shutil

    folder = tmp_path / "programs"
    folder.mkdir()
    for program in programs:
        path = shutil.which(program) or program
        (folder / Path(path).name).symlink_to(path)
    return str(folder)


@pytest.mark.terraform
def test_lint_runs_what_is_there_and_says_what_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = prepared()
    before = {path: path.read_bytes() for path in workspace.path.rglob("*") if path.is_file()}
    monkeypatch.setenv("PATH", only(tmp_path, "terraform", tflint()))
    result = run("terraform", "lint", "demo", "-o", "json")
    assert result.exit_code == 0, result.stdout
    assert [(item["check"], item["state"]) for item in json.loads(result.stdout)] == [
        ("terraform fmt", "ok"),
        ("terraform validate", "ok"),
        ("tflint", "ok"),
        ("checkov", "skipped"),
    ]
    assert {path: path.read_bytes() for path in workspace.path.rglob("*") if path.is_file()} == before

    monkeypatch.setenv("PATH", only(tmp_path / "programs", "terraform"))
    table = run("terraform", "lint", "demo").stdout
    assert "- tflint             tflint is not in PATH, so it was not run" in table
    assert "fix: pipx install checkov" in table


@pytest.mark.terraform
def test_what_lint_finds_is_said_and_gives_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = prepared()
    # A provider that nobody can fetch, locked: init fails, and validate with it.
    (workspace.directory / ".terraform.lock.hcl").write_text("not HCL {")
    folder = only(tmp_path, "terraform")
    checkov = Path(folder) / "checkov"
    checkov.write_text("#!/bin/sh\necho 'Check: CKV_X: \"found in main.tf\"'\nexit 1\n")
    checkov.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/bin")
    result = run("terraform", "lint", "demo", "-o", "json")
    assert result.exit_code == 1
    found = {item["check"]: (item["state"], item["found"]) for item in json.loads(result.stdout)}
    assert found["terraform init"][0] == "fail"
    assert ".terraform.lock.hcl" in found["terraform init"][1]
    assert found["checkov"] == ("fail", 'Check: CKV_X: "found in main.tf"')
