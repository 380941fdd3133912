"""Texts for readers: plans and the state of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clouder.cli.output import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clouder.api import Removal, Scaling
    from clouder.pools import PoolRow
    from clouder.preview import HostPlan, Preview
    from clouder.status import Status

WIDTH = 80
SIGNS = {"create": "+", "update": "~", "replace": "±", "delete": "-"}


def status_table(status: Status) -> str:
    """The cluster in one line, its machines below."""
    head = f"{status.name}: {status.provider}, Kubernetes {status.kubernetes_version}, {status.state}"
    columns = {
        "MACHINE": "name",
        "ROLE": "role",
        "ADDRESS": "address",
        "SSH": "reachable",
        "NODE": "node",
        "VERSION": "version",
    }
    return f"{head}\n{table(status.machines, columns)}" if status.machines else head


def preview_text(preview: Preview, *, full: bool) -> str:
    """What would happen; `full` with the spec and with what was asked of Terraform and of the machines."""
    return "\n".join(
        [*(_spec(preview) if full else []), *_machines(preview), *_steps(preview), *_notes(preview)]
    )


def _spec(preview: Preview) -> Iterator[str]:
    from clouder.spec import dump

    yield "# The resolved spec"
    yield dump(preview.spec)


def _machines(preview: Preview) -> Iterator[str]:
    spec = preview.spec
    what = "Go on with" if preview.exists else "Make"
    yield f"{what} cluster {spec.name} ({spec.provider}, Kubernetes {spec.kubernetes_version})"
    yield from _wrapped("  here", [_lower(title) for title in preview.here])
    if preview.machines is None:
        return
    yield "  Terraform's plan" + ("" if preview.machines else ": nothing to change")
    for change in preview.machines:
        yield f"    {SIGNS[change.action]} {change.address}"


def _steps(preview: Preview) -> Iterator[str]:
    for plans in _alike(preview.hosts):
        first = plans[0]
        names = ", ".join(plan.host for plan in plans)
        if first.problem:
            yield f"  {names}: could not be asked: {first.problem}"
        elif first.todo:
            yield from _wrapped(f"  {names}", [_lower(title) for title in first.todo])
        elif first.done:
            yield f"  {names}: all {len(first.done)} steps are done"


def _lower(title: str) -> str:
    return title[0].lower() + title[1:]


def _alike(hosts: Sequence[HostPlan]) -> list[list[HostPlan]]:
    """Hosts with the very same plan, put together."""
    found: dict[tuple[object, ...], list[HostPlan]] = {}
    for host in hosts:
        found.setdefault((host.todo, host.done, host.problem), []).append(host)
    return list(found.values())


def _notes(preview: Preview) -> Iterator[str]:
    yield from (f"  note: {note}" for note in preview.notes)
    if preview.machines is None:
        yield "  What is done already is not done again; --dry-run asks what that is."


def _wrapped(head: str, items: Sequence[str]) -> Iterator[str]:
    """`head: a, b, c`, continued below where a line would be longer than 80 columns."""
    line = f"{head}:"
    for number, item in enumerate(items, start=1):
        word = f" {item}" + ("," if number < len(items) else "")
        if len(line) + len(word) > WIDTH:
            yield line
            line = "   "
        line += word
    yield line


def removal_text(plan: Removal) -> str:
    """What a delete would take away."""
    lines = [f"Delete cluster {plan.name} ({plan.provider})"]
    machines = "kept, but freed of it" if plan.keeps_machines else "machines"
    lines += list(_wrapped(f"  {machines}", plan.machines or ("none",)))
    if plan.checkpoints:
        lines += list(_wrapped("  checkpoints", plan.checkpoints))
    return "\n".join([*lines, f"  files: {plan.path}, and its entries in kubectl's kubeconfig"])


VERBS = {"create": "Add node pool", "update": "Change node pool", "delete": "Remove node pool"}


def scaling_text(scaling: Scaling, *, notes: bool = True) -> str:
    """What a change of a pool comes to."""
    from clouder.pools import changes

    spec, pool = scaling.spec, scaling.after
    lines = [f"{VERBS[scaling.edit.verb]} {pool.name} of cluster {spec.name} ({spec.provider})"]
    for name, before, after in changes(scaling.before, pool):
        lines.append(f"  {name}: {before} -> {after}" if before else f"  {name}: {after}")
    if scaling.joins:
        lines += _wrapped("  new", scaling.joins)
    if scaling.leaves:
        lines += _wrapped("  drained, then destroyed", scaling.leaves)
    if len(lines) == 1:
        lines.append("  as it is in the spec; what is not done yet is done")
    return "\n".join([*lines, *(f"  note: {note}" for note in scaling.notes if notes)])


def pools_table(rows: Sequence[PoolRow]) -> str:
    """The pools of a cluster."""
    from clouder.pools import shown

    columns = {
        "POOL": "name",
        "SIZE": "size",
        "DESIRED": "desired",
        "MIN": "min",
        "MAX": "max",
        "MACHINES": "machines",
        "ROLES": "roles",
        "LABELS": "labels",
        "TAINTS": "taints",
        "XPU": "xpu",
    }
    texts = [{field: getattr(row, field) for field in columns.values()} for row in rows]
    for text in texts:
        text.update(
            {field: shown(text[field]) if text[field] else "" for field in ("roles", "labels", "taints")}
        )
    return table(texts, columns)
