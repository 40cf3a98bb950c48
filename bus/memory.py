"""The bus in memory, with the semantics that matter: at least once, backoff, attempts, dead letters, shared reading.

It runs on the event loop's time alone, so that the whole product can run on a virtual clock, and it ends messages
through the same `Consumer` as the real bus. It keeps a log of everything, for whoever checks afterwards.
"""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from bus.consumer import Consumer, Fate
from bus.port import Consumption, Delivery, Ending, Handler, PublishError, ignored
from bus.topics import POLICIES, Topic

if TYPE_CHECKING:
    from datetime import datetime

    from psp.seams import Clock


#: Seconds that cancelled handlers get to let go of their messages.
_LET_GO_S: Final = 1.0


class Happening(enum.StrEnum):
    """What the log tells."""

    #: The bus has the message, whatever its publisher was told.
    PUBLISHED = "published"
    #: A message was handed to a handler.
    DELIVERED = "delivered"
    #: It will not come again.
    ACKED = "acked"
    #: It will come again.
    RETURNED = "returned"
    #: It came too often and was moved to the dead letters.
    DEAD = "dead"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of the log."""

    happening: Happening
    topic: Topic
    message_id: str
    #: The body may hold secrets, so it is not shown with the rest.
    data: bytes = field(repr=False)
    attributes: Mapping[str, str]
    #: Deliveries so far.
    attempt: int
    at: datetime


class Mishap(enum.StrEnum):
    """What goes wrong with one publish or one delivery."""

    #: Refused, and nothing was kept.
    PUBLISH_FAILS = "publish-fails"
    #: Kept, and the publisher is told that it failed.
    REPLY_LOST = "reply-lost"
    #: Kept, and delivered for the first time after as long as an acknowledgement may take.
    DELAYED = "delayed"
    #: Delivered twice.
    DUPLICATE = "duplicate"
    #: Handled, and the acknowledgement is lost.
    ACK_LOST = "ack-lost"


#: Decides what goes wrong with the message, if anything; asked once at publishing and once at each delivery.
Mishaps = Callable[[Topic, Mapping[str, str]], Mishap | None]


@dataclass(kw_only=True, slots=True)
class _Held:
    """One message of one subscription."""

    message_id: str
    data: bytes
    attributes: Mapping[str, str]
    published_at: datetime
    attempt: int = 0


@dataclass(kw_only=True, eq=False)
class _Subscription:
    topic: Topic
    waiting: deque[_Held] = field(default_factory=deque)
    readers: list[_Reader] = field(default_factory=list)


class MemoryBus:
    """Both a Publisher and a Subscriber. The lasting subscriptions of the table exist from the start."""

    def __init__(
        self,
        *,
        clock: Clock,
        in_flight_max: int = 64,
        handlers_max: int = 256,
        drain_within_s: float = 20.0,
        mishaps: Mishaps | None = None,
    ) -> None:
        self._clock = clock
        self.drain_within_s = drain_within_s
        self._in_flight_max = in_flight_max
        self._places = asyncio.Semaphore(handlers_max)
        self.mishaps = mishaps or (lambda _topic, _attributes: None)
        self._lasting: dict[Topic, _Subscription] = {
            topic: _Subscription(topic=topic) for topic in Topic if topic is not Topic.RESULTS
        }
        self._replies: dict[str, _Subscription] = {}
        self._count = 0
        self._held_back = 0
        self.log: list[Entry] = []

    @property
    def idle(self) -> bool:
        """Whether nothing waits for a reader there is, nothing is in hand, and nothing is held back for a time."""
        return not self._held_back and all(
            not (one.waiting and one.readers) and not any(reader.busy for reader in one.readers)
            for one in self._subscriptions()
        )

    async def publish(self, topic: Topic, data: bytes, attributes: Mapping[str, str]) -> None:
        # A real publish is never done before the loop has turned.
        await asyncio.sleep(0)
        mishap = self.mishaps(topic, attributes)
        if mishap is Mishap.PUBLISH_FAILS:
            raise PublishError(f"The bus refused a message on {topic}.")
        self._keep(topic, data, attributes, POLICIES[topic].ack_deadline_s if mishap is Mishap.DELAYED else 0)
        if mishap is Mishap.REPLY_LOST:
            raise PublishError(f"The bus did not confirm a message on {topic}.")

    async def consume(self, topic: Topic, handler: Handler) -> Consumption:
        return self._read(self._lasting[topic], handler)

    async def consume_replies(self, instance: str, handler: Handler) -> Consumption:
        async def mine(delivery: Delivery) -> Ending:
            if delivery.attributes.get("reply_to") != instance:
                return ignored("another instance's result")
            return await handler(delivery)

        subscription = self._replies[instance] = _Subscription(topic=Topic.RESULTS)
        return self._read(subscription, mine, gone=lambda: self._replies.pop(instance, None))

    def _subscriptions(self) -> list[_Subscription]:
        return [*self._lasting.values(), *self._replies.values()]

    def _keep(self, topic: Topic, data: bytes, attributes: Mapping[str, str], after_s: float = 0) -> None:
        self._count += 1
        message = _Held(message_id=str(self._count), data=data, attributes=dict(attributes), published_at=self._clock())
        self.note(Happening.PUBLISHED, topic, message)
        for subscription in self._subscriptions():
            if subscription.topic is topic:
                self._offer(subscription, replace(message), after_s)

    def _offer(self, subscription: _Subscription, held: _Held, after_s: float) -> None:
        """Hand it out, at once or later."""
        if not after_s:
            subscription.waiting.append(held)
            self.pump(subscription)
            return
        self._held_back += 1

        def offer() -> None:
            self._held_back -= 1
            self._offer(subscription, held, 0)

        asyncio.get_running_loop().call_later(after_s, offer)

    def _read(
        self, subscription: _Subscription, handler: Handler, gone: Callable[[], object] = lambda: None
    ) -> _Reader:
        consumer = Consumer(
            topic=subscription.topic, handler=handler, dead_letters=self, clock=self._clock, places=self._places
        )
        reader = _Reader(bus=self, subscription=subscription, consumer=consumer, gone=gone)
        subscription.readers.append(reader)
        self.pump(subscription)
        return reader

    # What follows is between the bus and its readers.

    def pump(self, subscription: _Subscription) -> None:
        """Hand out what waits: to the reader with the least in hand, while one has room."""
        while subscription.waiting and subscription.readers:
            reader = min(subscription.readers, key=lambda one: one.busy)
            if reader.busy >= self._in_flight_max:
                return
            reader.take(subscription.waiting.popleft())

    def note(self, happening: Happening, topic: Topic, held: _Held) -> None:
        self.log.append(
            Entry(
                happening=happening,
                topic=topic,
                message_id=held.message_id,
                data=held.data,
                attributes=held.attributes,
                attempt=held.attempt,
                at=self._clock(),
            )
        )

    def give_back(self, subscription: _Subscription, held: _Held, after_s: float) -> None:
        """Deliver it again, or move it to the dead letters when it came too often."""
        topic = subscription.topic
        limit = POLICIES[topic].attempts_max
        if limit is not None and held.attempt >= limit:
            self.note(Happening.DEAD, topic, held)
            # The names are Pub/Sub's own. It knows no reason.
            source = {
                "CloudPubSubDeadLetterSourceSubscription": topic.value,
                "CloudPubSubDeadLetterSourceDeliveryCount": str(held.attempt),
                "CloudPubSubDeadLetterSourceTopicPublishTime": held.published_at.isoformat(),
            }
            self._keep(Topic.DEAD_LETTERS, held.data, {**held.attributes, **source})
            return
        self.note(Happening.RETURNED, topic, held)
        self._offer(subscription, held, after_s)


class _Reader:
    """One consumption of a subscription."""

    def __init__(
        self, *, bus: MemoryBus, subscription: _Subscription, consumer: Consumer, gone: Callable[[], object]
    ) -> None:
        self._bus = bus
        self._subscription = subscription
        self._consumer = consumer
        self._gone = gone
        self._tasks: dict[asyncio.Task[None], _Held] = {}

    @property
    def busy(self) -> int:
        """Messages in hand."""
        return len(self._tasks)

    @property
    def healthy(self) -> bool:
        return self in self._subscription.readers

    def take(self, held: _Held) -> None:
        held.attempt += 1
        task = asyncio.get_running_loop().create_task(self._handle(held))
        self._tasks[task] = held
        task.add_done_callback(self._finished)

    async def drain(self) -> None:
        self._leave()
        self._gone()
        if not self._tasks:
            return
        _, late = await asyncio.wait(set(self._tasks), timeout=self._bus.drain_within_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_LET_GO_S)

    def abandon(self) -> None:
        """Go as a killed process goes: nothing is acknowledged, and what was in hand comes again at its deadline."""
        self._leave()
        deadline_s = POLICIES[self._subscription.topic].ack_deadline_s
        held_messages, self._tasks = list(self._tasks.values()), {}
        for held in held_messages:
            self._bus.give_back(self._subscription, held, deadline_s)

    def _leave(self) -> None:
        if self.healthy:
            self._subscription.readers.remove(self)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        self._bus.pump(self._subscription)

    async def _handle(self, held: _Held) -> None:
        bus, topic = self._bus, self._subscription.topic
        bus.note(Happening.DELIVERED, topic, held)
        mishap = bus.mishaps(topic, held.attributes)
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
                self._conclude(held, fate, mishap)

    def _conclude(self, held: _Held, fate: Fate, mishap: Mishap | None) -> None:
        bus, topic = self._bus, self._subscription.topic
        policy = POLICIES[topic]
        if fate is Fate.ACK and mishap is Mishap.ACK_LOST:
            bus.give_back(self._subscription, held, policy.ack_deadline_s)
        elif fate is Fate.ACK:
            bus.note(Happening.ACKED, topic, held)
            if mishap is Mishap.DUPLICATE:
                bus.give_back(self._subscription, held, policy.backoff_s_min)
        else:
            pause = min(policy.backoff_s_min * 2 ** (held.attempt - 1), policy.backoff_s_max)
            bus.give_back(self._subscription, held, pause)
