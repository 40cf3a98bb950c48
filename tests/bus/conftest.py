"""The three buses that the one behaviour suite runs over."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from google.api_core.exceptions import NotFound
from google.cloud import pubsub_v1
from support.pubsub_servers import EmulatorMissingError, emulator_server, stand_in_server

from bus import memory
from bus.memory import MemoryBus, Mishap
from bus.port import DONE, Publisher, PublishError, Subscriber
from bus.provision import ensure
from bus.pubsub import PubsubPublisher, PubsubSubscriber
from bus.pubsub_shelf import PubsubShelf
from bus.shelf import OpenShelf
from bus.topics import POLICIES, Names, Topic
from ctpay.seams import aside

#: Seen on the wire with emulator 0.8.20: the client's nack is sent and answered OK, and nothing comes for 40 seconds.
_WITHHOLDS = "the emulator keeps back for more than a minute what is returned while its stream closes"
_DEAF = "the emulator gives new messages to streams that have closed, and keeps them there for more than half a minute"
#: What Google's emulator does otherwise than the service, by test name.
EMULATOR_GAPS = {
    "test_drain_finishes_what_is_in_hand_and_it_never_comes_again": _DEAF,
    "test_drain_is_bounded_and_what_is_not_finished_comes_again": _WITHHOLDS,
    "test_what_was_not_begun_before_the_drain_comes_to_another": _WITHHOLDS,
}

_number = itertools.count()


def now():
    return datetime.now(UTC)


@dataclass(kw_only=True)
class Bus:
    """One bus under test."""

    name: str
    publisher: Publisher
    #: A further, independent reader of the same subscriptions.
    subscriber: Callable[..., Awaitable[Subscriber]]
    #: Take one message of the topic and go without a word, as a killed process does.
    take_and_vanish: Callable[[Topic], Awaitable[None]]
    #: The next dead letter is not confirmed.
    refuse_a_dead_letter: Callable[[], None]
    has_reply_subscription: Callable[[str], Awaitable[bool]]
    #: The dead letters for people.
    shelf: Callable[[], OpenShelf]


@asynccontextmanager
async def in_memory(monkeypatch):
    # Who vanishes is missed after a second.
    monkeypatch.setattr(
        memory, "POLICIES", {one: replace(policy, ack_deadline_s=1) for one, policy in POLICIES.items()}
    )
    bus = MemoryBus(clock=now)

    async def subscriber(**limits):
        return bus.subscriber(**limits)

    async def take_and_vanish(topic):
        taken = asyncio.Event()

        async def hang(_delivery):
            taken.set()
            await asyncio.Event().wait()
            return DONE

        reader = await bus.consume(topic, hang)
        await taken.wait()
        reader.abandon()

    def refuse_a_dead_letter():
        refusals = iter([Mishap.PUBLISH_FAILS])
        bus.mishaps = lambda topic, _attributes: next(refusals, None) if topic is Topic.DEAD_LETTERS else None

    async def has_reply_subscription(instance):
        return instance in bus.reply_subscriptions

    yield Bus(
        name="memory",
        publisher=bus,
        subscriber=subscriber,
        take_and_vanish=take_and_vanish,
        refuse_a_dead_letter=refuse_a_dead_letter,
        has_reply_subscription=has_reply_subscription,
        shelf=bus.shelf,
    )


class DeadLetters:
    """The way to the dead letters, which can be told to fail."""

    def __init__(self, publisher):
        self._publisher = publisher
        self.refusals = 0

    async def publish(self, topic, data, attributes):
        if self.refusals:
            self.refusals -= 1
            raise PublishError("The test says so.")
        await self._publisher.publish(topic, data, attributes)


@asynccontextmanager
async def over_grpc(name, address, monkeypatch):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", address)
    names = Names(project="suite", prefix=f"t{next(_number)}")
    await asyncio.to_thread(ensure, names)
    publisher = PubsubPublisher(names=names)
    dead_letters = DeadLetters(publisher)
    client = pubsub_v1.SubscriberClient()
    made = []

    async def subscriber(**limits):
        values = {"drain_within_s": 10.0} | limits
        made.append(PubsubSubscriber(names=names, dead_letters=dead_letters, clock=now, aside=aside, **values))
        return made[-1]

    async def take_and_vanish(topic):
        path = names.subscription(topic)
        pulled = await asyncio.to_thread(
            client.pull, request={"subscription": path, "max_messages": 1}, timeout=20, retry=None
        )
        # Its time runs out in a second rather than in thirty.
        ack_ids = [one.ack_id for one in pulled.received_messages]
        assert len(ack_ids) == 1
        request = {"subscription": path, "ack_ids": ack_ids, "ack_deadline_seconds": 1}
        await asyncio.to_thread(client.modify_ack_deadline, request=request, timeout=20)

    def refuse_a_dead_letter():
        dead_letters.refusals = 1

    async def has_reply_subscription(instance):
        path = names.reply_subscription(instance)
        try:
            await asyncio.to_thread(client.get_subscription, request={"subscription": path}, timeout=20)
        except NotFound:
            return False
        return True

    yield Bus(
        name=name,
        publisher=publisher,
        subscriber=subscriber,
        take_and_vanish=take_and_vanish,
        refuse_a_dead_letter=refuse_a_dead_letter,
        has_reply_subscription=has_reply_subscription,
        shelf=lambda: PubsubShelf(names=names, wait_s=0.5),
    )
    for one in made:
        await one.close()
    await publisher.close()
    client.close()


@pytest.fixture(scope="session")
def stand_in():
    with stand_in_server() as address:
        yield address


@pytest.fixture(scope="session")
def emulator():
    """Fresh for this suite: one that has run for long keeps messages back."""
    try:
        with emulator_server() as address:
            yield address
    except EmulatorMissingError as missing:
        pytest.skip(str(missing))


SERVERS = ["stand-in", pytest.param("emulator", marks=pytest.mark.emulator)]


def address_of(request):
    gap = EMULATOR_GAPS.get(request.node.originalname)
    if request.param == "emulator" and gap:
        pytest.skip(f"known gap: {gap}")
    return request.getfixturevalue(request.param.replace("-", "_"))


@pytest.fixture(params=["memory", *SERVERS])
async def bus(request, monkeypatch):
    if request.param == "memory":
        context = in_memory(monkeypatch)
    else:
        context = over_grpc(request.param, address_of(request), monkeypatch)
    async with context as found:
        yield found


@pytest.fixture(params=SERVERS)
def server(request, monkeypatch):
    """The name of a Pub/Sub server to which the official client is pointed."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", address_of(request))
    return request.param
