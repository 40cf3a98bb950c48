"""Webhooks on their way, on virtual time: order, repetition, and giving up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sandbox.psp.events import Event
from sandbox.psp.faults import Fault, FaultKind, FaultPlan
from sandbox.psp.outbox import BACKOFF_S, Outbox

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def outbox(*faults: Fault) -> Outbox:
    box = Outbox(url="http://shop.test", secrets=["whsec_AAAA"])
    box.faults = FaultPlan(faults=faults)
    return box


def event(number: int) -> Event:
    return Event(id=f"evt_{number}", type="capture.succeeded", created=NOW, data={})


def sent(box: Outbox, now: datetime = NOW) -> list[str]:
    return [each.event.id for each in box.take_due(now, limit=100)]


def test_events_go_out_in_order_and_at_once():
    box = outbox()
    for number in (1, 2, 3):
        box.publish(event(number))
    assert box.next_due(NOW) == NOW
    assert [each.event.id for each in box.take_due(NOW, limit=2)] == ["evt_1", "evt_2"]
    assert sent(box) == ["evt_3"]
    assert box.next_due(NOW) is None


def test_what_is_not_accepted_is_sent_again_later_and_at_last_given_up():
    box = outbox()
    box.publish(event(1))
    now = NOW
    for wait in BACKOFF_S:
        (delivery,) = box.take_due(now, limit=1)
        box.settle(delivery, status=503, now=now)
        assert box.take_due(now, limit=1) == []
        now += timedelta(seconds=wait)
        assert box.next_due(now) == now
    (last,) = box.take_due(now, limit=1)
    box.settle(last, status=None, now=now)
    assert box.waiting == 0
    assert box.resend("evt_1")
    (again,) = box.take_due(now, limit=1)
    box.settle(again, status=204, now=now)
    assert box.waiting == 0
    assert not box.resend("evt_2")


@pytest.mark.parametrize(
    ("kind", "first", "later"),
    [
        (FaultKind.WEBHOOK_DUPLICATE, ["evt_1", "evt_1", "evt_2"], []),
        (FaultKind.WEBHOOK_REORDER, ["evt_2"], ["evt_1"]),
        (FaultKind.WEBHOOK_DELAY, ["evt_2"], []),
        (FaultKind.WEBHOOK_DROP, ["evt_2"], []),
    ],
)
def test_faults_repeat_reorder_delay_and_drop(kind, first, later):
    box = outbox(Fault(kind=kind, on="capture.succeeded", delay_s=60))
    box.publish(event(1))
    box.publish(event(2))
    assert sent(box) == first
    assert sent(box) == later
    overdue = ["evt_1"] if kind is FaultKind.WEBHOOK_DELAY else []
    assert sent(box, NOW + timedelta(seconds=60)) == overdue


def test_an_event_that_nothing_overtakes_goes_out_all_the_same():
    box = outbox(Fault(kind=FaultKind.WEBHOOK_REORDER, delay_s=5))
    box.publish(event(1))
    assert sent(box) == []
    assert box.next_due(NOW) == NOW + timedelta(seconds=5)
    assert sent(box, NOW + timedelta(seconds=5)) == ["evt_1"]


def test_events_wait_until_there_is_somebody_to_send_them_to():
    box = outbox()
    box.url = None
    box.publish(event(1))
    assert (sent(box), box.next_due(NOW)) == ([], None)
    box.url = "http://shop.test"
    assert sent(box) == ["evt_1"]
