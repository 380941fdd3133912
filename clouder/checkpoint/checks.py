"""The preflight: one function for each check, which looks at what a node told and says what to mend."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from clouder.checkpoint import backends
from clouder.checkpoint.choice import instructions
from clouder.checkpoint.facts import numbers
from clouder.render import asset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clouder.checkpoint.facts import NodeFacts

SETUP = "clouder kubeadm setup CLUSTER puts it there"
UPGRADE = "install the versions of the bundle: clouder kubeadm setup CLUSTER"


@dataclass(frozen=True)
class Finding:
    """What one check found on one node; `fix` is empty when nothing is to be done."""

    node: str
    check: str
    state: Literal["ok", "warn", "fail"]
    found: str
    fix: str = ""


@dataclass(frozen=True)
class Look:
    """What doctor.sh saw on a node: its facts, and the raw texts."""

    node: str
    facts: NodeFacts
    raw: Mapping[str, str]

    def text(self, name: str) -> str:
        """The raw text, "" when the node gave none."""
        return self.raw.get(name, "").strip()

    def ok(self, check: str, found: str) -> Finding:
        """All is well."""
        return Finding(self.node, check, "ok", found)

    def warn(self, check: str, found: str, fix: str) -> Finding:
        """It works, but not for every program, or not for ever."""
        return Finding(self.node, check, "warn", found, fix)

    def fail(self, check: str, found: str, fix: str) -> Finding:
        """It cannot work."""
        return Finding(self.node, check, "fail", found, fix)


def _kernel(look: Look) -> Finding:
    kernel = look.facts.machine.kernel
    if numbers(kernel) < (5, 9):
        return look.fail("kernel", f"{kernel}, older than 5.9", "use a newer kernel")
    return look.ok("kernel", kernel)


def _criu_check(look: Look) -> Finding:
    if not look.facts.machine.criu:
        return look.fail("criu check", "there is no criu", SETUP)
    if look.facts.criu_check:
        return look.fail("criu check", look.facts.criu_check.splitlines()[0], "use a kernel that CRIU knows")
    return look.ok("criu check", look.text("check") or "passes")


# From which kernel on which CRIU is needed: vvar_vclock, SO_PASSCRED, and the end of UDP-Lite.
CRIU_FOR_KERNEL = (((7, 1), (4, 2, 1)), ((6, 16), (4, 2)), ((6, 13), (4, 1)), ((0,), (3, 16)))


def _criu_version(look: Look) -> Finding:
    criu, kernel = look.facts.machine.criu, look.facts.machine.kernel
    needed = next(version for since, version in CRIU_FOR_KERNEL if numbers(kernel) >= since)
    if numbers(criu) < needed:
        wanted = ".".join(map(str, needed))
        return look.fail("criu version", f"{criu or 'none'}; kernel {kernel} needs {wanted}", UPGRADE)
    return look.ok("criu version", criu)


def _criu_path(look: Look) -> Finding:
    """containerd refuses when criu is not in its own PATH, whatever a shell finds."""
    if not look.text("containerd_criu"):
        path = look.text("containerd_path") or "unknown"
        return look.fail(
            "criu for containerd", f"not in containerd's PATH ({path})", "install criu in /usr/sbin"
        )
    return look.ok("criu for containerd", look.text("containerd_criu"))


# The first releases without the holes a hostile checkpoint image could use (CVE-2026-50195, -53489, -53492).
SAFE_CONTAINERD: Mapping[tuple[int, ...], tuple[int, ...]] = {
    (2, 1): (2, 1, 9),
    (2, 2): (2, 2, 5),
    (2, 3): (2, 3, 2),
}


def _containerd(look: Look) -> Finding:
    containerd = look.facts.machine.containerd
    obstacle = backends.obstacle(look.facts)
    if obstacle:
        return look.fail("containerd", f"no restore: {obstacle}", UPGRADE)
    if numbers(containerd) < SAFE_CONTAINERD[numbers(containerd)[:2]]:
        return look.warn("containerd", f"{containerd} has known holes in its restore", UPGRADE)
    return look.ok("containerd", f"{containerd}, restores through {', '.join(backends.BACKENDS)}")


def _runtime(look: Look) -> Finding:
    config = look.facts.runtime.get("config")
    section = config.get("containerd") if isinstance(config, dict) else None
    name = section.get("defaultRuntimeName", "") if isinstance(section, dict) else ""
    runc = look.facts.machine.runc
    if name not in ("", "runc"):
        return look.fail("runtime", f"the default is {name}", "make runc the default runtime of containerd")
    if numbers(runc) < (1, 2):
        return look.fail("runtime", f"runc {runc or 'is missing'}; 1.2 or newer is needed", UPGRADE)
    return look.ok("runtime", f"runc {runc}")


def _cgroup(look: Look) -> Finding:
    """On cgroup v2 CRIU would put the processes back into the old pod's cgroup, and the kubelet kill them."""
    version = look.facts.machine.cgroup
    ignores = re.search(r"^manage-cgroups\s+ignore\b", look.text("runc_conf"), re.M)
    if version == "v2" and not ignores:
        return look.fail("cgroup", f"{version} without `manage-cgroups ignore` in /etc/criu/runc.conf", SETUP)
    return look.ok("cgroup", version)


def _options(text: str) -> set[str]:
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return {" ".join(words) for words in lines if words}


def _criu_options(look: Look) -> Finding:
    ours, theirs = _options(asset("templates/node/runc.conf").read_text()), _options(look.text("runc_conf"))
    if not theirs:
        return look.fail("criu options", "/etc/criu/runc.conf is missing", SETUP)
    if ours - theirs:
        return look.warn(
            "criu options", f"/etc/criu/runc.conf lacks: {', '.join(sorted(ours - theirs))}", SETUP
        )
    if _options(look.text("default_conf")):
        return look.warn("criu options", "/etc/criu/default.conf may contradict runc.conf", "remove it")
    more = f", and has: {', '.join(sorted(theirs - ours))}" if theirs - ours else ""
    return look.ok("criu options", f"as Clouder sets them{more}")


SYS_RESOURCE = 1 << 24


def _capabilities(look: Look) -> Finding:
    try:
        bounding = int(look.text("capabilities"), 16)
    except ValueError:
        return look.warn("capabilities", "cannot be read", "look at CapBnd in /proc/self/status")
    if bounding & SYS_RESOURCE:
        return look.ok("capabilities", "CAP_SYS_RESOURCE is there")
    running = ", ".join(look.text("foreign").split()) or "none now"
    return look.warn(
        "capabilities",
        f"no CAP_SYS_RESOURCE: programs that run as another user than root cannot be frozen ({running})",
        "run such programs as root in their container, or use nodes that are not confined",
    )


READ_ONLY_PORT, KUBELET_PORT = "2807", "280A"  # 10255 and 10250 in hex


def _kubelet(look: Look) -> Finding:
    ports = look.text("listening").split()
    if READ_ONLY_PORT in ports:
        return look.fail("kubelet", "its read-only port 10255 is open to all", "set readOnlyPort: 0")
    if KUBELET_PORT not in ports:
        return look.fail("kubelet", "does not listen on 10250", "journalctl -u kubelet on the node")
    config = look.text("kubelet_config")
    if re.search(r"^\s+ContainerCheckpoint:\s*false", config, re.M):
        return look.fail("kubelet", "its gate ContainerCheckpoint is off", "remove it from featureGates")
    if not re.search(r"^seccompDefault:\s*true", config, re.M):
        return look.warn(
            "kubelet",
            "seccompDefault is off, so programs may use io_uring, which cannot be frozen",
            "set seccompDefault: true, or seccompProfile RuntimeDefault in pods",
        )
    return look.ok("kubelet", look.facts.machine.kubelet)


def _probe_image(look: Look) -> Finding:
    if not look.text("busybox"):
        return look.fail(
            "probe image", "localhost/clouder/busybox is missing: this node is not probed", SETUP
        )
    return look.ok("probe image", look.text("busybox"))


def _archives(look: Look) -> Finding:
    mode, left = look.text("checkpoints_mode"), look.text("archives").split()
    where = "/var/lib/kubelet/checkpoints"
    if mode not in ("", "700 root"):
        return look.fail("archives", f"{where} is {mode}; archives hold secrets", f"chmod 700 {where}")
    if left:
        return look.warn("archives", f"{len(left)} left in {where}", f"fetch or remove them: ls {where}")
    return look.ok("archives", "none left on the node")


GIB = 1 << 30


def _disk(look: Look) -> Finding:
    """An archive is as large as the memory it holds."""
    try:
        free, used = int(look.text("free")), int(float(look.text("memory_used")))
    except ValueError:
        return look.warn("disk", "cannot be read", "df /var/lib/kubelet")
    found = f"{free / GIB:.1f} GiB free, {used / GIB:.1f} GiB of memory in use"
    if free < used:
        return look.warn("disk", found, "make room below /var/lib/kubelet for the largest pod")
    return look.ok("disk", found)


CHECKS: tuple[Callable[[Look], Finding], ...] = (
    _kernel,
    _criu_check,
    _criu_version,
    _criu_path,
    _containerd,
    _runtime,
    _cgroup,
    _criu_options,
    _capabilities,
    _kubelet,
    _archives,
    _disk,
    _probe_image,
)


def compare_processors(looks: Sequence[Look]) -> list[Finding]:
    """A pod can only move to a processor that knows every instruction of the old one."""
    every = {flag for look in looks for flag in instructions(look.facts.machine)}
    found = []
    for look in looks:
        missing = sorted(every - instructions(look.facts.machine))
        model = look.facts.machine.cpu_model
        if missing:
            text = f"{model} lacks {', '.join(missing[:8])} of other nodes"
            fix = "pods of those nodes cannot be restored here; use machines of one kind"
            found.append(look.warn("processor", text, fix))
        else:
            found.append(look.ok("processor", model))
    return found
