"""The programs of the tests that look at Terraform: those of script/test."""

from __future__ import annotations

import os
import shutil

from clouder.store import cache


def terraform() -> str:
    """The one to test with: script/test tofu names another."""
    return os.environ.get("CLOUDER_TERRAFORM") or "terraform"


def tflint() -> str:
    """Its path: in PATH, else in the cache."""
    built = sorted(cache().glob("programs/tflint-*/tflint"))
    found = shutil.which("tflint") or (str(built[-1]) if built else "")
    assert found, "tflint is missing: script/test lint builds it"
    return found
