"""The three buses that the one behaviour suite runs over."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from support.pubsub_servers import emulator_server, stand_in_server

from bus.memory import MemoryBus
from bus.port import Publisher, Subscriber
from bus.provision import ensure
from bus.pubsub import PubsubPublisher, PubsubSubscriber
from bus.topics import Names

#: What Google's emulator is known to do otherwise than the service, by test name.
_WITHHOLDS = "known gap: the emulator withholds messages for more than a minute after a client was cancelled"
EMULATOR_GAPS = {
    "test_drain_finishes_what_is_in_hand_and_it_never_comes_again": _WITHHOLDS,
    "test_drain_is_bounded_and_what_is_not_finished_comes_again": _WITHHOLDS,
}

_number = itertools.count()


def now():
    return datetime.now(UTC)


@dataclass(kw_only=True)
class Bus:
    """One bus under test; `subscriber()` gives a further, independent reader of the same subscriptions."""

    name: str
    publisher: Publisher
    make_subscriber: object

    async def subscriber(self, **more) -> Subscriber:
        return await self.make_subscriber(**more)


@asynccontextmanager
async def memory():
    bus = MemoryBus(clock=now)

    async def subscriber(drain_within_s=20.0):
        bus.drain_within_s = drain_within_s
        return bus

    yield Bus(name="memory", publisher=bus, make_subscriber=subscriber)


@asynccontextmanager
async def pubsub(name, address, monkeypatch):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", address)
    names = Names(project="suite", prefix=f"t{next(_number)}")
    await asyncio.to_thread(ensure, names)
    publisher = PubsubPublisher(names=names)
    made = []

    async def subscriber(**more):
        values = {"drain_within_s": 10.0} | more
        made.append(PubsubSubscriber(names=names, dead_letters=publisher, clock=now, **values))
        return made[-1]

    yield Bus(name=name, publisher=publisher, make_subscriber=subscriber)
    for one in made:
        await one.close()
    await publisher.close()


@pytest.fixture(scope="session")
def stand_in():
    with stand_in_server() as address:
        yield address


@pytest.fixture(scope="session")
def emulator():
    with emulator_server() as address:
        yield address


@pytest.fixture(params=["memory", "stand-in", pytest.param("emulator", marks=pytest.mark.emulator)])
async def bus(request, monkeypatch):
    gap = EMULATOR_GAPS.get(request.node.originalname)
    if request.param == "memory":
        async with memory() as found:
            yield found
        return
    if request.param == "emulator" and gap:
        pytest.skip(gap)
    address = request.getfixturevalue("emulator" if request.param == "emulator" else "stand_in")
    async with pubsub(request.param, address, monkeypatch) as found:
        yield found
