"""What the tools of the field say about the Terraform of a cluster, as it would be exported."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from clouder import terraform
from clouder.terraform_export import export

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clouder.cluster import Cluster


@dataclass(frozen=True)
class Check:
    """One tool: whether it found fault, what it said (several lines), and what to type."""

    check: str
    state: Literal["ok", "fail", "skipped"]
    found: str
    fix: str = ""


def lint(cluster: Cluster) -> list[Check]:
    """Each check in the order of use; a tool that is not in PATH is told as skipped. Changes nothing."""
    with tempfile.TemporaryDirectory(prefix="clouder-lint-") as folder:
        directory = Path(folder).resolve() / cluster.name
        export(cluster, directory)
        return [
            _terraform("fmt", "-check", "-recursive", "-diff", directory=directory),
            _validate(directory, cluster.workspace.directory / ".terraform" / "providers"),
            _tflint(directory),
            _checkov(directory),
        ]


def _terraform(command: str, *args: str, directory: Path) -> Check:
    return _said(f"terraform {command}", [terraform.binary(), command, *args], directory)


def _validate(directory: Path, providers: Path) -> Check:
    """`validate` needs the providers: those of the workspace where they are, so that none is fetched."""
    from_here = [f"-plugin-dir={providers}"] if providers.is_dir() else []
    ready = _terraform("init", "-backend=false", "-input=false", "-no-color", *from_here, directory=directory)
    return _terraform("validate", "-no-color", directory=directory) if ready.state == "ok" else ready


def _tflint(directory: Path) -> Check:
    config = str(directory / ".tflint.hcl")
    args = ["--recursive", "--format=compact", "--no-color", f"--config={config}"]
    return _optional("tflint", args, directory, fix="https://github.com/terraform-linters/tflint")


def _checkov(directory: Path) -> Check:
    args = ["--directory", ".", "--framework", "terraform", "--compact", "--quiet", "--skip-download"]
    return _optional("checkov", args, directory, fix="pipx install checkov")


def _optional(program: str, args: Sequence[str], directory: Path, *, fix: str) -> Check:
    if not shutil.which(program):
        return Check(program, "skipped", f"{program} is not in PATH, so it was not run", fix)
    return _said(program, [program, *args], directory)


def _said(check: str, argv: Sequence[str], directory: Path) -> Check:
    done = subprocess.run(
        argv,
        cwd=directory,
        env=terraform.clean_environment({}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = "\n".join(text.strip() for text in (done.stdout, done.stderr) if text.strip())
    said = said.replace(f"{directory}{os.sep}", "")
    if done.returncode == 0:
        return Check(check, "ok", "")
    return Check(check, "fail", said or f"exit code {done.returncode}")
