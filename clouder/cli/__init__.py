"""The command line: a thin face of clouder.api, and the only place that prints."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs `clouder` with the arguments of this process and exits."""
    from clouder.cli.root import root

    root.main(sys.argv[1:], prog_name="clouder")
