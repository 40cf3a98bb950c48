"""Reading the bus in memory, as one process does: with its own limits, draining at its end, or killed."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from bus.consumer import Consumer, Fate
from bus.port import Consumption, Delivery, Ending, Handler, ignored

if TYPE_CHECKING:
    from bus.memory import Held, MemoryBus, Subscription
    from bus.topics import Topic

#: Seconds that cancelled handlers get to let go of their messages.
_LET_GO_S: Final = 1.0


class MemorySubscriber:
    """A Subscriber. Its limits are those of `PubsubSubscriber`."""

    def __init__(self, *, bus: MemoryBus, in_flight_max: int, handlers_max: int, drain_within_s: float) -> None:
        self._bus = bus
        self._in_flight_max = in_flight_max
        self._places = asyncio.Semaphore(handlers_max)
        self._drain_within_s = drain_within_s

    async def consume(self, topic: Topic, handler: Handler) -> Consumption:
        return self._read(self._bus.lasting(topic), handler, _nothing)

    async def consume_replies(self, instance: str, handler: Handler) -> Consumption:
        async def mine(delivery: Delivery) -> Ending:
            if delivery.attributes.get("reply_to") != instance:
                return ignored("another instance's result")
            return await handler(delivery)

        def remove() -> None:
            self._bus.remove_reply_subscription(instance)

        return self._read(self._bus.make_reply_subscription(instance), mine, remove)

    def _read(self, subscription: Subscription, handler: Handler, after: Callable[[], None]) -> MemoryReader:
        reader = MemoryReader(
            bus=self._bus,
            subscription=subscription,
            consumer=Consumer(
                topic=subscription.topic,
                handler=handler,
                dead_letters=self._bus,
                clock=self._bus.clock,
                places=self._places,
            ),
            in_flight_max=self._in_flight_max,
            drain_within_s=self._drain_within_s,
            after=after,
        )
        subscription.readers.append(reader)
        self._bus.pump(subscription)
        return reader


class MemoryReader:
    """One subscription being read."""

    def __init__(
        self,
        *,
        bus: MemoryBus,
        subscription: Subscription,
        consumer: Consumer,
        in_flight_max: int,
        drain_within_s: float,
        after: Callable[[], None],
    ) -> None:
        self._bus = bus
        self._subscription = subscription
        self._consumer = consumer
        self._in_flight_max = in_flight_max
        self._drain_within_s = drain_within_s
        self._after = after
        self._tasks: dict[asyncio.Task[None], Held] = {}
        # Handlers run in their reader's context, as with a real bus: not in that of whoever published.
        self._context = contextvars.copy_context()

    @property
    def busy(self) -> int:
        """Messages in hand."""
        return len(self._tasks)

    @property
    def has_room(self) -> bool:
        """Whether it may be given another message."""
        return self.busy < self._in_flight_max

    @property
    def healthy(self) -> bool:
        return self in self._subscription.readers

    def take(self, held: Held) -> None:
        """Begin with a message."""
        held.attempt += 1
        task = asyncio.get_running_loop().create_task(self._handle(held), context=self._context.copy())
        self._tasks[task] = held
        task.add_done_callback(self._finished, context=self._context)

    async def drain(self) -> None:
        self._leave()
        if self._tasks:
            tasks = list(self._tasks)
            await asyncio.wait(tasks, timeout=self._drain_within_s)
            # In the order in which they came: a set has another in each process, and a run could not be repeated.
            late = [task for task in tasks if not task.done()]
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_LET_GO_S)
        self._after()

    def abandon(self) -> None:
        """Go as a killed process goes: nothing is acknowledged, and what was in hand comes again at its deadline.

        Whoever simulates the kill sees to it that the handlers take no further step.
        """
        self._leave()
        tasks, self._tasks = self._tasks, {}
        for task, held in tasks.items():
            # One that has just ended has told the bus already: given back twice, its message would be two.
            if not task.done():
                self._bus.missed(self._subscription, held)

    def _leave(self) -> None:
        if self.healthy:
            self._subscription.readers.remove(self)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        self._bus.pump(self._subscription)

    async def _handle(self, held: Held) -> None:
        bus = self._bus
        mishap = bus.delivered(self._subscription, held)
        delivery = Delivery(
            message_id=held.message_id,
            data=held.data,
            attributes=held.attributes,
            published_at=held.published_at,
            attempt=held.attempt,
        )
        fate = Fate.NACK
        try:
            fate = await self._consumer.take(delivery)
        finally:
            # After `abandon` the message is somebody else's already.
            if asyncio.current_task() in self._tasks:
                if fate is Fate.ACK:
                    bus.acked(self._subscription, held, mishap)
                else:
                    bus.nacked(self._subscription, held)


def _nothing() -> None:
    """The other subscriptions stay when their reader has gone."""
