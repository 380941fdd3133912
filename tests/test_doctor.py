"""`clouder doctor`: what is missing on a machine, with the fix."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clouder import doctor
from tests.cli import run


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on it."""
    for name in ("CLOUDER_TERRAFORM", "DOCKER_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CLOUDER_CACHE", str(tmp_path / "cache"))
    return tmp_path


def states() -> dict[str, str]:
    return {finding.check: finding.state for finding in doctor.examine()}


def test_a_bare_machine_lacks_what_it_lacks(machine: Path) -> None:
    found = states()
    assert (found["python"], found["home"], found["ssh"]) == ("ok", "ok", "ok")
    assert (found["terraform"], found["docker"], found["build tools"]) == ("fail", "fail", "fail")
    assert found["bundle"] == "warn"
    assert not (machine / "home").exists()
    assert not (machine / "cache").exists()


def test_every_fault_has_a_fix_and_the_exit_code_says_so() -> None:
    result = run("doctor", "-o", "json")
    assert result.exit_code == 5
    for finding in json.loads(result.stdout):
        assert set(finding) == {"check", "state", "found", "fix"}
        assert finding["state"] == "ok" or finding["fix"]


def test_the_table_marks_each_line() -> None:
    lines = run("doctor").stdout.splitlines()
    assert "✓ python" in lines[0]
    assert any(line.startswith("✗ terraform    terraform is not installed") for line in lines)
    assert any(line.strip().startswith("fix: install terraform") for line in lines)


def install(machine: Path, name: str, says: str) -> Path:
    program = machine / "bin" / name
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\necho {says}\n")
    program.chmod(0o755)
    return program


def test_which_terraform_is_used_is_said(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> tuple[str, str]:
        return next((item.state, item.found) for item in doctor.examine() if item.check == "terraform")

    tofu = install(machine, "tofu", "OpenTofu v1.12.6")
    assert found() == ("ok", f"OpenTofu 1.12.6 at {tofu}")
    terraform = install(machine, "terraform", "Terraform v1.11.4")
    assert found() == ("ok", f"Terraform 1.11.4 at {terraform}")
    monkeypatch.setenv("CLOUDER_TERRAFORM", "tofu")
    assert found() == ("ok", f"OpenTofu 1.12.6 at {tofu}")
    monkeypatch.setenv("CLOUDER_TERRAFORM", "tf")
    assert found() == ("fail", "tf is not installed")


def test_an_old_terraform_is_named(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = install(machine, "terraform", "Terraform v1.2.3")
    monkeypatch.setenv("PATH", f"{program.parent}:/bin:/usr/bin")
    [finding] = [item for item in doctor.examine() if item.check == "terraform"]
    assert (finding.state, "v1.2.3, which is too old" in finding.found) == ("fail", True)


def test_a_home_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDER_HOME", "/dev/null/home")
    assert states()["home"] == "fail"
    result = run("ctx", "set", "local")
    assert (result.exit_code, "cannot write /dev/null/home" in result.stderr) == (5, True)
