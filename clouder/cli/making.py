"""Create and delete: questions, one plan before anything happens, progress, and what to type next."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from clouder.cli.outcome import say
from clouder.cli.progress import log_format, telling

if TYPE_CHECKING:
    from clouder.preview import Preview
    from clouder.spec import ClusterSpec
    from clouder.status import Row


def make(
    name: str | None,
    file: str | None,
    flags: dict[str, Any],
    *,
    dry_run: bool,
    output: str,
    machines_only: bool,
) -> None:
    """Create a cluster, or its machines; with `dry_run` only say how."""
    from clouder import api, request

    workers = request.MACHINE_WORKERS if machines_only else request.WORKERS
    if not file:
        name = _ask(name, flags, workers)
    spec = request.resolve(name, flags, file=file, workers=workers)
    if dry_run:
        _show(api.plan(spec, machines_only=machines_only), output)
        return
    _announce(api.plan(spec, machines_only=machines_only, ask=False))
    with telling() as report:
        do = api.create_machines if machines_only else api.create
        do(spec, report=report)
    _show_result(next(row for row in api.clusters() if row.name == spec.name), output)
    tell_reader(machine_lines(spec) if machines_only else ready_lines(spec))


def _ask(name: str | None, flags: dict[str, Any], workers: int) -> str | None:
    """The name; asks for it, and for the two things a new cluster is about, on a terminal alone."""
    from clouder import contexts, request
    from clouder.providers import PROVIDERS

    if not _is_terminal():
        return name
    if not name:
        name = _prompt("Name of the cluster", str)
    if request.exists(name):
        return name
    if flags["provider"] is None:
        flags["provider"] = _prompt(f"Provider ({', '.join(PROVIDERS)})", str, default=contexts.provider())
    if flags["workers"] is None and not flags["host"]:
        flags["workers"] = _prompt("Workers", int, default=workers)
    return name


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _prompt(text: str, kind: type, default: Any = None) -> Any:
    try:
        return click.prompt(text, type=kind, default=default, show_default=default != "", err=True)
    except click.Abort:
        say("")  # ends the line of the question
        raise


def _show(preview: Preview, output: str) -> None:
    from clouder.cli.output import show
    from clouder.cli.tables import preview_text

    show(preview, output, table=preview_text(preview, full=True))


def _announce(preview: Preview) -> None:
    from clouder.cli.tables import preview_text

    tell_reader(preview_text(preview, full=False))


def tell_reader(text: str) -> None:
    """A word to the reader; programs that read JSON lines are spared it."""
    if log_format() == "text":
        say(text)


def _show_result(row: Row, output: str) -> None:
    from clouder.cli.output import show

    if output != "table":
        show(row, output, table="")


def ready_lines(spec: ClusterSpec) -> str:
    """What there is after a setup, and what can be typed next."""
    nodes = spec.nodes()
    count = sum(node.role == "node" for node in nodes)
    workers = f"{count} worker" + ("" if count == 1 else "s")
    return f"""\
Cluster {spec.name} is ready: Kubernetes {spec.kubernetes_version}, 1 master, {workers}.
  clouder k8s use {spec.name}        then kubectl reaches it
  clouder criu doctor {spec.name}    proves that its nodes checkpoint and restore
  clouder k8s delete {spec.name}     removes it"""


def machine_lines(spec: ClusterSpec) -> str:
    """What there is after vm-create, and what can be typed next."""
    names = ", ".join(node.name for node in spec.nodes())
    return (
        f"The machines are there: {names}.\n  clouder kubeadm setup {spec.name}    sets up Kubernetes on them"
    )


def remove(name: str, *, yes: bool, force: bool) -> None:
    """Delete a cluster after one plan and one question."""
    from clouder import api
    from clouder.cli.tables import removal_text
    from clouder.errors import Aborted, UsageError

    plan = api.plan_delete(name)
    if not yes and not _is_terminal():
        raise UsageError(
            f"deleting {name} needs a yes, and there is no terminal to ask on",
            fix=f"clouder k8s delete {name} --yes",
        )
    tell_reader(removal_text(plan))
    if not yes and _prompt(f"Type {name} to delete it", str, default="") != name:
        raise Aborted(f"{name} was not deleted", fix=f"clouder k8s delete {name}")
    with telling() as report:
        api.delete(name, report=report, force=force)
    left = (
        "its machines are kept, with the packages and images"
        if plan.keeps_machines
        else "nothing of it is left"
    )
    tell_reader(f"Cluster {name} is gone; {left}.")
