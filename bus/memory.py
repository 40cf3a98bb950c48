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
from typing import TYPE_CHECKING

from bus.letters import FOR, PERSON
from bus.memory_shelf import MemoryShelf
from bus.memory_subscriber import MemoryReader, MemorySubscriber
from bus.port import Consumption, Handler, PublishError
from bus.topics import POLICIES, Topic

if TYPE_CHECKING:
    from datetime import datetime

    from psp.seams import Clock


class Happening(enum.Enum):
    """What the log tells."""

    #: The bus has the message, whatever its publisher was told.
    PUBLISHED = enum.auto()
    #: A message was handed to a handler.
    DELIVERED = enum.auto()
    #: It will not come again.
    ACKED = enum.auto()
    #: It will come again.
    RETURNED = enum.auto()
    #: It came too often and was moved to the dead letters.
    DEAD = enum.auto()


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


class Mishap(enum.Enum):
    """What goes wrong with one publish or one delivery."""

    #: Refused, and nothing was kept.
    PUBLISH_FAILS = enum.auto()
    #: Kept, and the publisher is told that it failed.
    REPLY_LOST = enum.auto()
    #: Kept, and delivered for the first time after as long as an acknowledgement may take.
    DELAYED = enum.auto()
    #: Delivered twice.
    DUPLICATE = enum.auto()
    #: Handled, and the acknowledgement is lost.
    ACK_LOST = enum.auto()


#: Decides what goes wrong with the message, if anything; asked once at publishing and once at each delivery.
Mishaps = Callable[[Topic, Mapping[str, str]], Mishap | None]


@dataclass(kw_only=True, slots=True)
class Held:
    """One message of one subscription."""

    message_id: str
    data: bytes
    attributes: Mapping[str, str]
    published_at: datetime
    attempt: int = 0


@dataclass(kw_only=True, eq=False, slots=True)
class Subscription:
    """What waits, and who reads it."""

    topic: Topic
    waiting: deque[Held] = field(default_factory=deque)
    readers: list[MemoryReader] = field(default_factory=list)


class MemoryBus:
    """A Publisher, and a Subscriber too where one is enough.

    The lasting subscriptions of the table exist from the start. Several processes on one bus take a `subscriber` each:
    its limits are its own.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        in_flight_max: int = 64,
        handlers_max: int = 256,
        drain_within_s: float = 20.0,
        mishaps: Mishaps | None = None,
    ) -> None:
        self.clock = clock
        self.mishaps = mishaps or (lambda _topic, _attributes: None)
        self.log: list[Entry] = []
        self._lasting: dict[Topic, Subscription] = {
            topic: Subscription(topic=topic) for topic in Topic if topic is not Topic.RESULTS
        }
        self._for_people = Subscription(topic=Topic.DEAD_LETTERS)
        self._replies: dict[str, Subscription] = {}
        self._count = 0
        self._held_back = 0
        self._own = self.subscriber(
            in_flight_max=in_flight_max, handlers_max=handlers_max, drain_within_s=drain_within_s
        )

    def subscriber(
        self, *, in_flight_max: int = 64, handlers_max: int = 256, drain_within_s: float = 20.0
    ) -> MemorySubscriber:
        """A further, independent Subscriber on the same subscriptions."""
        return MemorySubscriber(
            bus=self, in_flight_max=in_flight_max, handlers_max=handlers_max, drain_within_s=drain_within_s
        )

    def shelf(self) -> MemoryShelf:
        """The dead letters for people, in a person's hand."""
        return MemoryShelf(bus=self, subscription=self._for_people)

    @property
    def for_people(self) -> tuple[Held, ...]:
        """The dead letters that wait for a person and that nobody has in hand."""
        return tuple(self._for_people.waiting)

    @property
    def idle(self) -> bool:
        """Whether nothing waits for a reader there is, nothing is in hand, and nothing is held back for a time."""
        return not self._held_back and all(
            not (one.waiting and one.readers) and not any(reader.busy for reader in one.readers)
            for one in self._subscriptions()
        )

    @property
    def reply_subscriptions(self) -> frozenset[str]:
        """The instances that have a subscription on the results."""
        return frozenset(self._replies)

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
        return await self._own.consume(topic, handler)

    async def consume_replies(self, instance: str, handler: Handler) -> Consumption:
        return await self._own.consume_replies(instance, handler)

    # What follows is between the bus and its readers.

    def lasting(self, topic: Topic) -> Subscription:
        return self._lasting[topic]

    def make_reply_subscription(self, instance: str) -> Subscription:
        return self._replies.setdefault(instance, Subscription(topic=Topic.RESULTS))

    def remove_reply_subscription(self, instance: str) -> None:
        self._replies.pop(instance, None)

    def pump(self, subscription: Subscription) -> None:
        """Hand out what waits: to the reader with the least in hand, while one has room."""
        while subscription.waiting:
            free = [reader for reader in subscription.readers if reader.has_room]
            if not free:
                return
            min(free, key=lambda reader: reader.busy).take(subscription.waiting.popleft())

    def delivered(self, subscription: Subscription, held: Held) -> Mishap | None:
        """Note it, and say what will go wrong with it."""
        self._note(Happening.DELIVERED, subscription.topic, held)
        return self.mishaps(subscription.topic, held.attributes)

    def nacked(self, subscription: Subscription, held: Held) -> None:
        """Deliver it again after the backoff."""
        policy = POLICIES[subscription.topic]
        # The exponent is bounded by the cap anyway; a float that overflows would not be.
        doubled = policy.backoff_s_min * 2 ** min(held.attempt - 1, 32)
        self._give_back(subscription, held, min(doubled, policy.backoff_s_max))

    def missed(self, subscription: Subscription, held: Held) -> None:
        """Deliver it again after the deadline that has passed without an acknowledgement."""
        self._give_back(subscription, held, POLICIES[subscription.topic].ack_deadline_s)

    def acked(self, subscription: Subscription, held: Held, mishap: Mishap | None) -> None:
        """Deliver it no more, unless by mishap."""
        if mishap is Mishap.ACK_LOST:
            self.missed(subscription, held)
            return
        self._note(Happening.ACKED, subscription.topic, held)
        if mishap is Mishap.DUPLICATE:
            self._offer(subscription, held, POLICIES[subscription.topic].backoff_s_min)

    def _give_back(self, subscription: Subscription, held: Held, after_s: float) -> None:
        topic = subscription.topic
        limit = POLICIES[topic].attempts_max
        if limit is None or held.attempt < limit:
            self._note(Happening.RETURNED, topic, held)
            self._offer(subscription, held, after_s)
            return
        self._note(Happening.DEAD, topic, held)
        # The names are Pub/Sub's own. It knows no reason.
        source = {
            "CloudPubSubDeadLetterSourceSubscription": topic.value,
            "CloudPubSubDeadLetterSourceDeliveryCount": str(held.attempt),
            "CloudPubSubDeadLetterSourceTopicPublishTime": held.published_at.isoformat(),
        }
        self._keep(Topic.DEAD_LETTERS, held.data, {**held.attributes, **source})

    def _keep(self, topic: Topic, data: bytes, attributes: Mapping[str, str], after_s: float = 0) -> None:
        self._count += 1
        message = Held(message_id=str(self._count), data=data, attributes=dict(attributes), published_at=self.clock())
        self._note(Happening.PUBLISHED, topic, message)
        for subscription in self._subscriptions():
            is_let_through = subscription is not self._for_people or attributes.get(FOR) == PERSON
            if subscription.topic is topic and is_let_through:
                self._offer(subscription, replace(message), after_s)

    def _offer(self, subscription: Subscription, held: Held, after_s: float) -> None:
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

    def _note(self, happening: Happening, topic: Topic, held: Held) -> None:
        self.log.append(
            Entry(
                happening=happening,
                topic=topic,
                message_id=held.message_id,
                data=held.data,
                attributes=held.attributes,
                attempt=held.attempt,
                at=self.clock(),
            )
        )

    def _subscriptions(self) -> list[Subscription]:
        return [*self._lasting.values(), self._for_people, *self._replies.values()]
