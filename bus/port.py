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


class NoCredentialsError(Exception):
    """Nobody lets us speak with the bus. The text says what to do."""


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


class Cause(enum.StrEnum):
    """Why a message could not be finished. It decides who looks after the dead letter: see `bus.letters`."""

    #: Nobody can read it, or it does not belong where it came.
    POISON = "poison"
    #: commercetools or the PSP will never accept what it asks.
    REFUSED = "refused"
    #: Something outside was away for longer than the attempts last.
    OUTAGE = "outage"
    #: What it is about is not there yet.
    MISSING_PAYMENT = "missing-payment"
    #: A bug of ours, which the next version may not have, or a message of the next version.
    FAULT = "fault"
    #: Pub/Sub moved it: who had it in hand died or hung every time, so nobody could say why.
    UNTOLD = "untold"
    #: It has replayed by itself for as long as that can help.
    GIVEN_UP = "given-up"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """A verdict and its reason, in words that may be logged."""

    verdict: Verdict
    reason: str = ""
    #: Of AGAIN and DEAD: why, for the dead letter.
    cause: Cause | None = None
    #: The kind of error behind it, where there is one: a class's name.
    error: str = ""
    #: Of a webhook: the PSP's ids of the events in it, which changes in commercetools name as their cause.
    event_ids: tuple[str, ...] = ()


DONE = Ending(verdict=Verdict.DONE)


def ignored(reason: str) -> Ending:
    """Nothing to do."""
    return Ending(verdict=Verdict.IGNORED, reason=reason)


def again(reason: str, cause: Cause = Cause.OUTAGE, *, error: str = "") -> Ending:
    """To be delivered again, after the subscription's backoff. After too many times it is dead by this cause."""
    return Ending(verdict=Verdict.AGAIN, reason=reason, cause=cause, error=error)


def dead(reason: str, cause: Cause = Cause.POISON, *, error: str = "") -> Ending:
    """For the dead letters."""
    return Ending(verdict=Verdict.DEAD, reason=reason, cause=cause, error=error)


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
        """Stop taking messages, finish those in hand within the configured time, and flush their acknowledgements.

        Whoever asks again waits for the same end.
        """
        ...


class Subscriber(Protocol):
    """Reads topics."""

    async def consume(self, topic: Topic, handler: Handler) -> Consumption:
        """Call `handler` for every message of the topic's own subscription, several at once."""
        ...

    async def consume_replies(self, instance: str, handler: Handler) -> Consumption:
        """Read the results addressed to this ingress instance, by a subscription that lives as long as it does."""
        ...
