"""Carries deliveries to the bus, in order for each subscription, again and again until it takes them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from sandbox.commercetools.core import Core
from sandbox.commercetools.deliveries import Delivery, topic_of

BATCH_MAX: Final = 100
_RETRY_FIRST_S: Final = 0.05
_RETRY_MAX_S: Final = 2.0


class UndeliverableError(Exception):
    """The bus did not take it. `status` is the subscription's health because of that."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Bus(Protocol):
    """Where messages are published."""

    async def publish(self, topic: str, messages: Sequence[tuple[bytes, dict[str, str]]]) -> None:
        """Publish all; the bus has them when this returns. Raises UndeliverableError."""
        ...

    async def close(self) -> None: ...


class NoBus:
    """Takes everything and keeps nothing: for a project whose events nobody reads."""

    async def publish(self, topic: str, messages: Sequence[tuple[bytes, dict[str, str]]]) -> None:
        """Nothing."""

    async def close(self) -> None:
        """Nothing."""


class Courier:
    """One queue and one task for each subscription, so that one missing topic holds nobody up."""

    def __init__(self, core: Core, bus: Bus) -> None:
        self._core = core
        self._bus = bus
        self._queues: dict[str, deque[Delivery]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def probe(self, delivery: Delivery) -> str | None:
        """Deliver a test notification now; else say why not."""
        try:
            await self._bus.publish(delivery.topic, [(delivery.data, delivery.attributes)])
        except UndeliverableError as error:
            return str(error)
        return None

    def send(self, deliveries: Iterable[Delivery]) -> None:
        """Take them on, and return at once."""
        for delivery in deliveries:
            self._queues.setdefault(delivery.subscription_id, deque()).append(delivery)
            task = self._tasks.get(delivery.subscription_id)
            if task is None or task.done():
                self._tasks[delivery.subscription_id] = asyncio.create_task(self._run(delivery.subscription_id))

    async def close(self) -> None:
        """What is still to be carried is lost, as with the process."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self._bus.close()

    async def _run(self, subscription_id: str) -> None:
        queue, pause_s = self._queues[subscription_id], _RETRY_FIRST_S
        while queue:
            subscription = self._core.subscription(subscription_id)
            if subscription is None:
                # Deleted: nobody waits for the rest.
                queue.clear()
                return
            batch = [queue[index] for index in range(min(len(queue), BATCH_MAX))]
            try:
                await self._bus.publish(topic_of(subscription), [(each.data, each.attributes) for each in batch])
            except UndeliverableError as error:
                self._core.set_status(subscription_id, error.status)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _RETRY_MAX_S)
                continue
            for _ in batch:
                queue.popleft()
            self._core.set_status(subscription_id, "Healthy")
            pause_s = _RETRY_FIRST_S
