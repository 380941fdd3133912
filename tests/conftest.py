"""Nothing of the person who runs the tests is read or changed; the time of each part is shown at the end."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

PARTS = ("chaos", "versions", "aws", "azure", "ovh", "addons", "e2e", "terraform")
PERSONAL = ("KUBECONFIG", "CLOUDER_HOME", "CLOUDER_TERRAFORM", "NO_COLOR", "AWS_PROFILE", "AZURE_CONFIG_DIR")


@pytest.fixture(scope="session", autouse=True)
def _session_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home of the tests' own; the cache of builds stays where script/test put it."""
    cache = os.environ.get("CLOUDER_CACHE") or str(
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clouder"
    )
    patch = pytest.MonkeyPatch()
    for name in PERSONAL:
        patch.delenv(name, raising=False)
    patch.setenv("CLOUDER_CACHE", cache)
    if second := os.environ.get("CLOUDER_TEST_TERRAFORM"):  # script/test tofu
        patch.setenv("CLOUDER_TERRAFORM", second)
    # Tests that run in the background have these ignored, and every child would inherit that.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    patch.setenv("CLOUDER_UNPROVEN", "azure,ovh")  # what is tested here is how they get proven
    patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    yield
    patch.undo()


def part_of(report: pytest.TestReport) -> str:
    """The part of script/test that a test belongs to."""
    return next((part for part in PARTS if part in report.keywords), "unit")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line with the seconds of each part."""
    seconds: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[part_of(report)] += report.duration
    terminalreporter.write_line(
        "time: " + ", ".join(f"{part} {spent:.0f} s" for part, spent in sorted(seconds.items()))
    )
