"""The one place that decides a message's fate."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from bus.consumer import Consumer, Fate
from bus.messages import CapturePayment, attributes
from bus.port import DONE, Cause, Delivery, PublishError, again, dead, ignored
from bus.topics import POLICIES, Topic
from psp.trace import current, parse

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
DELIVERY = Delivery(
    message_id="m-1", data=b"body", attributes={"type": "T", "correlation_id": "c"}, published_at=NOON, attempt=3
)


class Graves:
    def __init__(self, *, fails=None):
        self.fails = fails
        self.laid = []

    async def publish(self, topic, data, attributes):
        if self.fails:
            raise self.fails
        self.laid.append((topic, data, attributes))


async def take(ending, graves=None, *, attempt=3, topic=Topic.REFUND, attributes=None):
    async def handler(_delivery):
        if isinstance(ending, Exception):
            raise ending
        return ending

    consumer = Consumer(
        topic=topic,
        handler=handler,
        dead_letters=graves or Graves(),
        clock=lambda: NOON,
        places=asyncio.Semaphore(),
    )
    with capture_logs() as lines:
        fate = await consumer.take(replace(DELIVERY, attempt=attempt, attributes=attributes or DELIVERY.attributes))
    return fate, lines


@pytest.mark.parametrize(
    ("ending", "fate"), [(DONE, Fate.ACK), (ignored("x"), Fate.ACK), (again("x"), Fate.NACK), (dead("x"), Fate.ACK)]
)
async def test_every_verdict_has_its_fate_and_one_outcome_line(ending, fate):
    found, lines = await take(ending)
    assert found is fate
    (line,) = lines
    assert line["event"] == f"message.{ending.verdict}"
    assert (line["topic"], line["message_id"], line["attempt"], line["correlation_id"]) == ("refund", "m-1", 3, "c")


async def test_the_line_names_what_changes_in_commercetools_name_as_their_cause():
    _, (command,) = await take(DONE, attributes={"command_id": "c-1"})
    assert (command["command_id"], command["event_id"]) == ("c-1", None)
    _, (event,) = await take(replace(DONE, event_ids=("evt_1", "evt_2")))
    assert (event["command_id"], event["event_id"]) == (None, "evt_1 evt_2")


async def test_a_dead_letter_keeps_the_message_and_says_why_and_when():
    graves = Graves()
    await take(dead("ä" * 2000), graves)
    ((topic, data, attributes),) = graves.laid
    assert (topic, data) == (Topic.DEAD_LETTERS, b"body")
    assert attributes["type"] == "T"
    assert attributes["ctpay_worker"] == "refund"
    assert attributes["ctpay_attempts"] == "3"
    assert attributes["ctpay_message_id"] == "m-1"
    assert attributes["ctpay_published_at"] == attributes["ctpay_dead_at"] == "2026-03-01T12:00:00+00:00"
    assert attributes["ctpay_reason"] == "ä" * 512


@pytest.mark.parametrize(
    ("ending", "cause", "error"),
    [
        (again("down", error="UnavailableError"), "outage", "UnavailableError"),
        (again("no Payment", Cause.MISSING_PAYMENT), "missing-payment", None),
        (replace(again("x"), cause=None), "outage", None),
        (ZeroDivisionError("a bug"), "fault", "ZeroDivisionError"),
    ],
)
async def test_what_came_too_often_is_buried_with_the_last_reason_before_pubsub_moves_it_without_one(
    ending, cause, error
):
    graves, most = Graves(), POLICIES[Topic.REFUND].attempts
    assert (await take(ending, graves, attempt=most - 1))[0] is Fate.NACK
    fate, lines = await take(ending, graves, attempt=most)
    assert (fate, lines[-1]["event"], lines[-1]["cause"]) == (Fate.ACK, "message.dead", cause)
    ((_, _, attributes),) = graves.laid
    assert attributes["ctpay_reason"]
    assert (attributes["ctpay_cause"], attributes.get("ctpay_error")) == (cause, error)


async def test_what_is_done_at_the_last_attempt_is_done():
    assert (await take(DONE, attempt=10_000))[0] is Fate.ACK


@pytest.mark.parametrize("topic", [Topic.DEAD_LETTERS, Topic.RESULTS])
async def test_a_dead_letter_waits_for_as_long_as_it_likes(topic):
    graves = Graves()
    assert (await take(again("not due"), graves, attempt=10_000, topic=topic))[0] is Fate.NACK
    assert graves.laid == []


@pytest.mark.parametrize("error", [PublishError("the bus is down"), TypeError("not foreseen")])
async def test_a_dead_letter_that_is_not_confirmed_for_whatever_reason_is_not_acknowledged(error):
    fate, lines = await take(dead("x"), Graves(fails=error))
    assert fate is Fate.NACK
    assert lines[0]["type"] == type(error).__name__
    assert [line["event"] for line in lines] == ["dead_letter.unpublished", "message.dead"]


async def test_a_handler_that_fails_gives_the_message_back_and_says_so_loudly():
    fate, lines = await take(ZeroDivisionError("a bug"))
    assert fate is Fate.NACK
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("message.crashed", "error"),
        ("message.again", "info"),
    ]


async def test_a_cancelled_handler_decides_nothing_and_still_has_its_line():
    async def handler(_delivery):
        raise asyncio.CancelledError

    consumer = Consumer(
        topic=Topic.REFUND, handler=handler, dead_letters=Graves(), clock=lambda: NOON, places=asyncio.Semaphore()
    )
    with capture_logs() as lines, pytest.raises(asyncio.CancelledError):
        await consumer.take(DELIVERY)
    assert [line["event"] for line in lines] == ["message.again"]
    assert "stops" in lines[0]["reason"]


@pytest.mark.parametrize("given", [{}, {"traceparent": "garbage"}, {"traceparent": TRACEPARENT}])
async def test_each_delivery_works_for_a_span_of_its_own_in_the_messages_trace(given):
    spans, published, now = [], [], NOON

    async def handler(_delivery):
        spans.append(current())
        command = CapturePayment(
            command_id="c-1", correlation_id="c", payment_id="p", transaction_id="t", accepted_at=NOON
        )
        published.append(attributes(command)["traceparent"])
        return DONE

    consumer = Consumer(
        topic=Topic.REFUND, handler=handler, dead_letters=Graves(), clock=lambda: now, places=asyncio.Semaphore()
    )
    # Pub/Sub does not count the attempts of every subscription.
    delivery = replace(DELIVERY, attributes=given, attempt=0)
    for _ in range(2):
        await consumer.take(delivery)
        now += timedelta(seconds=1)
    await consumer.take(replace(delivery, message_id="m-2"))
    assert len({span.span_id for span in spans}) == 3
    assert published == [span.traceparent for span in spans]
    parent = parse(given.get("traceparent"))
    if parent is not None:
        assert {(span.trace_id, span.flags) for span in spans} == {(parent.trace_id, 1)}
        assert parent.span_id not in {span.span_id for span in spans}
    assert current() is None


async def test_a_dead_letter_keeps_the_trace_of_its_message():
    graves = Graves()
    await take(dead("x"), graves, attributes={"type": "T", "traceparent": TRACEPARENT})
    assert graves.laid[0][2]["traceparent"] == TRACEPARENT
