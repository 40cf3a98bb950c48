"""What the bus in memory can do beyond the others: go wrong on demand, and tell what happened."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from support.polling import eventually

from bus import memory
from bus.memory import Happening, MemoryBus, Mishap
from bus.port import DONE, PublishError, again
from bus.topics import POLICIES, Policy, Topic

FAST = Policy(backoff_s_min=0.01, backoff_s_max=0.02, attempts_max=5, ack_deadline_s=0.05)


@pytest.fixture(autouse=True)
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


async def settled(bus):
    async def idle():
        return bus.idle

    await eventually(idle, within_s=5)


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
async def test_a_finished_message_can_come_twice(mishap):
    _, seen, _ = await play(once(mishap, at=1))
    assert seen == [1, 2]


async def test_a_message_that_comes_too_often_is_moved_to_the_dead_letters():
    bus, seen, _ = await play(answer=again("never"))
    # The dead letters have no reader here, so what lies there waits.
    assert seen == [1, 2, 3, 4, 5]
    assert [one.topic for one in bus.log if one.happening is Happening.DEAD] == [Topic.CAPTURE]


async def test_the_log_accounts_for_every_message():
    bus, _, _ = await play(publishes=3)
    counts = {happening: sum(one.happening is happening for one in bus.log) for happening in Happening}
    assert (counts[Happening.PUBLISHED], counts[Happening.DELIVERED], counts[Happening.ACKED]) == (3, 3, 3)


async def test_what_an_abandoned_reader_held_comes_to_another_at_its_deadline():
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
