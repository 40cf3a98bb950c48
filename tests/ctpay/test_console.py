from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from ctpay.console import Loudness, Screen

REQUEST = {
    "timestamp": "2026-11-23T01:09:27.5Z",
    "level": "info",
    "event": "request.done",
    "route": "/payments",
    "status": 200,
}
START = {"level": "info", "event": "worker.started", "worker": "capture"}
TROUBLE = {"level": "warning", "event": "ready.check_failed", "check": "types"}


def shown(loudness: Loudness, *lines: object) -> str:
    stream = io.StringIO()
    screen = Screen(Console(file=stream, width=200, color_system=None), loudness)
    for line in lines:
        screen.hear("ingress", line if isinstance(line, str) else json.dumps(line))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("loudness", "events"),
    [
        (Loudness.TROUBLES, {"ready.check_failed"}),
        (Loudness.OUTCOMES, {"ready.check_failed", "request.done"}),
        (Loudness.EVERYTHING, {"ready.check_failed", "request.done", "worker.started"}),
    ],
)
def test_as_much_is_shown_as_was_asked_for(loudness, events):
    text = shown(loudness, REQUEST, START, TROUBLE)
    assert {event for event in ("ready.check_failed", "request.done", "worker.started") if event in text} == events


def test_a_line_has_its_process_and_its_fields():
    [line] = shown(Loudness.OUTCOMES, REQUEST).splitlines()
    assert line.startswith("ingress ")
    assert line.endswith("request.done       route=/payments status=200")


@pytest.mark.parametrize("line", ["Traceback (most recent call last):", "7", "[1, 2]", "[bold]not markup[/bold]"])
def test_what_is_no_log_line_is_shown_as_it_is(line):
    assert line in shown(Loudness.TROUBLES, line)


def test_a_traceback_in_a_line_is_shown_below_it():
    failed = {"level": "error", "event": "worker.failed", "exception": "Traceback\n  boom"}
    assert shown(Loudness.TROUBLES, failed).splitlines()[1:] == ["Traceback", "  boom"]
