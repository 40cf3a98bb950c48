"""Two versions of the product at once, as there are while one is being deployed.

The newer one is ours with another codec, at the edge of the bus: what it publishes is of a version that ours does not
know and has a field that ours refuses, and it reads both. Whatever comes of that is the product's own doing.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from bus.topics import Topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from bus.port import Delivery, Handler, Publisher, Subscriber
    from ctpay.settings import Common

    OpenBus = Callable[[Common], AbstractAsyncContextManager[tuple[Any, Any]]]

#: How a message of ours begins, and how one of the newer version does.
_OURS: Final = b'{"version":1,'
_NEWERS: Final = b'{"version":2,"novelty":true,'


def is_newer(data: bytes) -> bool:
    """Whether only the newer version can read it."""
    return data.startswith(_NEWERS)


def as_newer(open_bus: OpenBus) -> OpenBus:
    """The bus as a process of the newer version has it."""

    @asynccontextmanager
    async def opened(settings: Common) -> AsyncIterator[tuple[Any, Any]]:
        async with open_bus(settings) as (publisher, subscriber):
            yield _Writing(publisher), _Reading(subscriber, _read)

    return opened


def as_older(open_bus: OpenBus, *, unread: Callable[[Delivery], None]) -> OpenBus:
    """The bus as a process of ours has it, and who is told of each message that it cannot read."""

    def seen(delivery: Delivery) -> Delivery:
        if is_newer(delivery.data):
            unread(delivery)
        return delivery

    @asynccontextmanager
    async def opened(settings: Common) -> AsyncIterator[tuple[Any, Any]]:
        async with open_bus(settings) as (publisher, subscriber):
            yield publisher, _Reading(subscriber, seen)

    return opened


def _read(delivery: Delivery) -> Delivery:
    if not is_newer(delivery.data):
        return delivery
    return replace(delivery, data=_OURS + delivery.data.removeprefix(_NEWERS))


class _Writing:
    """A publisher whose messages are of the newer version."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def publish(self, topic: Topic, data: bytes, attributes: Mapping[str, str]) -> None:
        # A dead letter that is replayed or given to a person is sent on as it is.
        if data.startswith(_OURS) and topic is not Topic.DEAD_LETTERS and "ctpay_replays" not in attributes:
            data = _NEWERS + data.removeprefix(_OURS)
        await self._publisher.publish(topic, data, attributes)


class _Reading:
    """A subscriber whose deliveries pass through `read`, but for dead letters, which nobody opens."""

    def __init__(self, subscriber: Subscriber, read: Callable[[Delivery], Delivery]) -> None:
        self._subscriber = subscriber
        self._read = read

    async def consume(self, topic: Topic, handler: Handler) -> Any:
        through = handler if topic is Topic.DEAD_LETTERS else self._through(handler)
        return await self._subscriber.consume(topic, through)

    async def consume_replies(self, instance: str, handler: Handler) -> Any:
        return await self._subscriber.consume_replies(instance, self._through(handler))

    def _through(self, handler: Handler) -> Handler:
        async def handle(delivery: Delivery) -> Any:
            return await handler(self._read(delivery))

        return handle
