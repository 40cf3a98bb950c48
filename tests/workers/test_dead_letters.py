"""The worker of the dead letters, on virtual time over the bus in memory: what heals is replayed, the rest is told."""

from __future__ import annotations

import asyncio
import selectors
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs
from support.house import Fault

from bus.letters import read
from bus.memory import Happening, MemoryBus, Mishap
from bus.port import DONE, Cause, Delivery, Ending, Verdict, again, dead
from bus.shelf import ShelfError
from bus.topics import FOR_PEOPLE, LETTERS_KEPT_S, POLICIES, Topic
from ct.errors import UnavailableError
from workers import tally
from workers.dead_letters import count_for_person, dead_letters, keep_counting
from workers.runtime import REACTIONS, handler
from workers.tally import SEEN_WITHIN, Tally
from workers.work import Limits, Work

DAY_S = 24 * 3600
START = datetime(2026, 3, 1, tzinfo=UTC)


class Leaping(selectors.SelectSelector):
    """Instead of waiting, it moves the time on."""

    now = 0.0

    def select(self, timeout=None):
        self.now += timeout or 0
        return super().select(0)


@dataclass
class World:
    """A bus, its dead letters' worker, and a refund worker that answers as the test says."""

    bus: MemoryBus
    answer: object
    #: Seconds at which a refund was tried for the first time since it was published (again).
    tried: list = field(default_factory=list)
    readers: list = field(default_factory=list)
    work: Work = None

    @property
    def now(self):
        return asyncio.get_running_loop().time()

    async def refund(self, delivery):
        if delivery.attempt == 1:
            self.tried.append(self.now)
        return self.answer(delivery)

    async def open(self):
        nobody = None
        self.work = Work(
            ledger=nobody, psp=nobody, publisher=self.bus, clock=self.bus.clock, project_key="p", limits=Limits()
        )
        topic, handle = handler("dead-letters", self.work)
        self.readers = [
            await self.bus.consume(Topic.REFUND, self.refund),
            await self.bus.subscriber().consume(topic, handle),
        ]

    @property
    def waiting(self):
        """What the metric and readiness tell of those that wait."""
        return self.work.letters.waiting(self.bus.clock())

    @property
    def lying(self):
        """How many letters really lie there for the machine."""
        found = [one.happening for one in self.bus.log if one.topic is Topic.DEAD_LETTERS]
        return found.count(Happening.PUBLISHED) - found.count(Happening.ACKED)

    async def letters(self):
        async with self.bus.shelf() as shelf:
            return [read(one) for one in await shelf.take()]


def virtually(story, answer):
    """Run the story in a world whose time costs nothing."""
    leaping = Leaping()
    loop = asyncio.SelectorEventLoop(leaping)
    loop.time = lambda: leaping.now

    async def run():
        world = World(MemoryBus(clock=lambda: START + timedelta(seconds=leaping.now)), answer)
        await world.open()
        with capture_logs() as lines:
            await story(world)
        await asyncio.gather(*(reader.drain() for reader in world.readers))
        return world, lines

    try:
        return loop.run_until_complete(run())
    finally:
        for left in asyncio.all_tasks(loop):
            left.cancel()
        loop.close()


async def one_refund(world):
    await world.bus.publish(Topic.REFUND, b"the bytes", {"type": "RefundPayment", "correlation_id": "c"})


def letter(message_id, **named):
    """A delivery of a refund's letter that has just died of an outage, unless it is said otherwise."""
    attributes = {"ctpay_worker": "refund", "ctpay_cause": "outage", "ctpay_dead_at": START.isoformat()} | named
    return Delivery(message_id=message_id, data=b"", attributes=attributes, published_at=START, attempt=0)


def healed_after(hours, cause=Cause.OUTAGE):
    """A refund that nobody can do, dead at once, until so many hours have passed."""

    def answer(_delivery):
        is_over = asyncio.get_running_loop().time() >= hours * 3600
        return DONE if is_over else dead("not there", cause)

    return answer


@pytest.mark.parametrize("cause", [Cause.OUTAGE, Cause.MISSING_PAYMENT, Cause.FAULT])
def test_what_heals_is_replayed_ever_more_seldom_until_it_is_done(cause):
    async def story(world):
        await one_refund(world)
        await asyncio.sleep(3 * DAY_S)
        assert await world.letters() == []

    world, lines = virtually(story, healed_after(24, cause))
    pauses = [(later - earlier) / 60 for earlier, later in zip(world.tried, world.tried[1:], strict=False)]
    # The worker looks at a letter every ten minutes, so it may be late by as much.
    for count, pause in enumerate(pauses):
        assert min(2**count, 240) <= pause <= min(2**count, 240) + 10
    assert world.tried[-1] < 29 * 3600
    assert [line["attempts"] for line in lines if line["event"] == "dead_letter.replayed"] == [
        *range(1, len(pauses) + 1)
    ]
    done = [one for one in world.bus.log if one.happening is Happening.ACKED and one.topic is Topic.REFUND]
    assert (done[-1].data, done[-1].attributes["correlation_id"]) == (b"the bytes", "c")


def test_an_outage_that_outlasts_the_attempts_heals_too_and_the_letter_knows_its_reason():
    def answer(_delivery):
        return DONE if asyncio.get_running_loop().time() >= 12 * 3600 else again("down", error="UnavailableError")

    async def story(world):
        await one_refund(world)
        await asyncio.sleep(DAY_S)

    world, _ = virtually(story, answer)
    buried = [one for one in world.bus.log if one.topic is Topic.DEAD_LETTERS and one.happening is Happening.PUBLISHED]
    assert len(buried) >= 2
    for one in buried:
        assert one.attributes["ctpay_reason"] == "down"
        assert one.attributes["ctpay_error"] == "UnavailableError"
        assert one.attributes["ctpay_attempts"] == str(POLICIES[Topic.REFUND].attempts)
    assert world.bus.log[-1].happening is Happening.ACKED


def test_what_does_not_heal_is_a_persons_when_31_days_have_passed_since_its_first_death():
    async def story(world):
        await one_refund(world)
        await asyncio.sleep(LETTERS_KEPT_S - 5 * 3600)
        assert await world.letters() == []
        await asyncio.sleep(10 * 3600)
        (letter,) = await world.letters()
        assert (letter.cause, letter.reason, letter.data) == (Cause.GIVEN_UP, "not there", b"the bytes")
        assert letter.first_dead_at == START
        assert letter.replays > 31 * 24 / 5

    world, lines = virtually(story, healed_after(10**6))
    assert world.work.letters.for_person() == {("refund", Cause.GIVEN_UP): 1}
    (told,) = [line for line in lines if line["event"] == "dead_letter.for_a_person"]
    assert (told["worker"], told["cause"], told["correlation_id"]) == ("refund", "given-up", "c")


@pytest.mark.parametrize("cause", [Cause.POISON, Cause.REFUSED])
def test_poison_and_refusals_stay_where_a_person_finds_them_and_each_is_told_once(cause):
    async def story(world):
        await one_refund(world)
        await one_refund(world)
        await asyncio.sleep(30 * DAY_S)
        assert [letter.cause for letter in await world.letters()] == [cause, cause]

    world, lines = virtually(story, lambda _delivery: dead("no", cause))
    assert len(world.tried) == 2
    assert world.work.letters.for_person() == {("refund", cause): 2}
    told = [line for line in lines if line["event"] == "dead_letter.for_a_person"]
    assert [(line["count"], line["reason"], line["log_level"]) for line in told] == [
        (1, "no", "warning"),
        (2, "no", "warning"),
    ]


def test_what_kills_its_readers_goes_to_a_person_in_the_end():
    async def story(world):
        moved = {"CloudPubSubDeadLetterSourceSubscription": "refund", "CloudPubSubDeadLetterSourceDeliveryCount": "100"}

        async def kill(delivery):
            world.tried.append(world.now)
            await world.bus.publish(Topic.DEAD_LETTERS, delivery.data, {**delivery.attributes, **moved})
            return DONE

        world.refund = kill
        await world.readers[0].drain()
        world.readers[0] = await world.bus.consume(Topic.REFUND, kill)
        await one_refund(world)
        await asyncio.sleep(5 * DAY_S)
        (letter,) = await world.letters()
        assert (letter.cause, letter.reason, letter.attempts) == (Cause.GIVEN_UP, "its readers died or hung", 100)

    world, _ = virtually(story, None)
    assert len(world.tried) == 11


@pytest.mark.parametrize("mishap", [Mishap.PUBLISH_FAILS, Mishap.REPLY_LOST])
def test_a_letter_is_acknowledged_only_after_its_replay_is_confirmed(mishap):
    asked = []

    def mishaps(topic, attributes):
        if topic is not Topic.REFUND or attributes.get("ctpay_replays") != "1":
            return None
        asked.append(topic)
        return mishap if len(asked) == 1 else None

    async def story(world):
        world.bus.mishaps = mishaps
        await one_refund(world)
        await asyncio.sleep(DAY_S)

    world, _ = virtually(story, healed_after(0.01))
    # Not confirmed and yet there: then it comes twice, which is harmless.
    assert len(world.tried) == (2 if mishap is Mishap.PUBLISH_FAILS else 3)
    letters = [one for one in world.bus.log if one.topic is Topic.DEAD_LETTERS]
    assert [one.happening for one in letters].count(Happening.ACKED) == 1


def test_at_every_moment_as_many_letters_are_told_to_wait_as_do():
    kind = ("refund", Cause.OUTAGE)

    async def story(world):
        told = []
        for minute in range(30 * 60):
            if minute in {5, 100}:
                await one_refund(world)
            await asyncio.sleep(60)
            told.append(world.waiting)
            assert told[-1] == ({kind: world.lying} if world.lying else {})
        assert {one.get(kind, 0) for one in told} == {0, 1, 2}
        assert told[-1] == {}

    world, _ = virtually(story, healed_after(24))
    assert world.work.letters.for_person() == {}


def test_a_letter_that_is_handed_over_is_a_persons_and_waits_no_more():
    async def story(world):
        await one_refund(world)
        await asyncio.sleep(LETTERS_KEPT_S - 5 * 3600)
        told = []
        for _ in range(10 * 60):
            await asyncio.sleep(60)
            told.append((world.waiting, dict(world.work.letters.for_person())))
        before, after = ({("refund", Cause.OUTAGE): 1}, {}), ({}, {("refund", Cause.GIVEN_UP): 1})
        # Never as both, and never as neither.
        assert told == [before] * told.count(before) + [after] * told.count(after)
        assert before in told
        assert after in told

    virtually(story, healed_after(10**6))


def test_a_letter_whose_replay_cannot_be_published_waits_until_it_can():
    async def story(world):
        def mishaps(topic, attributes):
            is_replay = topic is Topic.REFUND and "ctpay_replays" in attributes
            return Mishap.PUBLISH_FAILS if is_replay and world.now < 12 * 3600 else None

        world.bus.mishaps = mishaps
        await one_refund(world)
        for _ in range(11):
            await asyncio.sleep(3600)
            assert world.waiting == {("refund", Cause.OUTAGE): 1}
        await asyncio.sleep(2 * 3600)
        assert world.waiting == {}

    world, _ = virtually(story, healed_after(0.01))
    assert len(world.tried) == 2


def test_of_two_processes_one_at_least_tells_of_a_letter_and_neither_for_long_once_it_is_gone():
    async def story(world):
        twin = replace(world.work, letters=Tally())
        hands = [handler("dead-letters", one)[1] for one in (world.work, twin)]
        seen = []

        async def in_turn(delivery):
            seen.append(delivery.message_id)
            return await hands[len(seen) % 2](delivery)

        await world.readers.pop().drain()
        world.readers.append(await world.bus.consume(Topic.DEAD_LETTERS, in_turn))
        await one_refund(world)
        gone_at = None
        for _ in range(30 * 60):
            await asyncio.sleep(60)
            told = [world.waiting, twin.letters.waiting(world.bus.clock())]
            if world.lying:
                assert any(told)
            else:
                gone_at = gone_at or world.now
                assert told == [{}, {}] or world.now - gone_at <= SEEN_WITHIN.total_seconds()
        assert told == [{}, {}]

    virtually(story, healed_after(24))


def test_of_too_many_letters_that_wait_those_that_came_last_are_told_of(monkeypatch):
    monkeypatch.setattr(tally, "_REMEMBERED_MAX", 2)
    known = Tally()
    for id_, origin in (("1", "refund"), ("2", "capture"), ("1", "refund"), ("3", "webhook")):
        known.see_waiting(read(letter(id_, ctpay_worker=origin)), START)
    assert known.waiting(START) == {("refund", Cause.OUTAGE): 1, ("webhook", Cause.OUTAGE): 1}


def test_a_letter_from_nowhere_waits_under_a_name_that_nobody_made_up():
    known = Tally()
    known.see_waiting(read(letter("1", ctpay_worker="canary", ctpay_cause="canary")), START)
    assert known.waiting(START) == {("unknown", Cause.UNTOLD): 1}


def test_a_letter_that_has_not_come_for_longer_than_the_backoff_is_told_of_no_more():
    known = Tally()
    known.see_waiting(read(letter("1")), START)
    assert known.waiting(START + SEEN_WITHIN) == {("refund", Cause.OUTAGE): 1}
    assert known.waiting(START + SEEN_WITHIN + timedelta(seconds=1)) == {}


async def test_a_letter_that_is_not_due_is_given_back_with_the_time_at_which_it_is():
    work = Work(ledger=None, psp=None, publisher=None, clock=lambda: START, project_key="p", limits=Limits())
    assert await dead_letters(work, letter("l")) == Ending(
        verdict=Verdict.AGAIN, reason="replays by itself at 2026-03-01T00:01:00+00:00", cause=Cause.OUTAGE
    )


#: What becomes of each error, and whose its dead letter is, said a second time: not taken from the table itself.
WHOSE = {
    (Verdict.DEAD, Cause.POISON): {
        "MalformedMessageError",
        "UnreadableMessageError",
        "UnreadablePaymentError",
        "UnknownVocabularyError",
    },
    (Verdict.DEAD, Cause.REFUSED): {"UnsupportedError", "RefusedError", "InvalidRequestError", "DuplicateError"},
    (Verdict.DEAD, Cause.MISSING_PAYMENT): {"NotFoundError"},
    (Verdict.DEAD, Cause.FAULT): {"NewerMessageError"},
    (Verdict.AGAIN, Cause.OUTAGE): {
        "RetryableError",
        "OutcomeUnknownError",
        "ConflictError",
        "UnavailableError",
        "ForbiddenError",
        "PublishError",
        "TimeoutError",
    },
}


def test_a_worker_that_starts_anew_counts_what_lies_there_already_and_nothing_twice_and_leaves_it_there():
    async def story(world):
        await one_refund(world)
        await asyncio.sleep(DAY_S)
        fresh = replace(world.work, letters=Tally())
        await count_for_person(fresh, world.bus.shelf)
        assert fresh.letters.for_person() == {("refund", Cause.REFUSED): 1}
        await count_for_person(fresh, world.bus.shelf)
        await count_for_person(world.work, world.bus.shelf)
        assert fresh.letters.for_person() == world.work.letters.for_person() == {("refund", Cause.REFUSED): 1}
        assert len(await world.letters()) == 1

    virtually(story, lambda _delivery: dead("no", Cause.REFUSED))


def test_letters_that_cannot_be_had_at_the_start_are_counted_when_they_can():
    async def story(world):
        await one_refund(world)
        await asyncio.sleep(DAY_S)
        fresh, away = replace(world.work, letters=Tally()), [True, True]

        @asynccontextmanager
        async def shelf():
            if away:
                away.pop()
                raise ShelfError("Pub/Sub is away.")
            async with world.bus.shelf() as found:
                yield found

        await count_for_person(fresh, shelf)
        assert fresh.letters.for_person() == {("refund", Cause.REFUSED): 1}

    _, lines = virtually(story, lambda _delivery: dead("no", Cause.REFUSED))
    assert [line["event"] for line in lines].count("dead_letters.not_counted") == 2


@asynccontextmanager
async def counting(world):
    """A worker that has started anew and counts for good."""
    fresh = replace(world.work, letters=Tally())
    task = asyncio.create_task(keep_counting(fresh, world.bus.shelf))
    try:
        yield fresh
    finally:
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()


def test_letters_that_somebody_who_is_killed_had_in_hand_at_the_start_are_counted_a_minute_later():
    async def story(world):
        await one_refund(world)
        await asyncio.sleep(DAY_S)
        async with AsyncExitStack() as somebody_else:
            await (await somebody_else.enter_async_context(world.bus.shelf())).take()
            async with counting(world) as fresh:
                await asyncio.sleep(FOR_PEOPLE.ack_deadline_s)
                assert fresh.letters.for_person() == {}
                await somebody_else.aclose()
                await asyncio.sleep(11)
                assert fresh.letters.for_person() == {("refund", Cause.REFUSED): 1}

    virtually(story, lambda _delivery: dead("no", Cause.REFUSED))


def test_letters_that_a_person_has_in_hand_for_longer_are_counted_by_a_later_look_and_once_however_many_there_are():
    async def story(world):
        await one_refund(world)
        await asyncio.sleep(DAY_S)
        async with counting(world) as fresh:
            async with world.bus.shelf() as persons:
                await persons.take()
                await one_refund(world)
                await asyncio.sleep(600)
            await asyncio.sleep(DAY_S)
            assert fresh.letters.for_person() == {("refund", Cause.REFUSED): 2}
            # Between two looks whoever else looks finds all of them.
            assert len(await world.letters()) == 2

    virtually(story, lambda _delivery: dead("no", Cause.REFUSED))


def test_of_too_many_letters_for_a_person_none_is_counted_again_by_the_next_look(monkeypatch):
    monkeypatch.setattr(tally, "_REMEMBERED_MAX", 2)
    known = Tally()
    for id_ in "123123":
        known.count_for_person(read(letter(id_, ctpay_for="person")))
    assert known.for_person() == {("refund", Cause.OUTAGE): 2}


def test_every_error_has_its_cause():
    found = {}
    for kind, react, cause in REACTIONS:
        ending = react("x", cause)
        found.setdefault((ending.verdict, ending.cause), set()).add(kind.__name__)
    assert found == WHOSE


async def test_what_an_error_leads_to_bears_its_name_and_its_cause(house):
    command = house.pay(await house.cart())
    house.fault(Fault(error=UnavailableError("down")))
    ending = await house.deliver(command)
    assert (ending.verdict, ending.cause, ending.error) == (Verdict.AGAIN, Cause.OUTAGE, "UnavailableError")


def test_letters_are_looked_at_often_enough_and_a_person_gets_them_back_at_once():
    assert POLICIES[Topic.DEAD_LETTERS].backoff_s_max <= 600
    assert POLICIES[Topic.DEAD_LETTERS].backoff_s_max < SEEN_WITHIN.total_seconds() <= 1000
    assert FOR_PEOPLE.backoff_s_max == 0
    assert all(policy.attempts is None or policy.attempts < policy.attempts_max for policy in POLICIES.values())
