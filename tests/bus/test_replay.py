"""The worker of the dead letters over every bus: what is due goes to its topic again, whoever buried it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from google.cloud import pubsub_v1
from support.polling import eventually

from bus.letters import epitaph, for_replay, read
from bus.port import DONE, Cause, Delivery, dead
from bus.provision import ensure
from bus.pubsub import PubsubPublisher, PubsubSubscriber
from bus.topics import Names, Topic
from ctpay.seams import aside
from workers.runtime import handler
from workers.work import Limits, Work

ORIGINAL = {"type": "RefundPayment", "correlation_id": "c"}


def now():
    return datetime.now(UTC)


def died(ago, cause=Cause.OUTAGE):
    """The attributes of a refund's letter that has lain there for so long."""
    at = now() - ago
    delivery = Delivery(message_id="m", data=b"bytes", attributes=ORIGINAL, published_at=at, attempt=90)
    return epitaph(Topic.REFUND, delivery, dead("down", cause), at)


@asynccontextmanager
async def working(publisher, subscriber, *, clock=now):
    """The worker, and what comes to the refunds."""
    got = []

    async def refund(delivery):
        got.append(delivery)
        return DONE

    work = Work(ledger=None, psp=None, publisher=publisher, clock=clock, project_key="p", limits=Limits())
    readings = [
        await subscriber.consume(Topic.REFUND, refund),
        await subscriber.consume(*handler("dead-letters", work)),
    ]
    yield got
    await asyncio.gather(*(reading.drain() for reading in readings))


async def test_what_is_due_goes_to_its_topic_again_as_it_was_and_what_is_not_stays(bus):
    await bus.publisher.publish(Topic.DEAD_LETTERS, b"early", died(timedelta(seconds=5)))
    await bus.publisher.publish(Topic.DEAD_LETTERS, b"person's", died(timedelta(hours=5), Cause.POISON))
    await bus.publisher.publish(Topic.DEAD_LETTERS, b"due", died(timedelta(hours=5)))
    async with working(bus.publisher, await bus.subscriber()) as got:
        await eventually(lambda: _is(got), within_s=25)
        (replayed,) = got
    assert replayed.data == b"due"
    history = {name: value for name, value in replayed.attributes.items() if name.startswith("ctpay_")}
    assert replayed.attributes == {**ORIGINAL, **history}
    assert history["ctpay_replays"] == "1"
    async with bus.shelf() as shelf:
        theirs = [read(one) for one in await shelf.take()]
    assert [one.data for one in theirs if one.is_for_person] == [b"person's"]


async def test_what_is_nobodys_any_more_is_given_to_a_person(bus):
    await bus.publisher.publish(Topic.DEAD_LETTERS, b"bytes", died(timedelta(days=31)) | {"ctpay_replays": "200"})
    found = []

    async def told():
        async with bus.shelf() as shelf:
            found[:] = [one for one in map(read, await shelf.take()) if one.is_for_person]
        return len(found) == 1

    async with working(bus.publisher, await bus.subscriber()) as got:
        await eventually(told, within_s=25)
    assert got == []
    assert (found[0].cause, found[0].reason, found[0].replays) == (Cause.GIVEN_UP, "down", 200)


@pytest.mark.parametrize("earlier", [0, 3])
async def test_what_pubsub_moved_by_its_own_policy_replays_and_its_history_is_not_lost(server, earlier):
    names = Names(project="p", prefix=f"moved{earlier}")
    await asyncio.to_thread(ensure, names)
    await asyncio.to_thread(fail_five_times, names, earlier)
    publisher = PubsubPublisher(names=names)
    subscriber = PubsubSubscriber(names=names, dead_letters=publisher, clock=now, aside=aside, drain_within_s=2)
    async with working(publisher, subscriber, clock=lambda: now() + timedelta(hours=1)) as got:
        await eventually(lambda: _is(got), within_s=25)
    await subscriber.close()
    await publisher.close()
    assert (got[0].data, got[0].attributes["correlation_id"]) == (b"bytes", "c")
    assert got[0].attributes["ctpay_replays"] == str(earlier + 1)
    assert not any(name.startswith("CloudPubSub") for name in got[0].attributes)


def fail_five_times(names, earlier):
    """Deliveries that nobody acknowledges, of a refund that had been replayed so often before."""
    refunds = names.subscription(Topic.REFUND)
    wanted = {
        "name": refunds,
        "topic": names.topic(Topic.REFUND),
        "dead_letter_policy": {"dead_letter_topic": names.topic(Topic.DEAD_LETTERS), "max_delivery_attempts": 5},
    }
    letter = read(Delivery(message_id="l", data=b"", attributes={"ctpay_replays": "2"}, published_at=now(), attempt=0))
    attributes = ORIGINAL | (for_replay(letter) if earlier else {})
    with pubsub_v1.SubscriberClient() as client, pubsub_v1.PublisherClient() as publisher:
        client.delete_subscription(request={"subscription": refunds})
        client.create_subscription(request=wanted)
        publisher.publish(names.topic(Topic.REFUND), b"bytes", **attributes).result(10)
        for _ in range(5):
            pulled = client.pull(request={"subscription": refunds, "max_messages": 1}, timeout=20, retry=None)
            (one,) = pulled.received_messages
            back = {"subscription": refunds, "ack_ids": [one.ack_id], "ack_deadline_seconds": 0}
            client.modify_ack_deadline(request=back)


async def _is(condition):
    return condition
