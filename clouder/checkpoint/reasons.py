"""What CRIU says in its log, and what a user can do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# A log line: "(00.021337) Error (criu/files-ext.c:98): Can't dump file 5 of that type [20600] (...)"
LINE = re.compile(r"(?:\([0-9.]+\)\s*)?(?:\d+:\s*)?(Error|Warn)\s*(?:\([^)]*\):\s*)?(?P<text>.*)")


@dataclass(frozen=True)
class Reason:
    """CRIU's own words, and the advice that belongs to them ("" when there is none)."""

    words: str
    advice: str


NO_IO_URING = (
    "the program uses io_uring, which CRIU cannot freeze: set UV_USE_IO_URING=0 (node.js), or give the pod "
    "seccompProfile RuntimeDefault, which blocks io_uring"
)
NO_SYS_RESOURCE = (
    "the node lacks CAP_SYS_RESOURCE, so CRIU cannot handle processes of another user than root: run the "
    "program as root in its container, or use a node that is not confined"
)
# The first pattern that fits a line explains it: general ones last.
ADVICE = (
    (r"io_uring", NO_IO_URING),
    (r"Can't get rlimit|Can't set rlimit|prlimit", NO_SYS_RESOURCE),
    (
        r"[Cc]onnected TCP socket|tcp-established|TCP connection",
        "put tcp-close (connections end) into /etc/criu/runc.conf; clouder kubeadm setup does it",
    ),
    (
        r"In-flight connection",
        "put skip-in-flight into /etc/criu/runc.conf; clouder kubeadm setup does it",
    ),
    (
        r"link-remap|Can't create link remap",
        "the program holds a deleted file open: put link-remap into /etc/criu/runc.conf",
    ),
    (
        r"ghost file|ghost-limit|Can't dump ghost",
        "a deleted file that is still open is larger than ghost-limit in /etc/criu/runc.conf",
    ),
    (
        r"file lock|file-locks",
        "the program holds file locks: put file-locks into /etc/criu/runc.conf",
    ),
    (
        r"rt vDSO area bounds|vvar",
        "CRIU is too old for this kernel: kernels from 6.13 need CRIU 4.1 or newer",
    ),
    (
        r"do_change_type|Failed to make mount .*slave",
        "CRIU is too old for this kernel: install CRIU 4.1.1 or newer",
    ),
    (
        r"fsnotify",
        "the program watches files (inotify, fanotify), and CRIU cannot name them: stop watching before",
    ),
    (
        r"Can't open file .* on restore",
        "the program had that file open in a volume that is empty now: a checkpoint holds no volumes",
    ),
    (
        r"Can't lookup mount",
        "a file is open that lies outside of the container's mounts, such as a host file as stdout",
    ),
    (
        r"lsm profile|apparmor",
        "the AppArmor profile of the container is not loaded on this node: load it on all nodes",
    ),
    (
        r"CPU (features|capabilities|instruction)|cpuinfo|xsave|FPU",
        "the processor of this node lacks what the program uses: restore it on a node of the same kind",
    ),
    (
        r"external socket|unix socket|ext-unix-sk",
        "a Unix socket leads out of the container: put ext-unix-sk into /etc/criu/runc.conf",
    ),
    (
        r"nested|user namespace|userns",
        "CRIU cannot handle nested namespaces: set hostUsers: true, and do not unshare in the program",
    ),
    (
        r"No space left on device|ENOSPC",
        "the node's disk is full: free some space on it",
    ),
    (
        r"iptables|nft|network-lock|lock network",
        "put network-lock skip into /etc/criu/runc.conf; clouder kubeadm setup does it",
    ),
    (
        r"unsupported file type|of that type|unsupported",
        "the program holds something open that CRIU cannot freeze (a device, or a kernel interface)",
    ),
)


# Errors that CRIU goes on after; they stand in the log of every run in a confined node.
HARMLESS = re.compile(r"Can't setup RLIMIT_NOFILE for self|cgroupd: recv req error")


def explain(lines: Iterable[str]) -> Reason | None:
    """The line of CRIU's log that says why: the first Error there is advice for, else the first at all."""
    found = [match for line in lines if (match := LINE.match(line.strip())) and match.group(1) == "Error"]
    texts = [" ".join(match.group("text").split()) for match in found]
    reasons = [Reason(text, advice(text)) for text in texts if not HARMLESS.search(text)]
    return next((reason for reason in reasons if reason.advice), reasons[0] if reasons else None)


def advice(text: str) -> str:
    """What to do about one message of CRIU, or ""."""
    return next((words for pattern, words in ADVICE if re.search(pattern, text)), "")
