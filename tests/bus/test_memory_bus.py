"""What the bus in memory can do beyond the others: go wrong on demand, and tell what happened."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime

import pytest
from support.polling import eventually
from support.virtual_time import virtually

from bus import memory
from bus.memory import Happening, MemoryBus, Mishap
from bus.port import DONE, PublishError, again
from bus.topics import POLICIES, Policy, Topic

FAST = Policy(backoff_s_min=0.01, backoff_s_max=0.02, attempts_max=5, ack_deadline_s=0.05)


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(memory, "POLICIES", dict.fromkeys(POLICIES, FAST))


def now():
    return datetime.now(UTC)


def once(mishap, at=0):
    """The mishap at the `at`-th question about the topic of captures, and nowhere else."""
    asked = iter(range(10_000))

    def decide(topic, _attributes):
        return mishap if topic is Topic.CAPTURE and next(asked) == at else None

    return decide


async def settled(bus, within_s=5):
    async def idle():
        return bus.idle

    # Virtual hours need no look every hundredth of a second.
    await eventually(idle, within_s=within_s, every_s=within_s / 1000)


async def play(mishaps=None, answer=DONE, publishes=1):
    bus = MemoryBus(clock=now, mishaps=mishaps)
    seen = []

    async def handler(delivery):
        seen.append(delivery.attempt)
        return answer

    await bus.consume(Topic.CAPTURE, handler)
    failed = 0
    for _ in range(publishes):
        try:
            await bus.publish(Topic.CAPTURE, b"1", {})
        except PublishError:
            failed += 1
    await settled(bus)
    return bus, seen, failed


async def test_a_refused_publish_keeps_nothing_and_a_lost_reply_keeps_the_message():
    _, seen, failed = await play(once(Mishap.PUBLISH_FAILS))
    assert (seen, failed) == ([], 1)
    _, seen, failed = await play(once(Mishap.REPLY_LOST))
    assert (seen, failed) == ([1], 1)


@pytest.mark.parametrize("mishap", [Mishap.DUPLICATE, Mishap.ACK_LOST])
async def test_a_finished_message_can_come_twice(fast, mishap):
    _, seen, _ = await play(once(mishap, at=1))
    assert seen == [1, 2]


async def test_a_message_that_comes_too_often_is_moved_to_the_dead_letters(fast):
    bus, seen, _ = await play(answer=again("never"))
    # The dead letters have no reader here, so what lies there waits.
    assert seen == [1, 2, 3, 4, 5]
    assert [one.topic for one in bus.log if one.happening is Happening.DEAD] == [Topic.CAPTURE]
    (grave,) = [one for one in bus.log if one.topic is Topic.DEAD_LETTERS]
    assert (grave.data, grave.attributes["CloudPubSubDeadLetterSourceDeliveryCount"]) == (b"1", "5")


async def test_the_log_accounts_for_every_message():
    bus, _, _ = await play(publishes=3)
    counts = {happening: sum(one.happening is happening for one in bus.log) for happening in Happening}
    assert (counts[Happening.PUBLISHED], counts[Happening.DELIVERED], counts[Happening.ACKED]) == (3, 3, 3)


async def test_what_an_abandoned_reader_held_comes_to_another_at_its_deadline(fast):
    bus = MemoryBus(clock=now)
    taken = asyncio.Event()

    async def hang(_delivery):
        taken.set()
        await asyncio.Event().wait()
        return DONE

    got = asyncio.Event()

    async def work(_delivery):
        got.set()
        return DONE

    dying = await bus.consume(Topic.CAPTURE, hang)
    await bus.publish(Topic.CAPTURE, b"1", {})
    await taken.wait()
    dying.abandon()
    assert not dying.healthy
    await bus.consume(Topic.CAPTURE, work)
    async with asyncio.timeout(5):
        await got.wait()


async def test_a_reader_that_is_abandoned_as_its_handler_ends_gives_the_message_back_once(fast):
    bus = MemoryBus(clock=now)
    fates = iter([again("not now"), DONE])
    took = []

    async def handler(delivery):
        took.append(delivery.attempt)
        return next(fates)

    dying = await bus.consume(Topic.CAPTURE, handler)
    await bus.publish(Topic.CAPTURE, b"1", {})
    # One step of the loop: the handler has ended, and nobody has been told of it yet.
    await asyncio.sleep(0)
    assert (took, dying.busy) == ([1], 1)
    dying.abandon()
    await bus.consume(Topic.CAPTURE, handler)
    await settled(bus)
    assert took == [1, 2]


async def test_a_full_reader_gets_more_when_it_has_finished_some():
    bus = MemoryBus(clock=now, in_flight_max=2)
    most = 0

    async def handler(_delivery):
        nonlocal most
        most = max(most, reader.busy)
        await asyncio.sleep(0)
        return DONE

    reader = await bus.consume(Topic.CAPTURE, handler)
    for _ in range(10):
        await bus.publish(Topic.CAPTURE, b"1", {})
    await settled(bus)
    assert most == 2


async def test_subscribers_of_one_bus_have_their_own_limits():
    bus, running = MemoryBus(clock=now), []
    gate = asyncio.Event()

    async def wait(_delivery):
        running.append(1)
        await gate.wait()
        return DONE

    readers = [await bus.subscriber(handlers_max=1).consume(Topic.CAPTURE, wait) for _ in range(2)]
    for _ in range(6):
        await bus.publish(Topic.CAPTURE, b"1", {})
    await eventually(lambda: _is(len(running) == 2))
    assert [one.busy for one in readers] == [3, 3]
    gate.set()
    await settled(bus)
    assert len(running) == 6


async def test_draining_twice_is_draining():
    bus = MemoryBus(clock=now)
    reader = await bus.consume_replies("i", _done)
    await reader.drain()
    await reader.drain()
    assert bus.reply_subscriptions == frozenset()


async def test_what_is_let_go_is_let_go_in_the_order_in_which_it_came():
    bus, let_go = MemoryBus(clock=now, drain_within_s=0.01), []

    async def wait(delivery):
        try:
            await asyncio.Event().wait()
        finally:
            let_go.append(int(delivery.data))

    reader = await bus.consume(Topic.CAPTURE, wait)
    for number in range(50):
        await bus.publish(Topic.CAPTURE, b"%d" % number, {})
    await eventually(lambda: _is(reader.busy == 50))
    await reader.drain()
    assert let_go == list(range(50))


def test_a_body_is_not_shown_in_the_log():
    async def story(_clock):
        bus = MemoryBus(clock=now)
        await bus.publish(Topic.CAPTURE, b"tok_canary", {})
        return bus.log

    log = virtually(story)
    assert log[0].data == b"tok_canary"
    assert "canary" not in repr(log)


async def redeliveries(clock, topic=Topic.AUTHORIZE):
    """Seconds between the deliveries of a message that nobody can do."""
    bus, at = MemoryBus(clock=clock), []

    async def never(_delivery):
        at.append(asyncio.get_running_loop().time())
        return again("never")

    await bus.consume(topic, never)
    await bus.publish(topic, b"1", {})
    await settled(bus, within_s=10_000)
    return [later - earlier for earlier, later in itertools.pairwise(at)], bus.log


def test_on_virtual_time_a_message_comes_again_by_the_table_and_the_same_story_gives_the_same_log():
    gaps, log = virtually(redeliveries)
    policy = POLICIES[Topic.AUTHORIZE]
    assert len(gaps) == policy.attempts - 1
    assert gaps[:4] == pytest.approx([policy.backoff_s_min * factor for factor in (1, 2, 4, 8)], abs=0.01)
    assert gaps[-1] == pytest.approx(policy.backoff_s_max, abs=0.01)
    assert virtually(redeliveries)[1] == log


def test_a_delayed_message_arrives_all_the_same_and_later():
    async def story(clock):
        bus, at = MemoryBus(clock=clock, mishaps=once(Mishap.DELAYED)), []
        started = asyncio.get_running_loop().time()

        async def handler(_delivery):
            at.append(asyncio.get_running_loop().time() - started)
            return DONE

        await bus.consume(Topic.CAPTURE, handler)
        await bus.publish(Topic.CAPTURE, b"1", {})
        await settled(bus, within_s=100)
        return at

    assert virtually(story) == [pytest.approx(POLICIES[Topic.CAPTURE].ack_deadline_s, abs=0.01)]


async def _done(_delivery):
    return DONE


async def _is(condition):
    return condition
