"""Names as Kubernetes takes them; anything else is refused before a host is asked."""

from __future__ import annotations

import re

from clouder.errors import UsageError

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\Z")
SUFFIX = "-restored"


def check(*, pod: str, namespace: str = "default", container: str | None = None) -> None:
    """Raises UsageError naming the first that is no name of its kind."""
    for kind, value, pattern in (
        ("pod", pod, SUBDOMAIN),
        ("namespace", namespace, LABEL),
        ("container", container, LABEL),
    ):
        if value is not None and not pattern.match(value):
            raise UsageError(
                f"{value!r} is not the name of a {kind}",
                fix="use a to z, 0 to 9 and -, as kubectl get shows it",
            )


def of_copy(pod: str) -> str:
    """The name of a restored pod when the user chose none."""
    return pod[: 253 - len(SUFFIX)].rstrip("-.") + SUFFIX
