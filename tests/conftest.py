"""Shared test set-up: the `support` package, and the rule that REQUIRE_REAL=1 turns a skip into a failure."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import hypothesis
import pytest

sys.path.insert(0, str(Path(__file__).parent))

# How long an example takes is the machine's affair; that a test ends at all is pytest-timeout's.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Where everything is installed (`REQUIRE_REAL=1`), a test that skips for want of a tool has failed."""
    outcome = yield
    report = outcome.get_result()
    needs = [mark for mark in ("emulator", "node", "browser") if item.get_closest_marker(mark)]
    known_gap = report.skipped and "known gap" in str(report.longrepr)
    if os.environ.get("REQUIRE_REAL") == "1" and report.skipped and needs and not known_gap:
        report.outcome = "failed"
        report.longrepr = (
            f"REQUIRE_REAL=1, but this test skipped although it needs: {', '.join(needs)}. {report.longrepr}"
        )


#: Marker -> what it needs and how to have it.
NEEDS = {
    "emulator": "Google's Pub/Sub emulator: install the Google Cloud SDK with its component pubsub-emulator, and Java",
    "node": "Node.js with npm",
    "browser": "Chromium",
}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each thing that this machine lacks, so that nobody takes a skip for a proof."""
    skipped = [
        report for report in terminalreporter.getreports("skipped") if "known gap" not in str(report.longrepr).lower()
    ]
    for mark, what in NEEDS.items():
        count = sum(mark in report.keywords for report in skipped)
        if count:
            terminalreporter.write_line(f"NOT RUN HERE: {count} tests need {what}. `.ci/run` has it all.", yellow=True)
