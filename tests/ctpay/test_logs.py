from __future__ import annotations

import ast
import io
import json
import logging
import warnings
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr

from ct.compare import Difference
from ctpay.logs import FIELDS, MASK, Masker, configure
from ctpay.settings import LogFormat, LogLevel, Logs
from psp.trace import span_for, within
from workers.reconcile import Step

CANARY = "canary-5f1d2c"


@pytest.fixture
def lines():
    """Logs as a process writes them; calling it gives the lines so far."""
    root = logging.getLogger()
    before, level = root.handlers, root.level
    stream = io.StringIO()
    configure(Logs(format=LogFormat.JSON), secrets=[SecretStr(CANARY)], stream=stream)

    def read() -> list[dict[str, object]]:
        text = stream.getvalue()
        assert CANARY not in text
        return [json.loads(line) for line in text.splitlines()]

    yield read
    root.handlers, root.level = before, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_an_event_is_one_line_with_its_fields_and_the_tasks_correlation_id(lines):
    structlog.contextvars.bind_contextvars(correlation_id="c-1")
    structlog.get_logger("workers.capture").info("worker.done", payment_id="p-1", duration_ms=12.5)
    [line] = lines()
    assert line.pop("timestamp")
    assert line == {
        "event": "worker.done",
        "level": "info",
        "logger": "workers.capture",
        "correlation_id": "c-1",
        "payment_id": "p-1",
        "duration_ms": 12.5,
    }


def test_a_line_has_its_place_in_the_trace_that_its_task_works_for(lines):
    span = span_for(None, unique="id-1")
    with within(span):
        structlog.get_logger("x").info("worker.done")
        logging.getLogger("some.library").warning("called")
    structlog.get_logger("x").info("worker.done")
    *inside, outside = lines()
    assert {(line["trace_id"], line["span_id"]) for line in inside} == {(span.trace_id, span.span_id)}
    assert not outside.keys() & {"trace_id", "span_id"}


def test_a_field_that_is_not_allowed_is_left_out_and_named(lines):
    structlog.get_logger().info("ingress.request", headers={"authorization": "x"}, body="{}", status=200)
    [line] = lines()
    assert line["left_out"] == ["body", "headers"]
    assert "headers" not in line
    assert line["status"] == 200


def test_a_librarys_line_takes_the_same_way(lines):
    logging.getLogger("some.library").warning("called with %s", CANARY)
    [line] = lines()
    assert (line["event"], line["logger"]) == (f"called with {MASK}", "some.library")


def test_a_warning_becomes_a_line(lines):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("the key is " + CANARY, stacklevel=1)
    [line] = lines()
    assert line["logger"] == "py.warnings"


def test_a_traceback_is_masked(lines):
    def refuse() -> None:
        raise RuntimeError(f"refused {CANARY} for card 4111 1111 1111 1111")

    try:
        refuse()
    except RuntimeError:
        structlog.get_logger().exception("worker.failed")
        logging.getLogger("some.library").exception("failed")
    assert [MASK in str(line["exception"]) for line in lines()] == [True, True]
    assert not any("1111 1111" in str(line) for line in lines())


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111111",
        "paid with 4111 1111 1111 1111.",
        "pan-4111-1111-1111-1111",
        "378282246310005",
        "Authorization: Bearer abcdefghijklmnop",
        "basic dXNlcjpwYXNzd29yZA==",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "sk_live_abcdef123456",
        "tok_approved_4f2e",
        "whsec_0123456789",
        'client_secret="abc"',
        "https://host/?access_token=abc&x=1",
        "https://user:pass@host/",
        '{"password": "abc"}',
    ],
)
def test_what_looks_like_a_secret_is_masked(text):
    assert MASK in Masker().text(text)


@pytest.mark.parametrize(
    "text",
    [
        "7f1f2b8a-3a55-4f8e-9b0e-1f6f4e3d2c1b",
        "2026-11-23T01:09:27.123456Z",
        "1764000000000",
        "PSP refused: insufficient_funds",
        "https://api.example.com/shop/payments/p-1",
        "capture",
    ],
)
def test_what_a_reader_needs_is_not_masked(text):
    assert Masker().text(text) == text


def test_secrets_inside_lists_mappings_and_numbers_are_masked():
    line = {"reason": [CANARY, {"code": CANARY}], "count": 4111111111111111, "ready": True, "missing": None}
    assert Masker([SecretStr(CANARY)])(None, "", line) == {
        "reason": [MASK, {"code": MASK}],
        "count": MASK,
        "ready": True,
        "missing": None,
    }


def test_no_field_that_carries_payloads_or_secrets_is_allowed():
    assert not FIELDS & {"token", "body", "headers", "authorization", "secret", "card", "email", "request", "response"}


def test_pretty_lines_are_for_people():
    root = logging.getLogger()
    before, level = root.handlers, root.level
    stream = io.StringIO()
    try:
        configure(Logs(format=LogFormat.PRETTY), secrets=[SecretStr(CANARY)], stream=stream)
        structlog.get_logger("x").info("worker.done", reason=CANARY)
    finally:
        root.handlers, root.level = before, level
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
    assert "worker.done" in stream.getvalue()
    assert CANARY not in stream.getvalue()


#: What the log itself adds to lines.
ADDED = {"event", "level", "logger", "timestamp", "left_out", "correlation_id", "trace_id", "span_id"}


def test_a_line_may_say_what_the_product_logs_and_nothing_else():
    """Also what nobody says any more: a word that is still allowed would let something through one day."""
    rooms = ("bus", "ct", "ctpay", "enabler", "handlers", "psp", "workers")
    root = Path(__file__).parents[2]
    weights = {"debug", "info", "warning", "error", "exception", "critical"}
    logged = {
        keyword.arg
        for room in rooms
        for path in (root / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in weights
        if ast.unparse(node.func.value) in {"_log", "log", "logger", "_logger"}
        for keyword in node.keywords
        if keyword.arg is not None
    }
    # A pass of reconciliation says how many there were of each step, and a comparison how many of each difference.
    assert logged | set(Step) | set(Difference) | ADDED == FIELDS


@pytest.mark.parametrize("name", [*LogLevel, *LogFormat])
def test_levels_and_formats_are_set_by_their_names(name):
    assert name.value == name.name.lower()
