"""Poison on every topic, through the real workers: it lies in the dead letters with a reason, and the next is served.

How long the next one waits is counted on virtual time, where no machine is slow; over the real buses it is that it comes.
"""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

import pytest
from google.cloud import pubsub_v1
from google.pubsub_v1 import PublisherClient as GeneratedClient
from rich.console import Console
from support.house import open_house
from support.polling import eventually
from support.virtual_time import virtually

from bus.attributes import theirs_of
from bus.letters import FOR, PERSON, read
from bus.memory import Happening, MemoryBus, Mishap
from bus.messages import (
    CancelPayment,
    CapturePayment,
    DeletePaymentMethod,
    OperationResult,
    RefundPayment,
    attributes,
    encode,
)
from bus.port import DONE, Cause, Verdict
from bus.provision import ensure
from bus.pubsub import PubsubPublisher, PubsubSubscriber
from bus.pubsub_shelf import PubsubShelf
from bus.topics import Names, Topic
from ctpay.letter_filter import Wanted
from ctpay.letters import Desk
from ctpay.seams import aside
from handlers.replies import Replies
from psp.money import Money
from psp.outcome import Outcome, Standing
from workers.runtime import handler

INSTANCE = "instance-1"
MEGABYTES_9 = 9_000_000
PATIENCE_S = 40


def now():
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Good:
    """A message that its topic's reader is fine with."""

    data: bytes
    attributes: dict

    @classmethod
    def of(cls, message):
        return cls(data=encode(message), attributes=attributes(message))

    def but(self, **more):
        """The same with other fields."""
        return json.dumps(json.loads(self.data) | more).encode()


NOTICE = {
    "notificationType": "ResourceCreated",
    "projectKey": "demo",
    "resource": {"typeId": "subscription", "id": "s"},
    "surprise": {"nobody": "knows"},
}
LETTER = {"ctpay_worker": "refund", "ctpay_for": "person"}


def result(_house):
    standing = Standing(outcome=Outcome.NOT_FOUND)
    return OperationResult(correlation_id="c", command_id="o", reply_to=INSTANCE, standing=standing)


def ask(kind, **more):
    return lambda house: house.ask(kind, "no-such-payment", **more)


def forget(house):
    common = {"command_id": "o", "correlation_id": "c", "accepted_at": house.clock()}
    return DeletePaymentMethod(method_id="no-such-method", customer_id="nobody", **common)


#: Topic -> a message of ours that it is for.
OURS = {
    Topic.AUTHORIZE: lambda house: house.pay("no-such-cart"),
    Topic.CAPTURE: ask(CapturePayment, amount=Money(amount=1, currency="EUR")),
    Topic.CANCEL: ask(CancelPayment),
    Topic.REFUND: ask(RefundPayment, amount=Money(amount=1, currency="EUR")),
    Topic.METHODS: forget,
    Topic.WEBHOOK: lambda house: house.events()[0],
    Topic.RESULTS: result,
}


async def good_for(topic, house):
    if topic is Topic.WEBHOOK:
        await house.authorized()
    if topic in OURS:
        return Good.of(OURS[topic](house))
    if topic is Topic.COMMERCETOOLS:
        return Good(data=json.dumps(NOTICE).encode(), attributes={})
    assert topic is Topic.DEAD_LETTERS, f"a new topic, {topic}: give it a message in OURS"
    return replace(Good.of(OURS[Topic.REFUND](house)), attributes=LETTER)


#: What no reader of any topic can read.
POISON_FOR_ALL = {
    "nothing": lambda _good: b"",
    "words": lambda _good: b"not json",
    "no text": lambda _good: b"\xff\xfe\x00\xed\xa0\x80",
    "null": lambda _good: b"null",
    "a number": lambda _good: b"1",
    "an empty object": lambda _good: b"{}",
    "deep lists": lambda _good: b"[" * 200_000,
    "deep objects": lambda _good: b'{"type":' * 100_000,
    "half a surrogate pair": lambda good: good.but(id="x", correlation_id="y").replace(b'"y"', b'"\\ud800"'),
    "9 MB": lambda _good: b"x" * MEGABYTES_9,
    "9 MB of an object": lambda _good: b'{"type":"' + b"x" * MEGABYTES_9 + b'"}',
}
#: Of commercetools' notifications nobody promises a version, and what they have beyond the documented is no poison.
POISON_FOR_OURS = {
    "a version before the first": lambda good: good.but(version=0),
    "no version of ours": lambda good: good.but(version="1"),
    "an unknown field": lambda good: good.but(surprise=1),
    "an unknown type": lambda good: good.but(type="Surprise"),
    "9 MB in a field": lambda good: good.but(correlation_id="x" * MEGABYTES_9),
    # It would become a header.
    "an id of two lines": lambda good: good.but(correlation_id="a\nb"),
    "an id that nobody sees": lambda good: good.but(correlation_id="\x7f"),
}
POISON_FOR_COMMERCETOOLS = {
    "an id of two lines": lambda good: good.but(id="a\nb"),
    "an id that is no text": lambda good: good.but(id=["a"]),
}
#: What a command is about, which becomes part of an address in commercetools.
ABOUT = {
    Topic.AUTHORIZE: "cart_id",
    Topic.CAPTURE: "payment_id",
    Topic.CANCEL: "payment_id",
    Topic.REFUND: "payment_id",
    Topic.METHODS: "method_id",
}


def poison_for_commands(name):
    return {f"{name} {value!r}": lambda good, value=value: good.but(**{name: value}) for value in (".", "..", "a/b")}


def poisons_of(topic):
    if topic is Topic.COMMERCETOOLS:
        return POISON_FOR_ALL | POISON_FOR_COMMERCETOOLS
    about = poison_for_commands(ABOUT[topic]) if topic in ABOUT else {}
    return POISON_FOR_ALL | POISON_FOR_OURS | about


CASES = [
    pytest.param(topic, name, id=f"{topic}-{name}")
    for topic in Topic
    if topic is not Topic.DEAD_LETTERS
    for name in poisons_of(topic)
]


def address_on(topic):
    """Attributes with which even poison reaches the topic's reader."""
    # Pub/Sub takes nothing that has neither bytes nor attributes.
    return {"from": "nobody"} | ({"reply_to": INSTANCE} if topic is Topic.RESULTS else {})


async def served(bus, topic, names):
    """The letters that the poisons became, by their bytes' order, and how the good message after them ended."""
    endings, handled = asyncio.Queue(), []
    async with open_house() as house:
        good = await good_for(topic, house)
        worker = Replies(instance=INSTANCE).handle
        if topic is not Topic.RESULTS:
            # Dead letters hand over to the bus; the other workers' replies go nowhere.
            publisher = bus.publisher if topic is Topic.DEAD_LETTERS else house.queue
            _, worker = handler(topic.value, replace(house.work, publisher=publisher))

        async def watched(delivery):
            ending = await worker(delivery)
            handled.append(delivery.data)
            if delivery.data == good.data:
                endings.put_nowait(ending)
            return ending

        subscriber = await bus.subscriber()
        reading = (
            await subscriber.consume_replies(INSTANCE, watched)
            if topic is Topic.RESULTS
            else await subscriber.consume(topic, watched)
        )
        poisons = [poisons_of(topic)[name](good) for name in names]
        address = address_on(topic)
        for poison in poisons:
            await bus.publisher.publish(topic, poison, address)
        await bus.publisher.publish(topic, good.data, good.attributes)
        async with asyncio.timeout(PATIENCE_S):
            ending = await endings.get()
        await eventually(lambda: _is(not {*poisons} - {*handled}), within_s=PATIENCE_S)
        # Now they are buried too. A shelf that is opened earlier asks in vain at first, and Google's emulator may give
        # what comes to a question whose answer nobody waits for any more.
        await reading.drain()
        letters = []
        async with asyncio.timeout(PATIENCE_S), bus.shelf() as shelf:
            while {*poisons} - {one.data for one in letters}:
                letters += map(read, await shelf.take())
    return [next(one for one in letters if one.data == poison) for poison in poisons], ending


def assert_buried(topic, letters, ending):
    assert ending.verdict in {Verdict.DONE, Verdict.IGNORED}
    for letter in letters:
        assert letter.is_for_person
        assert (letter.cause, letter.origin) == (Cause.POISON, topic)
        # The first was the last; 0 where Pub/Sub does not count.
        assert letter.attempts <= 1
        assert letter.reason
        assert letter.first_dead_at == letter.dead_at


@pytest.mark.parametrize(("topic", "name"), CASES)
@pytest.mark.parametrize("bus", ["memory"], indirect=True)
async def test_poison_lies_in_the_dead_letters_with_a_reason_and_the_next_message_is_served(bus, topic, name):
    assert_buried(topic, *await served(bus, topic, [name]))


@pytest.mark.parametrize("topic", [one for one in Topic if one is not Topic.DEAD_LETTERS])
@pytest.mark.parametrize("bus", ["stand-in"], indirect=True)
async def test_all_poison_at_once_lies_in_the_dead_letters_and_the_next_message_is_served(bus, topic):
    assert_buried(topic, *await served(bus, topic, poisons_of(topic)))


@pytest.mark.emulator
@pytest.mark.parametrize("topic", [Topic.CAPTURE, Topic.COMMERCETOOLS])
@pytest.mark.parametrize("bus", ["emulator"], indirect=True)
async def test_over_googles_emulator_too(bus, topic):
    assert_buried(topic, *await served(bus, topic, poisons_of(topic)))


@pytest.mark.parametrize("bus", ["memory", "stand-in"], indirect=True)
async def test_all_poison_that_somebody_throws_into_the_dead_letters_themselves_waits_for_a_person(bus):
    letters, ending = await served(bus, Topic.DEAD_LETTERS, poisons_of(Topic.DEAD_LETTERS))
    assert len(letters) == len(poisons_of(Topic.DEAD_LETTERS))
    assert ending.verdict is Verdict.IGNORED
    assert {(one.cause, one.origin, one.reason, one.is_for_person) for one in letters} == {
        (Cause.POISON, None, "nobody knows its topic", True)
    }


#: What the official client's `publish` takes for arguments of its own: of a stranger's message they are attributes.
ARGUMENTS = ("self", "topic", "data", "ordering_key", "retry", "timeout")


def as_a_stranger(names, topic, attributes):
    """Poison with any attributes at all."""
    with pubsub_v1.PublisherClient() as client:
        message = {"data": b"poison", "attributes": attributes}
        GeneratedClient.publish(client, request={"topic": names.topic(topic), "messages": [message]})


@pytest.mark.parametrize("topic", [Topic.REFUND, Topic.RESULTS])
async def test_poison_with_any_attributes_goes_to_a_person_is_replayed_and_dies_again_as_it_was(server, topic):
    names = Names(project="p", prefix=f"words-{topic}")
    await asyncio.to_thread(ensure, names)
    address = address_on(topic)
    strange = [address | words for words in ({name: "1"} for name in ARGUMENTS)]
    strange.append(address | dict.fromkeys(ARGUMENTS, "2"))
    strange.append(address | {f"one of a hundred, {number:02}": "3" for number in range(100 - len(address))})
    got, counted = [], []
    # One place: whoever loses it publishes nothing any more.
    publisher = PubsubPublisher(names=names, in_flight_max=1)
    subscriber = PubsubSubscriber(names=names, dead_letters=publisher, clock=now, aside=aside, drain_within_s=5)
    async with open_house() as house:
        work = replace(house.work, publisher=publisher, clock=now)
        worker = Replies(instance=INSTANCE).handle if topic is Topic.RESULTS else handler(topic.value, work)[1]
        _, gravedigger = handler("dead-letters", work)

        async def watched(delivery):
            got.append(theirs_of(delivery.attributes))
            return await worker(delivery)

        async def counting(delivery):
            counted.append(await gravedigger(delivery))
            return counted[-1]

        readings = [
            await subscriber.consume_replies(INSTANCE, watched)
            if topic is Topic.RESULTS
            else await subscriber.consume(topic, watched),
            await subscriber.consume(Topic.DEAD_LETTERS, counting),
        ]
        for attributes in strange:
            await asyncio.to_thread(as_a_stranger, names, topic, attributes)
        await eventually(lambda: _is(len(counted) == len(strange)), within_s=PATIENCE_S)
        assert {one.reason for one in counted} == {"for a person"}
        assert [one for one in strange if one not in got] == []
        said = io.StringIO()
        desk = Desk(
            open_shelf=partial(PubsubShelf, names=names, wait_s=1),
            publisher=publisher,
            clock=now,
            mask=str,
            console=Console(file=said),
            as_json=True,
            count_max=100,
        )
        got.clear()
        assert await desk.show(Wanted()) == 0
        shown = [json.loads(line)["attributes"] for line in said.getvalue().splitlines()]
        assert [one for one in strange if one not in shown] == []
        assert await desk.replay(Wanted(), per_s=100) == 0
        await eventually(lambda: _is(len(counted) == 2 * len(strange)), within_s=PATIENCE_S)
        assert [one for one in strange if one not in got] == []
        # The place is whole.
        await publisher.publish(topic, b"next", address)
        await asyncio.gather(*(reading.drain() for reading in readings))
    await subscriber.close()
    await publisher.close()


#: Whose messages have a version and are needed: of results whoever waits asks again.
NEWER = [one for one in Topic if one not in {Topic.COMMERCETOOLS, Topic.DEAD_LETTERS, Topic.RESULTS}]


@pytest.mark.parametrize("topic", NEWER)
@pytest.mark.parametrize("bus", ["memory", "stand-in"], indirect=True)
async def test_a_newer_version_is_dead_with_a_reason_replays_by_itself_and_the_next_message_is_served(bus, topic):
    handled, letters = asyncio.Queue(), asyncio.Queue()

    async def kept(delivery):
        letters.put_nowait(read(delivery))
        return DONE

    async with open_house() as house:
        good = await good_for(topic, house)
        _, worker = handler(topic.value, replace(house.work, publisher=house.queue))

        async def watched(delivery):
            ending = await worker(delivery)
            handled.put_nowait((delivery.data, ending.verdict))
            return ending

        subscriber = await bus.subscriber()
        burying = await subscriber.consume(Topic.DEAD_LETTERS, kept)
        reading = await subscriber.consume(topic, watched)
        newer = good.but(version=2, novelty=True)
        await bus.publisher.publish(topic, newer, address_on(topic))
        await bus.publisher.publish(topic, good.data, good.attributes)
        async with asyncio.timeout(PATIENCE_S):
            verdicts = dict([await handled.get() for _ in range(2)])
            letter = await letters.get()
        await asyncio.gather(reading.drain(), burying.drain())
    assert verdicts[newer] is Verdict.DEAD
    assert verdicts[good.data] in {Verdict.DONE, Verdict.IGNORED}
    assert (letter.data, letter.cause, letter.origin, letter.is_for_person) == (newer, Cause.FAULT, topic, False)
    assert "version 2" in letter.reason


#: Virtual seconds that each delivery is in hand, whatever it brings. Backoffs, which poison must cost nobody else, are
#: longer: the shortest is a quarter of a second.
TAKES_S = 0.1
#: More than there is poison.
MANY_HANDS = 64
#: Virtual seconds in which poison that had to come again has done so.
AT_REST_S = 1_000
#: Of sums of tenths.
ROUNDING_S = 1e-6


async def moved_out(topic):
    """A good message, and real workers' means that need no wire for it: a wire knows no virtual time."""
    async with open_house() as house:
        return await good_for(topic, house), house.work


async def behind_poison(clock, topic, *, good, means, hands, refusals):
    """Virtual seconds from the publish of a good message behind all poison to its end; how it ended; the bus at rest."""
    loop = asyncio.get_running_loop()
    refused = iter(range(refusals))

    def at_first_refuse_letters(on, attributes):
        is_letter = on is Topic.DEAD_LETTERS and attributes.get(FOR) == PERSON
        return Mishap.PUBLISH_FAILS if is_letter and next(refused, None) is not None else None

    bus, ended = MemoryBus(clock=clock), loop.create_future()
    worker = Replies(instance=INSTANCE).handle
    if topic is not Topic.RESULTS:
        publisher = bus if topic is Topic.DEAD_LETTERS else means.publisher
        _, worker = handler(topic.value, replace(means, publisher=publisher, clock=clock))

    async def watched(delivery):
        await asyncio.sleep(TAKES_S)
        ending = await worker(delivery)
        if delivery.data == good.data:
            ended.set_result((loop.time(), ending))
        return ending

    subscriber = bus.subscriber(handlers_max=hands)
    if topic is Topic.RESULTS:
        await subscriber.consume_replies(INSTANCE, watched)
    else:
        await subscriber.consume(topic, watched)
    for make in poisons_of(topic).values():
        await bus.publish(topic, make(good), address_on(topic))
    published_at = loop.time()
    await bus.publish(topic, good.data, good.attributes)
    bus.mishaps = at_first_refuse_letters
    ended_at, ending = await ended
    # What comes again does so within the longest backoff of the table.
    await eventually(lambda: _is(bus.idle), within_s=AT_REST_S, every_s=1)
    return ended_at - published_at, ending, bus


@pytest.mark.parametrize("is_refused", [False, True], ids=["letters taken", "letters refused at first"])
@pytest.mark.parametrize("hands", [1, MANY_HANDS])
@pytest.mark.parametrize("topic", Topic)
def test_poison_costs_the_message_behind_it_one_delivery_for_each_hand_and_no_backoff(topic, hands, is_refused):
    good, means = asyncio.run(moved_out(topic))
    names = {make(good): name for name, make in poisons_of(topic).items()}
    refusals = len(names) if is_refused else 0
    story = partial(behind_poison, topic=topic, good=good, means=means, hands=hands, refusals=refusals)

    waited_s, ending, bus = virtually(story)

    # A hand holds poison as long as anything else: of what is ahead, each hand takes its share first.
    shares = len(names) // hands + 1
    assert waited_s <= shares * TAKES_S + ROUNDING_S
    assert ending.verdict in {Verdict.DONE, Verdict.IGNORED}
    buried = [names[one.data] for one in bus.for_people if one.data != good.data]
    assert sorted(buried) == sorted(names.values())
    # Where letters were refused, the poison did come again: its backoff was its own.
    assert any(one.happening is Happening.RETURNED for one in bus.log) is is_refused


async def _is(condition):
    return condition
