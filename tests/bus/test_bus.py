"""What every bus promises, written once and run over the bus in memory, the Pub/Sub stand-in and Google's emulator."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from support.polling import eventually

from bus.port import DONE, again, dead, ignored
from bus.topics import Topic


class Reader:
    """A handler that remembers, and answers as the test says."""

    def __init__(self, answer=lambda _delivery: DONE):
        self.answer = answer
        self.seen = []
        self._news = asyncio.Condition()

    async def __call__(self, delivery):
        async with self._news:
            self.seen.append(delivery)
            self._news.notify_all()
        ending = self.answer(delivery)
        return await ending if asyncio.iscoroutine(ending) else ending

    async def until(self, count, within_s=25):
        async with asyncio.timeout(within_s), self._news:
            await self._news.wait_for(lambda: len(self.seen) >= count)
        return self.seen

    @property
    def bodies(self):
        return [one.data for one in self.seen]


@asynccontextmanager
async def reading(bus, topic, reader, **more):
    subscriber = await bus.subscriber(**more)
    consumption = await subscriber.consume(topic, reader)
    try:
        yield consumption
    finally:
        await consumption.drain()


async def test_a_message_arrives_with_its_attributes(bus):
    reader = Reader()
    async with reading(bus, Topic.CAPTURE, reader):
        await bus.publisher.publish(Topic.CAPTURE, b"\x00 body", {"type": "T", "correlation_id": "c"})
        (got,) = await reader.until(1)
    assert (got.data, dict(got.attributes)) == (b"\x00 body", {"type": "T", "correlation_id": "c"})


async def test_what_is_done_or_ignored_does_not_come_again(bus):
    reader = Reader(lambda one: ignored("not ours") if one.data == b"2" else DONE)
    async with reading(bus, Topic.CAPTURE, reader):
        for body in (b"1", b"2"):
            await bus.publisher.publish(Topic.CAPTURE, body, {})
        await reader.until(2)
        await bus.publisher.publish(Topic.CAPTURE, b"3", {})
        await reader.until(3)
    assert sorted(reader.bodies) == [b"1", b"2", b"3"]


async def test_what_cannot_be_done_now_comes_again_and_its_attempts_are_counted(bus):
    reader = Reader(lambda one: again("not now") if one.attempt < 2 else DONE)
    async with reading(bus, Topic.CAPTURE, reader):
        await bus.publisher.publish(Topic.CAPTURE, b"1", {})
        await reader.until(2)
    assert [one.attempt for one in reader.seen] == [1, 2]
    assert len({one.message_id for one in reader.seen}) == 1


async def test_what_nobody_can_do_lies_in_the_dead_letters_with_its_reason_and_the_next_is_unaffected(bus):
    reader = Reader(lambda one: dead("no such thing: " + "x" * 5000) if one.data == b"bad" else DONE)
    graves = Reader()
    async with reading(bus, Topic.REFUND, reader), reading(bus, Topic.DEAD_LETTERS, graves):
        await bus.publisher.publish(Topic.REFUND, b"bad", {"type": "T"})
        await bus.publisher.publish(Topic.REFUND, b"good", {})
        (grave,) = await graves.until(1)
        await reader.until(2)
    assert (grave.data, grave.attributes["type"], grave.attributes["ctpay_worker"]) == (b"bad", "T", "refund")
    assert grave.attributes["ctpay_reason"].startswith("no such thing")
    assert len(grave.attributes["ctpay_reason"]) == 1024
    assert sorted(reader.bodies) == [b"bad", b"good"]


async def test_a_handler_that_fails_gets_the_message_again(bus):
    def fail_once(delivery):
        if delivery.attempt < 2:
            raise RuntimeError("a bug")
        return DONE

    reader = Reader(fail_once)
    async with reading(bus, Topic.CAPTURE, reader):
        await bus.publisher.publish(Topic.CAPTURE, b"1", {})
        await reader.until(2)
    assert [one.attempt for one in reader.seen] == [1, 2]


async def test_a_dead_letter_that_is_not_confirmed_leaves_the_message_where_it_was(bus):
    reader, graves = Reader(lambda _one: dead("no")), Reader()
    bus.refuse_a_dead_letter()
    async with reading(bus, Topic.REFUND, reader), reading(bus, Topic.DEAD_LETTERS, graves):
        await bus.publisher.publish(Topic.REFUND, b"1", {})
        (grave,) = await graves.until(1)
    assert (grave.data, grave.attributes["ctpay_attempts"]) == (b"1", "2")
    assert reader.bodies == [b"1", b"1"]


async def test_what_a_vanished_consumer_held_comes_to_another(bus):
    await bus.publisher.publish(Topic.CAPTURE, b"1", {})
    await bus.take_and_vanish(Topic.CAPTURE)
    reader = Reader()
    async with reading(bus, Topic.CAPTURE, reader):
        (got,) = await reader.until(1)
    assert (got.data, got.attempt) == (b"1", 2)


async def test_drain_finishes_what_is_in_hand_and_it_never_comes_again(bus):
    gate = asyncio.Event()

    async def slow(_delivery):
        await gate.wait()
        return DONE

    reader = Reader(slow)
    subscriber = await bus.subscriber()
    consumption = await subscriber.consume(Topic.CANCEL, reader)
    await bus.publisher.publish(Topic.CANCEL, b"in hand", {})
    await reader.until(1)
    assert consumption.healthy
    draining = asyncio.create_task(consumption.drain())
    await asyncio.sleep(0)
    gate.set()
    await draining
    assert not consumption.healthy
    last = Reader()
    async with reading(bus, Topic.CANCEL, last):
        await bus.publisher.publish(Topic.CANCEL, b"next", {})
        await last.until(1)
    assert last.bodies == [b"next"]


async def test_drain_is_bounded_and_what_is_not_finished_comes_again(bus):
    stuck = Reader(lambda _one: asyncio.Event().wait())
    subscriber = await bus.subscriber(drain_within_s=0.2)
    consumption = await subscriber.consume(Topic.CANCEL, stuck)
    await bus.publisher.publish(Topic.CANCEL, b"stuck", {})
    await stuck.until(1)
    async with asyncio.timeout(8):
        await consumption.drain()
    healed = Reader()
    async with reading(bus, Topic.CANCEL, healed):
        await healed.until(1)
    assert healed.bodies == [b"stuck"]


async def test_what_was_not_begun_before_the_drain_comes_to_another(bus):
    gate = asyncio.Event()

    async def slow(_delivery):
        await gate.wait()
        return DONE

    first, second = Reader(slow), Reader()
    subscriber = await bus.subscriber(in_flight_max=1)
    consumption = await subscriber.consume(Topic.CANCEL, first)
    for number in range(4):
        await bus.publisher.publish(Topic.CANCEL, str(number).encode(), {})
    await first.until(1)
    draining = asyncio.create_task(consumption.drain())
    await eventually(lambda: _is(not consumption.healthy))
    gate.set()
    await draining
    async with reading(bus, Topic.CANCEL, second):
        await second.until(3)
    assert sorted(first.bodies + second.bodies) == [b"0", b"1", b"2", b"3"]
    assert len(first.bodies) == 1


async def test_all_topics_of_a_subscriber_together_run_no_more_handlers_than_allowed(bus):
    running = most = 0

    async def count(_delivery):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return DONE

    one, other = Reader(count), Reader(count)
    subscriber = await bus.subscriber(handlers_max=2)
    first = await subscriber.consume(Topic.CAPTURE, one)
    second = await subscriber.consume(Topic.REFUND, other)
    for number in range(6):
        await bus.publisher.publish(Topic.CAPTURE, str(number).encode(), {})
        await bus.publisher.publish(Topic.REFUND, str(number).encode(), {})
    await one.until(6)
    await other.until(6)
    await asyncio.gather(first.drain(), second.drain())
    assert most == 2


async def test_two_consumers_share_the_work_and_each_message_is_done_once(bus):
    one, two = Reader(), Reader()
    async with reading(bus, Topic.CAPTURE, one), reading(bus, Topic.CAPTURE, two):
        for number in range(20):
            await bus.publisher.publish(Topic.CAPTURE, str(number).encode(), {})
        await eventually(lambda: _is(len(one.seen) + len(two.seen) >= 20), within_s=25)
    assert sorted(int(body) for body in one.bodies + two.bodies) == list(range(20))


async def test_an_instance_gets_its_own_results_alone(bus):
    mine, other = Reader(), Reader()
    subscriber = await bus.subscriber()
    first = await subscriber.consume_replies("instance-1", mine)
    second = await subscriber.consume_replies("instance-2", other)
    await bus.publisher.publish(Topic.RESULTS, b"for 2", {"reply_to": "instance-2"})
    await bus.publisher.publish(Topic.RESULTS, b"for 1", {"reply_to": "instance-1"})
    await mine.until(1)
    await other.until(1)
    assert await bus.has_reply_subscription("instance-1")
    await first.drain()
    assert not await bus.has_reply_subscription("instance-1")
    assert await bus.has_reply_subscription("instance-2")
    await second.drain()
    assert (mine.bodies, other.bodies) == ([b"for 1"], [b"for 2"])


async def test_many_messages_at_once_are_all_handled(bus):
    reader = Reader()
    async with reading(bus, Topic.WEBHOOK, reader):
        async with asyncio.TaskGroup() as group:
            for number in range(200):
                group.create_task(bus.publisher.publish(Topic.WEBHOOK, str(number).encode(), {}))
        await reader.until(200)
    assert {int(body) for body in reader.bodies} == set(range(200))


async def _is(condition):
    return condition
