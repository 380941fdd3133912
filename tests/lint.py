"""tflint for the tests: the one that script/test builds."""

from __future__ import annotations

import shutil

from clouder.store import cache


def tflint() -> str:
    """Its path: in PATH, else in the cache."""
    built = sorted(cache().glob("programs/tflint-*/tflint"))
    found = shutil.which("tflint") or (str(built[-1]) if built else "")
    assert found, "tflint is missing: script/test lint builds it"
    return found
