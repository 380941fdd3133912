"""The command line: a thin face of clouder.api, and the only place that prints."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

INTERRUPTED = 130


def main() -> None:
    """Runs `clouder` with the arguments of this process and exits."""
    from clouder.cli.root import root

    try:
        root.main(sys.argv[1:], prog_name="clouder")
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _leave(INTERRUPTED)
        raise


def _leave(code: int) -> None:
    """Exit with `code` whatever Python itself thinks.

    It kills itself with SIGINT at the end when an interrupt once came out of an `exec`, caught or not, and
    making a dataclass is one: a Ctrl-C during a late import would end as a signal instead of a code.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
