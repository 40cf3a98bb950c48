"""The bus as everybody else sees it: publish and consume, and nothing of the product that does it.

Law: a handler never raises and never acknowledges. It returns an `Ending`; `bus.consumer` alone turns that into an
acknowledgement, a redelivery or a dead letter, and acknowledges only what is durable.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from bus.topics import Topic


class PublishError(Exception):
    """The bus did not confirm the message in time; it may still have it. Answer 503 or let the message come again."""


class Verdict(enum.StrEnum):
    """How the handling of one delivery ended."""

    #: The work is done and its result is durable.
    DONE = "done"
    #: There is nothing to do, for a reason.
    IGNORED = "ignored"
    #: Not now: deliver it again.
    AGAIN = "again"
    #: Nobody will be able to do this: show it to a person.
    DEAD = "dead"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """A verdict and its reason, in words that may be logged."""

    verdict: Verdict
    reason: str = ""


DONE = Ending(verdict=Verdict.DONE)


def ignored(reason: str) -> Ending:
    """Nothing to do."""
    return Ending(verdict=Verdict.IGNORED, reason=reason)


def again(reason: str) -> Ending:
    """To be delivered again, after the subscription's backoff."""
    return Ending(verdict=Verdict.AGAIN, reason=reason)


def dead(reason: str) -> Ending:
    """For the dead letters."""
    return Ending(verdict=Verdict.DEAD, reason=reason)


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One delivery of one message."""

    message_id: str
    data: bytes
    attributes: Mapping[str, str]
    published_at: datetime
    #: 1 for the first; Pub/Sub's count is approximate, and 0 where it keeps none.
    attempt: int


Handler: TypeAlias = Callable[[Delivery], Awaitable[Ending]]


class Publisher(Protocol):
    """Puts messages on topics."""

    async def publish(self, topic: Topic, data: bytes, attributes: Mapping[str, str]) -> None:
        """Return once the bus has confirmed the message. Raises PublishError."""
        ...


class Consumption(Protocol):
    """A subscription being read."""

    @property
    def healthy(self) -> bool:
        """Whether messages still arrive."""
        ...

    async def drain(self) -> None:
        """Stop taking messages, finish those in hand within the configured time, and flush their acknowledgements."""
        ...


class Subscriber(Protocol):
    """Reads topics."""

    async def consume(self, topic: Topic, handler: Handler) -> Consumption:
        """Call `handler` for every message of the topic's own subscription, several at once."""
        ...

    async def consume_replies(self, instance: str, handler: Handler) -> Consumption:
        """Read the results addressed to this ingress instance, by a subscription that lives as long as it does."""
        ...
