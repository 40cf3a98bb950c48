"""What a watcher in every doorway of a running stack has seen: calls, requests to the ingress, and messages.

A place in the order of everything is a time: nanoseconds since 1970, by the one clock of this machine, no two alike.
So what the stand-ins tell afterwards, by their own clocks, finds its place among what was seen.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from simulation.logs import BusEntry, Exchange, Happening
from simulation.reading import LASTING
from simulation.record import Draft

_NS = 1_000_000_000


@dataclass(kw_only=True)
class Journal:
    """Everything since `begin`."""

    calls: list[Draft] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    bus: list[BusEntry] = field(default_factory=list)
    #: Name of a part of the connector -> its life: a process that is started again is another.
    lives: dict[str, str] = field(default_factory=dict)
    #: Message id -> where its publishing stands in `bus`.
    _published: dict[str, int] = field(default_factory=dict)
    #: Messages of the rounds before, which had all been let go.
    _old: set[str] = field(default_factory=set)
    _began: int = 0
    _last: int = 0
    _births: int = 0

    def begin(self):
        """Forget what was before. Nothing may be under way."""
        self._old |= self._published.keys()
        for log in (self.calls, self.exchanges, self.bus, self._published):
            log.clear()
        self._began, _ = self.stamp()

    def stamp(self):
        """The next place, and its time."""
        self._last = max(time.time_ns(), self._last + 1)
        return self._last, moment(self._last)

    def born(self, name):
        """The name of the process that now begins to be this part."""
        self._births += 1
        self.lives[name] = f"{name}.life-{self._births}"
        return self.lives[name]

    def exchanged(self, exchange):
        """A request to the ingress is over. What began before `begin` was the round's before."""
        if exchange.n > self._began:
            self.exchanges.append(exchange)

    # Messages.

    def published(self, topic, messages, ids, process):
        """The bus has taken them. One may have been delivered before its publisher's answer came by here."""
        for message, name in zip(messages, ids, strict=True):
            if name in self._published:
                place = self._published[name]
                self.bus[place] = replace(self.bus[place], process=process)
            else:
                self._publish(topic, name, message, process)

    def confirmed(self, topic, ids, process):
        """Its publisher is being told so."""
        for name in ids:
            self._note(Happening.CONFIRMED, topic, name, process=process)

    def refused(self, topic, messages, process):
        for message in messages:
            n, at = self.stamp()
            self.bus.append(_entry(n, at, Happening.REFUSED, topic, "", message=message, process=process))

    def delivered(self, delivery, process):
        """A message is on its way to a process."""
        name, message = delivery.message_id, delivery.message
        if name in self._old:
            return
        if name not in self._published:
            self._publish(delivery.topic, name, message, "")
        self._note(Happening.DELIVERED, delivery.topic, name, process=process, delivery=delivery)

    def ended(self, happening, delivery, process):
        """A process lets go of a message, or gives it back."""
        if delivery.message_id not in self._old:
            self._note(happening, delivery.topic, delivery.message_id, process=process, delivery=delivery)

    async def is_at_rest(self):
        """Whether every message that must come to an end was let go by somebody."""
        published = {one.message_id for one in self.bus if one.topic in LASTING}
        return published == {
            one.message_id for one in self.bus if one.topic in LASTING and one.happening is Happening.ACKED
        }

    def _publish(self, topic, name, message, process):
        n, at = self.stamp()
        self._published[name] = len(self.bus)
        self.bus.append(_entry(n, at, Happening.PUBLISHED, topic, name, message=message, process=process))

    def _note(self, happening, topic, name, *, process, delivery=None):
        n, at = self.stamp()
        self.bus.append(_entry(n, at, happening, topic, name, process=process, delivery=delivery))


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One delivery of a message to one process."""

    message_id: str
    #: `data` and `attributes`.
    message: object = field(repr=False)
    topic: str
    #: None: the topic's own.
    subscription: str | None
    attempt: int


def read(data):
    """The JSON object in there; an empty one where there is none."""
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def moment(n):
    """The time of a place."""
    seconds, rest = divmod(n, _NS)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)


def place(at):
    """The place of a time."""
    return int(at.replace(microsecond=0).timestamp()) * _NS + at.microsecond * 1000


def _entry(n, at, happening, topic, name, *, process, message=None, delivery=None):
    return BusEntry(
        n=n, at=at, happening=happening, topic=topic, message_id=name,
        data=message.data if message else b"", attributes=dict(message.attributes) if message else {},
        attempt=delivery.attempt if delivery else 0, process=process,
        subscription=delivery.subscription if delivery else None,
    )  # fmt: skip
