"""What a cloud, or terraform for it, says when it refuses, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clouder.errors import AccessError, ClouderError

if TYPE_CHECKING:
    from collections.abc import Iterable

AGAIN = "run the same command again"


@dataclass(frozen=True)
class Fault:
    """`pattern` has one group, which stands as {0} in the message and in the fix."""

    pattern: str
    message: str
    fix: str
    kind: type[ClouderError] = AccessError

    def find(self, text: str) -> str | None:
        """The pattern's group in `text`, None when it is not of this fault."""
        found = re.search(self.pattern, text, re.I | re.S)
        return found[1] if found else None


def explain(faults: Iterable[Fault], text: str) -> ClouderError | None:
    """The error of the first of `faults` that `text` shows; None when it is none of them."""
    for fault in faults:
        if (found := fault.find(text)) is not None:
            return fault.kind(fault.message.format(found), fix=fault.fix.format(found), details=text)
    return None
