"""`invoke terraform.…`: `clouder terraform` for Invoke."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.tasks import task

from clouder.cli import terraform
from clouder.tasks.calling import call

if TYPE_CHECKING:
    from invoke.context import Context


@task(positional=["cluster", "directory"], auto_shortflags=False)
def export(_: Context, cluster: str, directory: str) -> None:
    """Write the Terraform of a cluster into a directory, ready to commit."""
    call(terraform.export, cluster=cluster, directory=directory)


@task(positional=["cluster"], auto_shortflags=False)
def lint(_: Context, cluster: str, output: str = "table") -> None:
    """Check the Terraform of a cluster: fmt, validate, tflint, checkov."""
    call(terraform.lint, cluster=cluster, output=output)
