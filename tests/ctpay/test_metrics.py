"""What a monitor reads, and where."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import sys

import aiohttp
import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families
from support.pubsub_servers import stand_in_server

from bus.port import Cause
from bus.provision import ensure
from bus.topics import Names
from ctpay import local, logs, ports
from ctpay.metrics import Metrics
from ctpay.settings import LogLevel, Logs, SettingsError, load_ingress

REQUEST = {"event": "request.done", "method": "POST", "route": "/payments", "status": 200, "duration_ms": 40.0}
MESSAGE = {"event": "message.done", "topic": "capture", "type": "CapturePayment", "duration_ms": 1500.0}


def read(text):
    """Sample and labels -> value."""
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def counted(*lines):
    """What the lines give."""
    metrics = Metrics()
    for line in lines:
        assert metrics(None, "info", dict(line)) == line
    return read(metrics.exposition().decode())


def test_a_request_is_counted_and_timed_by_its_outcome_line():
    found = counted(REQUEST, REQUEST, REQUEST | {"status": 503, "duration_ms": 12_000})
    labels = ("method=POST", "route=/payments")
    assert found["ctpay_requests_total", *labels, "status=200"] == 2
    assert found["ctpay_requests_total", *labels, "status=503"] == 1
    assert found["ctpay_request_duration_seconds_count", *labels] == 3
    assert found["ctpay_request_duration_seconds_sum", *labels] == pytest.approx(12.08)
    assert found["ctpay_request_duration_seconds_bucket", "le=0.05", *labels] == 2


@pytest.mark.parametrize("verdict", ["done", "ignored", "again", "dead"])
def test_a_message_is_counted_by_its_verdict_and_timed(verdict):
    found = counted(MESSAGE | {"event": f"message.{verdict}"})
    labels = ("topic=capture", "type=CapturePayment")
    assert found["ctpay_messages_total", *labels, f"verdict={verdict}"] == 1
    assert found["ctpay_message_duration_seconds_sum", *labels] == pytest.approx(1.5)


@pytest.mark.parametrize("event", ["message.crashed", "request.failed", "result.unpublished", None])
def test_what_is_no_outcome_counts_nothing(event):
    assert counted({"event": event, "topic": "capture", "type": "KeyError"}) == {}


def test_a_label_has_no_value_that_somebody_outside_made_up():
    found = counted(REQUEST | {"method": "BREW"}, MESSAGE | {"type": "Canary"}, MESSAGE | {"type": None})
    assert found["ctpay_requests_total", "method=other", "route=/payments", "status=200"] == 1
    assert found["ctpay_messages_total", "topic=capture", "type=other", "verdict=done"] == 2


@pytest.mark.parametrize("method", ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"])
def test_each_method_of_http_is_counted_by_its_name(method):
    assert counted(REQUEST | {"method": method})[
        "ctpay_requests_total", f"method={method}", "route=/payments", "status=200"
    ]


def test_times_are_told_apart_from_an_answer_out_of_memory_to_all_tries_of_a_call():
    edges = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "30.0", "60.0"]
    found = counted(REQUEST, MESSAGE)
    for name in ("ctpay_request_duration_seconds_bucket", "ctpay_message_duration_seconds_bucket"):
        assert [key[1] for key in found if key[0] == name] == [f"le={edge}" for edge in [*edges, "+Inf"]]


def test_dead_letters_are_told_as_they_are_when_somebody_asks():
    metrics, for_person, waiting = Metrics(), {}, {}
    metrics.tell_letters(for_person=lambda: for_person, waiting=lambda: waiting)
    for_person["refund", Cause.REFUSED] = 2
    waiting["webhook", Cause.OUTAGE] = 3
    assert read(metrics.exposition().decode()) == {
        ("ctpay_dead_letters_for_a_person_total", "cause=refused", "worker=refund"): 2,
        ("ctpay_dead_letters_waiting", "cause=outage", "worker=webhook"): 3,
    }
    waiting.clear()
    assert read(metrics.exposition().decode()) == {
        ("ctpay_dead_letters_for_a_person_total", "cause=refused", "worker=refund"): 2
    }


def test_what_may_fall_is_a_gauge_and_what_only_rises_a_counter():
    metrics = Metrics()
    metrics.tell_letters(for_person=dict, waiting=dict)
    types = [line.split()[2:] for line in metrics.exposition().decode().splitlines() if line.startswith("# TYPE")]
    assert ["ctpay_dead_letters_waiting", "gauge"] in types
    assert ["ctpay_dead_letters_for_a_person_total", "counter"] in types


@pytest.mark.parametrize("level", LogLevel)
def test_what_the_level_keeps_out_of_the_log_counts_all_the_same(level):
    root, metrics, stream = logging.getLogger(), Metrics(), io.StringIO()
    before, weight = root.handlers, root.level
    try:
        logs.configure(Logs(level=level), secrets=[], watch=metrics, stream=stream)
        structlog.get_logger("handlers.exchange").info(**REQUEST)
    finally:
        root.handlers, root.level = before, weight
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
    found = read(metrics.exposition().decode())
    assert found["ctpay_requests_total", "method=POST", "route=/payments", "status=200"] == 1
    assert ("request.done" in stream.getvalue()) is (level in {LogLevel.DEBUG, LogLevel.INFO})


def test_the_metrics_have_no_place_at_the_public_port(monkeypatch):
    for name, value in local.environment(ports.free(), {}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("METRICS_PORT", os.environ["PORT"])
    with pytest.raises(SettingsError) as caught:
        load_ingress()
    assert "PORT" in caught.value.faults["METRICS_PORT"]
    monkeypatch.delenv("METRICS_PORT")
    assert load_ingress().web.metrics_port is None


async def test_an_ingress_tells_its_metrics_at_a_port_of_their_own_and_at_no_other(monkeypatch):
    with stand_in_server() as address:
        usable = ports.free()
        environment = local.environment(usable, os.environ) | {
            "PUBSUB_EMULATOR_HOST": address, "METRICS_PORT": str(usable.shop), "LOG_LEVEL": "error",
        }  # fmt: skip
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", address)
        await asyncio.to_thread(ensure, Names(project=environment["GOOGLE_CLOUD_PROJECT"]))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ctpay", "ingress"), env=environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            assert json.loads(await process.stdout.readline()) == {"ready": "ingress", "port": usable.ingress}
            async with aiohttp.ClientSession() as http:
                public, own = (f"http://127.0.0.1:{port}" for port in (usable.ingress, usable.shop))
                for _ in range(2):
                    async with http.get(f"{public}/metrics") as response:
                        assert response.status == 404
                async with http.get(f"{own}/metrics") as response:
                    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
                    found = read(await response.text())
                async with http.get(f"{own}/health/live") as response:
                    assert response.status == 404
        finally:
            process.terminate()
            said = (await process.communicate())[1]
    assert (process.returncode, said) == (0, b"")
    assert found["ctpay_requests_total", "method=GET", "route=unmatched", "status=404"] == 2
