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


@pytest.mark.parametrize("level", ["warning", "error", "critical"])
def test_a_trouble_is_always_shown_with_all_that_it_says(level):
    said = {"level": level, "event": "message.again", "topic": "results", "message_id": "m-1", "attempt": 7}
    assert "message_id=m-1 attempt=7" in shown(Loudness.TROUBLES, said)


def test_a_persons_line_has_no_ids_of_the_log_and_no_time_twice():
    head = dict.fromkeys(("logger", "correlation_id", "trace_id", "span_id"), "hidden")
    [line] = shown(Loudness.EVERYTHING, REQUEST | head | {"attempt": 7, "left_out": ["url"]}).splitlines()
    assert line.split()[2:] == ["request.done", "route=/payments", "status=200", "attempt=7", "left_out=['url']"]


@pytest.mark.parametrize("detail", ["message_id", "age_ms", "attempt"])
def test_details_are_shown_where_everything_is(detail):
    said = {"level": "info", "event": "message.done", "topic": "capture", detail: 7}
    assert f"{detail}=7" not in shown(Loudness.OUTCOMES, said)
    assert f"{detail}=7" in shown(Loudness.EVERYTHING, said)


@pytest.mark.parametrize(
    ("event", "topics"),
    [
        ("message.done", {"capture", "commercetools", "dead-letters"}),
        ("message.ignored", {"capture"}),
        ("message.again", {"capture", "commercetools", "results"}),
        ("message.dead", {"capture", "commercetools", "results", "dead-letters"}),
    ],
)
def test_outcomes_are_shown_but_for_echoes_of_our_own(event, topics):
    every = ("capture", "commercetools", "results", "dead-letters")
    assert {topic for topic in every if shown(Loudness.OUTCOMES, START | {"event": event, "topic": topic})} == topics


@pytest.mark.parametrize(("name", "colour"), [("ingress", 36), ("workers", 32), ("sandbox", 35), ("shop", 34)])
def test_each_process_has_its_colour(name, colour):
    stream = io.StringIO()
    console = Console(file=stream, width=200, force_terminal=True, color_system="standard")
    Screen(console, Loudness.OUTCOMES).hear(name, json.dumps(REQUEST))
    assert stream.getvalue().startswith(f"\x1b[{colour}m{name}")


@pytest.mark.parametrize("loudness", Loudness)
def test_how_much_is_shown_is_chosen_by_its_name(loudness):
    assert loudness.value == loudness.name.lower()
