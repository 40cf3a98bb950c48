"""The simulated bus: the product's own in memory, with the seed's delays and mishaps, and a log that names processes."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from simulation.faults import FaultKind
from simulation.logs import BusEntry, Happening
from simulation.loop import PROCESS, Life

from bus.memory import Happening as Noted
from bus.memory import MemoryBus, Mishap
from bus.port import PublishError
from bus.topics import Topic

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Callable, Mapping

    from simulation.faults import Bad
    from simulation.loop import SimulatedLoop
    from simulation.record import Recorder

    from bus.memory import Held, Subscription
    from bus.memory_subscriber import MemoryReader, MemorySubscriber
    from ctpay.settings import Settings

_HOUR_S: Final = 3600.0
#: Mishaps of one message: where each delivery leaves copies, a message that waits would soon be thousands.
_MISHAPS_MAX: Final = 3
#: By what a log calls them: to ask an enum for its name or value each time takes as long as to write the entry.
_TOPICS: Final = {topic: topic.value for topic in Topic}
_NOTED: Final = {noted: Happening[noted.name] for noted in Noted}
_MISHAPS: Final = {FaultKind.BUS_ACK_LOST: Mishap.ACK_LOST, FaultKind.BUS_DUPLICATE: Mishap.DUPLICATE}


@dataclass(eq=False, kw_only=True, slots=True)
class Waiting:
    """A message that is offered to its readers at a time to come."""

    subscription: Subscription
    held: Held
    at: float


class Travel(MemoryBus):
    """One bus for all processes of a seed."""

    def __init__(
        self,
        *,
        loop: SimulatedLoop,
        recorder: Recorder,
        bad: Bad,
        dice: random.Random,
        spread: random.Random | None = None,
    ) -> None:
        self._loop = loop
        self._recorder = recorder
        self._bad = bad
        self._dice = dice
        #: Which of several readers gets a message; None: always the first that has least in hand.
        self._spread = spread
        self._outside = loop.outside()
        #: Who publishes where no process does.
        self.outsider = ""
        #: Everything that is held back for a time.
        self.waiting: dict[int, Waiting] = {}
        self._waits = 0
        self._mishaps: Counter[tuple[Topic, str]] = Counter()
        #: Seconds after which what a dying process had in hand comes again, on top of the deadline.
        self.returns_late_s = 0.0
        self._readers: dict[Life, list[MemoryReader]] = {}
        super().__init__(clock=recorder.now)

    @asynccontextmanager
    async def open(self, settings: Settings) -> AsyncIterator[tuple[_Publisher, _Subscriber]]:
        """Both ends of the bus for one process."""
        limits = settings.limits
        subscriber = self.subscriber(in_flight_max=limits.in_flight_max, drain_within_s=limits.drain_s)
        yield self, _Subscriber(self, subscriber)

    def readers_of(self, life: Life) -> list[MemoryReader]:
        return self._readers.setdefault(life, [])

    def abandon(self, life: Life, *, late_s: float) -> None:
        """A process dies; what it had in hand comes again at its deadline, or so much later."""
        self.returns_late_s = late_s
        for reader in self._readers.pop(life, []):
            reader.abandon()
            # Nobody else takes results meant for the dead.
        self.returns_late_s = 0.0

    def moves(self) -> bool:
        """Whether a message is in hand or will be, but for letters that only wait to be replayed again and again."""
        if any(reader.busy for one in self._subscriptions() for reader in one.readers):
            return True
        if any(one.waiting and one.readers for one in self._subscriptions()):
            return True
        return any(not self._only_waits(waiting.held) for waiting in self.waiting.values())

    def _only_waits(self, held: Held) -> bool:
        """A dead letter that a replay did not heal although everything was well again."""
        died_at, replays = held.attributes.get("ctpay_dead_at"), held.attributes.get("ctpay_replays", "0")
        return died_at is not None and replays != "0" and datetime.fromisoformat(died_at) > self._bad.ends_at

    def next_at(self) -> float | None:
        """The loop's time at which a message that is held back is handed out next."""
        return min((waiting.at for waiting in self.waiting.values()), default=None)

    async def publish(self, topic: Topic, data: bytes, attributes: Mapping[str, str]) -> None:
        await asyncio.sleep(self._dice.random() * 0.02)
        bad, what = self._bad, f"{topic} {attributes.get('type', '')}"
        if topic is Topic.DEAD_LETTERS and bad.strikes(FaultKind.BUS_DEAD_LETTER_FAILS, what):
            self._write(Happening.REFUSED, topic, "", data, attributes, 0, fault=FaultKind.BUS_DEAD_LETTER_FAILS)
            raise PublishError("The simulated bus refused a dead letter.")
        if bad.strikes(FaultKind.BUS_PUBLISH_FAILS, what):
            self._write(Happening.REFUSED, topic, "", data, attributes, 0, fault=FaultKind.BUS_PUBLISH_FAILS)
            raise PublishError(f"The simulated bus refused a message on {topic}.")
        if topic is Topic.RESULTS and bad.strikes(FaultKind.BUS_RESULT_LOST, what):
            return
        message_id = self.put(topic, data, attributes)
        await asyncio.sleep(self._dice.random() * 0.02)
        if bad.strikes(FaultKind.BUS_CONFIRMATION_LOST, what):
            raise PublishError(f"The simulated bus did not confirm a message on {topic}.")
        self._write(Happening.CONFIRMED, topic, message_id, data, attributes, 0)

    def put(self, topic: Topic, data: bytes, attributes: Mapping[str, str]) -> str:
        """The bus has it; when it is delivered is the seed's choice. Its id."""
        self._keep(topic, data, attributes, self._delay(topic))
        return str(self._count)

    def _delay(self, topic: Topic) -> float:
        bad = self._bad
        if topic is Topic.RESULTS or topic is Topic.DEAD_LETTERS:
            return 0.001 + self._dice.random() * 0.01
        if bad.strikes(FaultKind.BUS_DAYS_LATE, topic):
            return self._late(self._dice.uniform(24, 24 * 5) * _HOUR_S)
        if bad.strikes(FaultKind.BUS_HOURS_LATE, topic):
            return self._late(self._dice.uniform(0.2, 10) * _HOUR_S)
        if bad.strikes(FaultKind.BUS_REORDER, topic):
            return self._dice.uniform(0.5, 20)
        return 0.001 + self._dice.random() * 0.02

    def _late(self, seconds: float) -> float:
        self._bad.lasts(seconds)
        return seconds

    # Between the bus and its readers.

    def pump(self, subscription: Subscription) -> None:
        """To each reader as often as to another, as a real bus does it."""
        if self._spread is not None and len(subscription.readers) > 1:
            self._spread.shuffle(subscription.readers)
        super().pump(subscription)

    def delivered(self, subscription: Subscription, held: Held) -> Mishap | None:
        super().delivered(subscription, held)
        life = PROCESS.get()
        if life is not None and life.on_work is not None:
            life.on_work()
        topic = subscription.topic
        if self._may_go_wrong(topic, held) and self._bad.draws(FaultKind.BUS_LEASE_EXPIRES):
            self._later(self._dice.uniform(0.001, 0.3), self._expired, subscription, held)
        return None

    def _expired(self, subscription: Subscription, held: Held) -> None:
        """The lease of a message has ended. Where the work has ended before, nothing comes of that."""
        in_hand = (one for reader in subscription.readers for one in reader._tasks.values())
        if not self._bad.over and any(one is held for one in in_hand):
            self._mishaps[subscription.topic, held.message_id] += 1
            self._bad.note(FaultKind.BUS_LEASE_EXPIRES, subscription.topic)
            self._offer(subscription, replace(held), 0)

    def acked(self, subscription: Subscription, held: Held, mishap: Mishap | None) -> None:
        if self._may_go_wrong(subscription.topic, held):
            for kind, wrong in _MISHAPS.items():
                if mishap is None and self._bad.strikes(kind, subscription.topic):
                    self._mishaps[subscription.topic, held.message_id] += 1
                    mishap = wrong
        super().acked(subscription, held, mishap)

    def _may_go_wrong(self, topic: Topic, held: Held) -> bool:
        return topic is not Topic.RESULTS and self._mishaps[topic, held.message_id] < _MISHAPS_MAX

    def missed(self, subscription: Subscription, held: Held) -> None:
        if not self.returns_late_s:
            super().missed(subscription, held)
            return
        self._note(Noted.RETURNED, subscription.topic, held)
        self._offer(subscription, held, self.returns_late_s)

    def _offer(self, subscription: Subscription, held: Held, after_s: float) -> None:
        if not after_s:
            subscription.waiting.append(held)
            self.pump(subscription)
            return
        self._waits += 1
        number = self._waits
        self.waiting[number] = Waiting(subscription=subscription, held=held, at=self._loop.time() + after_s)
        self._later(after_s, self._due, number)

    def _later(self, after_s: float, callback: Callable[..., None], *args: object) -> None:
        """In nobody's context: the bus outlives whoever gave the message back."""
        self._loop.call_later(after_s, callback, *args, context=self._outside)

    def _due(self, number: int) -> None:
        waiting = self.waiting.pop(number)
        self._offer(waiting.subscription, waiting.held, 0)

    def _note(self, happening: Noted, topic: Topic, held: Held) -> None:
        self._write(_NOTED[happening], topic, held.message_id, held.data, held.attributes, held.attempt)

    def _write(  # noqa: PLR0917 # one call for each kind of entry, in the order of the entry's fields
        self,
        happening: Happening,
        topic: Topic,
        message_id: str,
        data: bytes,
        attributes: Mapping[str, str],
        attempt: int,
        *,
        fault: str | None = None,
    ) -> None:
        life = PROCESS.get()
        n, at = self._recorder.stamp()
        self._recorder.bus.append(
            BusEntry(
                n=n,
                at=at,
                happening=happening,
                topic=_TOPICS[topic],
                message_id=message_id,
                data=data,
                attributes=attributes,
                attempt=attempt,
                process=life.id if life is not None else self.outsider,
                fault=fault,
            )
        )


_Publisher = Travel


class _Subscriber:
    """A subscriber that notes which process reads."""

    def __init__(self, travel: Travel, subscriber: MemorySubscriber) -> None:
        self._travel = travel
        self._subscriber = subscriber

    async def consume(self, topic: Topic, handler: Any) -> Any:
        return self._noted(await self._subscriber.consume(topic, handler))

    async def consume_replies(self, instance: str, handler: Any) -> Any:
        return self._noted(await self._subscriber.consume_replies(instance, handler))

    def _noted(self, reader: Any) -> Any:
        life = PROCESS.get()
        assert life is not None, "only processes read"
        self._travel.readers_of(life).append(reader)
        return reader
