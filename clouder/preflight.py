"""What must hold of a machine before anything is installed on it, judged from what it told of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clouder.step import Check, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clouder.step import Target, Todo

SYSTEMS = {"debian-13": "Debian 13"}  # what the packages of a bundle are for
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
CLOCK = 30  # seconds; certificates and tokens are not valid on a machine whose clock is behind
# What kubeadm asks of a control plane.
CPUS = 2
MEMORY = 1700  # MiB
DISK = 5 * 1024  # MiB that the packages and images need, with room to run
UNIQUE = {
    "machine_id": ("machine-id", "rm /etc/machine-id && systemd-machine-id-setup, then reboot"),
    "hostname": ("hostname", "hostnamectl set-hostname NAME"),
    "mac": ("MAC address", "give each machine its own, or list it once"),
}


def judge(targets: tuple[Target, ...], todo: Todo) -> list[Fault]:
    """What is wrong with the machines on which something is to be done; a finished one is let be."""
    busy = {name for name, steps in todo.steps.items() if steps}
    alone = [fault for target in targets if target.host.name in busy for fault in _alone(target, todo)]
    return alone + [fault for fact in UNIQUE for fault in _doubles(fact, targets) if fault.host in busy]


def _alone(target: Target, todo: Todo) -> Iterator[Fault]:
    name, facts = target.host.name, target.facts
    if facts["os"] not in SYSTEMS:
        known = ", ".join(SYSTEMS.values())
        yield Fault(name, f"{name} runs {facts['os']}; the bundle is for {known}", f"install {known} on it")
    wanted, found = target.cluster.bundle.lock.architecture, MACHINES.get(facts["arch"], facts["arch"])
    if found != wanted:
        yield Fault(name, f"{name} is {found}; the bundle is for {wanted}", "take another machine")
    off = int(facts["clock_off"])
    if abs(off) > CLOCK:
        side = "ahead of" if off > 0 else "behind"
        problem = f"the clock of {name} is {abs(off)} s {side} this machine's"
        yield Fault(name, problem, "timedatectl set-ntp true on the one that is wrong")
    yield from _size(target, todo)


def _size(target: Target, todo: Todo) -> Iterator[Fault]:
    name, facts = target.host.name, target.facts
    cpus, memory, disk = (int(facts[key]) for key in ("cpus", "memory", "disk"))
    master = target.host.role == "master"
    if master and cpus < CPUS:
        yield Fault(name, f"{name} has {cpus} CPU; a control plane needs {CPUS}", "take a larger machine")
    if master and memory < MEMORY:
        problem = f"{name} has {memory} MiB of memory; a control plane needs {MEMORY}"
        yield Fault(name, problem, "take a larger machine")
    if disk < DISK and "packages" in todo.steps[name]:
        yield Fault(name, f"{name} has {disk} MiB free in /var/lib; {DISK} are needed", "free some space")


def _doubles(fact: str, targets: tuple[Target, ...]) -> Iterator[Fault]:
    """All but the first of those that say the same, which may well be one machine under two addresses."""
    what, fix = UNIQUE[fact]
    first: dict[str, str] = {}
    for target in targets:
        name, value = target.host.name, target.facts[fact]
        other = first.setdefault(value, name)
        if value and other != name:
            yield Fault(name, f"{name} has the same {what} as {other}: {value}", fix)


PREFLIGHT = Check("preflight", "Check the machines", judge)
