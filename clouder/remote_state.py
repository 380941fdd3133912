"""A state that is kept elsewhere: whose it is, that it stays where it is, and its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clouder.errors import SpecError, UsageError
from clouder.providers import aws_errors
from clouder.providers.fault import AGAIN, Fault
from clouder.state import HERE, LocalState, S3State
from clouder.store import write_private

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from clouder.spec import ClusterSpec

NO_BUCKET = Fault(
    r"(NoSuchBucket|S3 bucket \S+ does not exist)",
    "the bucket of the state does not exist",
    f"make it, with versioning on, or correct `state:` in the spec, then {AGAIN}",
)
MARKER = "state"


def faults(spec: ClusterSpec) -> tuple[Fault, ...]:
    """What the keeper of the state says when it refuses."""
    return (NO_BUCKET, *aws_errors.FAULTS) if isinstance(spec.state, S3State) else ()


def check(spec: ClusterSpec) -> None:
    """Raise AccessError where what a delete will need is not installed."""
    if isinstance(spec.state, S3State):
        from clouder.providers import aws_state

        aws_state.check()


def is_claimed(folder: Path, spec: ClusterSpec) -> bool:
    """Whether anything of the cluster can be in the state."""
    return isinstance(spec.state, LocalState) or (folder / MARKER).exists()


def check_place(folder: Path, spec: ClusterSpec) -> None:
    """Raise SpecError when the state of the cluster in `folder` is elsewhere than the spec says."""
    marker = folder / MARKER
    kept = marker.read_text() if marker.exists() else ""
    if (folder / "terraform" / "terraform.tfstate").exists():
        kept = HERE
    wanted = spec.state.place(spec.name)
    if kept and kept != wanted:
        where = "on" if kept == HERE else "at"
        raise SpecError(
            f"state: it is {where} {kept}, and Clouder does not move it to {wanted}",
            fix="put `state:` back as it was, or delete the cluster and create it anew with the other one",
        )


def claim(folder: Path, spec: ClusterSpec, resources: Callable[[], list[str]]) -> None:
    """Note that an empty state is this cluster's now; raises UsageError for one that is somebody else's."""
    if is_claimed(folder, spec):
        return
    place = spec.state.place(spec.name)
    if resources():
        raise UsageError(
            f"the state at {place} is of another cluster, or of this one in another home of Clouder",
            fix="give the cluster a `key:` of its own in `state:`",
        )
    write_private(folder / MARKER, place)


def remove(spec: ClusterSpec) -> None:
    """Take away what a destroy leaves of the state: an object that holds nothing."""
    state = spec.state
    if isinstance(state, S3State):
        from clouder.providers import aws_state

        aws_state.remove(state.bucket, state.object_key(spec.name), state.region)
