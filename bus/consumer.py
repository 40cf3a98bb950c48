"""From the end of handling to the fate of the message: the one place that acknowledges, returns and dead-letters.

Law: acknowledge only what is durable. A dead letter is acknowledged after the bus has confirmed it, and if it does not,
the message comes again.
"""

from __future__ import annotations

import asyncio
import enum
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from bus.letters import epitaph
from bus.port import Cause, Delivery, Ending, Handler, Publisher, Verdict, again, dead
from bus.topics import POLICIES, Topic
from psp.trace import TRACEPARENT, Span, span_for, within

if TYPE_CHECKING:
    from psp.seams import Clock

_log = structlog.get_logger(__name__)


class Fate(enum.Enum):
    """What the bus is told about a delivery."""

    #: It is finished and never delivered again.
    ACK = enum.auto()
    #: It is delivered again, after the subscription's backoff.
    NACK = enum.auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class Consumer:
    """One topic's handler, and where its dead letters go."""

    topic: Topic
    handler: Handler
    dead_letters: Publisher
    clock: Clock
    #: Bounds the handlers that run at the same time, here and wherever else it is shared.
    places: asyncio.Semaphore

    async def take(self, delivery: Delivery) -> Fate:
        """Handle one delivery and say what the bus is told. Never raises, except when cancelled: then it is a NACK.

        Writes the one outcome line that every message has in the logs.
        """
        started = asyncio.get_running_loop().time()
        with within(self._span(delivery)):
            try:
                async with self.places:
                    ending = _bounded(self.topic, delivery, await self._handled(delivery))
                    fate = await self._fate(delivery, ending)
            except asyncio.CancelledError:
                self._tell(delivery, again("cancelled: the process stops"), started)
                raise
            self._tell(delivery, ending, started)
        return fate

    def _span(self, delivery: Delivery) -> Span:
        # The attempts alone do not tell deliveries apart: not every subscription counts them.
        unique = f"{self.topic} {delivery.message_id} {delivery.attempt} {self.clock().isoformat()}"
        return span_for(delivery.attributes.get(TRACEPARENT), unique=unique)

    def _tell(self, delivery: Delivery, ending: Ending, started: float) -> None:
        _log.info(
            f"message.{ending.verdict}",
            topic=self.topic.value,
            type=delivery.attributes.get("type"),
            message_id=delivery.message_id,
            correlation_id=delivery.attributes.get("correlation_id"),
            command_id=delivery.attributes.get("command_id"),
            event_id=" ".join(ending.event_ids) or None,
            attempt=delivery.attempt,
            reason=ending.reason or None,
            cause=ending.cause,
            duration_ms=round((asyncio.get_running_loop().time() - started) * 1000, 1),
            age_ms=round((self.clock() - delivery.published_at).total_seconds() * 1000, 1),
        )

    async def _handled(self, delivery: Delivery) -> Ending:
        try:
            return await self.handler(delivery)
        except Exception as error:  # noqa: BLE001 - whatever it is, the message must not be lost
            # A bug of ours: the message comes again until it is mended.
            kind = type(error).__name__
            # Its text may quote the message, secrets included: the places will do.
            frames = traceback.extract_tb(error.__traceback__)
            places = "; ".join(f"{frame.name} at {frame.filename}:{frame.lineno}" for frame in frames)
            _log.error(
                "message.crashed",
                topic=self.topic.value,
                message_id=delivery.message_id,
                type=kind,
                exception=places,
            )
            return again(f"the handler failed: {kind}", Cause.FAULT, error=kind)

    async def _fate(self, delivery: Delivery, ending: Ending) -> Fate:
        match ending.verdict:
            case Verdict.DONE | Verdict.IGNORED:
                return Fate.ACK
            case Verdict.AGAIN:
                return Fate.NACK
            case Verdict.DEAD:
                return await self._bury(delivery, ending)

    async def _bury(self, delivery: Delivery, ending: Ending) -> Fate:
        try:
            written = epitaph(self.topic, delivery, ending, self.clock())
            await self.dead_letters.publish(Topic.DEAD_LETTERS, delivery.data, written)
        except Exception as error:  # noqa: BLE001 - whatever it is, the message must not be lost
            _log.warning(
                "dead_letter.unpublished",
                topic=self.topic.value,
                message_id=delivery.message_id,
                type=type(error).__name__,
            )
            return Fate.NACK
        return Fate.ACK


def _bounded(topic: Topic, delivery: Delivery, ending: Ending) -> Ending:
    """What has come too often is buried by us, who know why, and not by Pub/Sub, which does not."""
    most = POLICIES[topic].attempts
    if ending.verdict is not Verdict.AGAIN or most is None or delivery.attempt < most:
        return ending
    return dead(ending.reason, ending.cause or Cause.OUTAGE, error=ending.error)
