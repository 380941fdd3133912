"""What a workflow is made of: actions run here, steps run on hosts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from clouder.cluster import Cluster
    from clouder.inventory import Host

Files = Mapping[str, bytes]
Values = Mapping[str, str]


@dataclass(frozen=True)
class Target:
    """One host of a cluster, with the facts it told about itself (`cgroup`, `kernel`, ...)."""

    cluster: Cluster
    host: Host
    facts: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Todo:
    """Which steps are not done, by host name."""

    steps: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def hosts(self, step: str) -> tuple[str, ...]:
        """The names of the hosts on which `step` is still to do, sorted."""
        return tuple(sorted(name for name, steps in self.steps.items() if step in steps))


@dataclass(frozen=True)
class Late:
    """What nobody knew before the run: the outputs of earlier steps, who has what to do, and who failed."""

    outputs: Mapping[tuple[str, str], str]
    todo: Todo
    failed: frozenset[str] = frozenset()  # hosts that a step failed on

    def output(self, step: str, name: str) -> str:
        """The text that `step` gave out under `name`."""
        return self.outputs[step, name]


def _nothing(_: Target) -> dict[str, str]:
    return {}


def _no_files(_: Target) -> dict[str, bytes]:
    return {}


def _no_late_files(_: Target, __: Late) -> dict[str, bytes]:
    return {}


def _no_uploads(_: Target) -> dict[str, Path]:
    return {}


def _ignore(_: Cluster, __: str, ___: str) -> None:
    return None


def _never(_: Todo) -> bool:
    return False


@dataclass(frozen=True)
class Step:
    """One thing to do on some hosts: `templates/node/<name>.sh` with `probe`, `apply` and `verify`.

    A step is done on a host when its marker holds the hash of `values` and `files` and its probe passes. With
    `once` any marker will do: what kubeadm made is never made again because a template changed. A step with
    `when` leaves no marker: it is done whenever `when` says so (a join token, a fetched kubeconfig). One with
    `anew` is also done when that holds, whatever its probe said: another step of this run will undo it.
    """

    name: str
    title: str
    on: Callable[[Cluster], tuple[Host, ...]]
    values: Callable[[Target], Values] = _nothing
    files: Callable[[Target], Files] = _no_files
    late_files: Callable[[Target, Late], Files] = _no_late_files
    uploads: Callable[[Target], Mapping[str, Path]] = _no_uploads  # directory on the host -> directory here
    receive: Callable[[Cluster, str, str], None] = _ignore  # takes each output: its name and text
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    once: bool = False
    when: Callable[[Todo], bool] | None = None
    anew: Callable[[Todo], bool] = _never

    def fingerprint(self, target: Target) -> str:
        """sha256 of everything the step's result depends on."""
        digest = hashlib.sha256(self.script())
        for name, value in sorted(self.values(target).items()):
            digest.update(f"{name}={value}\0".encode())
        for name, content in sorted(self.files(target).items()):
            digest.update(f"{name}\0".encode() + content + b"\0")
        return digest.hexdigest()

    def script(self) -> bytes:
        """The constant shell file of the step."""
        from clouder.render import asset

        return asset(f"templates/node/{self.name}.sh").read_bytes()


@dataclass(frozen=True)
class Action:
    """One thing to do on the operator's machine; it returns the cluster as it is afterwards."""

    name: str
    title: str
    run: Callable[[Cluster, Reporter], Cluster]
    reads: bool = False  # changes nothing, so that a dry run does it too


@dataclass(frozen=True)
class Fault:
    """Why a host is not fit for what is to be done on it, in one line that begins with its name."""

    host: str
    problem: str
    fix: str


@dataclass(frozen=True)
class Check:
    """A look at all hosts before the steps change anything, from what they told: no call of its own."""

    name: str
    title: str
    judge: Callable[[tuple[Target, ...], Todo], list[Fault]]


@dataclass(frozen=True)
class Workflow:
    """A named list of actions, checks and steps that reads aloud; `again` is what goes on after a failure."""

    name: str
    parts: tuple[Action | Check | Step, ...]
    again: str = "clouder kubeadm setup"


@dataclass(frozen=True)
class Event:
    """Something that happened: `state` is start, ok, done (nothing to do), note, failed or blocked."""

    host: str  # "" for the operator's machine
    step: str
    title: str
    state: str
    seconds: float = 0.0
    note: str = ""


Reporter = Callable[[Event], None]
