"""Webhooks on their way: which event is to be sent when, and again when, until somebody says 2xx. No I/O, no clock.

Signed as https://www.standardwebhooks.com describes: HMAC-SHA256 over `id.timestamp.body`, one signature per active
secret so that secrets can be rotated.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sandbox.psp import views
from sandbox.psp.events import Event
from sandbox.psp.faults import WEBHOOK_FAULTS, FaultKind, FaultPlan

#: Seconds between attempts; after the last one the event is given up, and can be sent again by hand.
BACKOFF_S: Final = (0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, *([4 * 3600] * 18))


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One event to be sent."""

    event: Event
    #: None: as soon as possible.
    not_before: datetime | None = None
    #: How often it was tried.
    attempts: int = 0
    #: Waits for another event to overtake it, but not longer than `not_before`.
    held: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """What came of one try, for the control API."""

    event: str
    type: str
    at: datetime
    #: The HTTP status, or None when no reply came.
    status: int | None


class Outbox:
    """All events, and those still to be sent."""

    def __init__(self, *, url: str | None, secrets: Sequence[str]) -> None:
        #: None: events are kept until there is somebody to send them to.
        self.url = url
        #: All of them sign. During a rotation there are two.
        self.secrets = tuple(secrets)
        self.faults = FaultPlan()
        self.events: dict[str, Event] = {}
        self.attempts: deque[Attempt] = deque(maxlen=10_000)
        self._waiting: list[Delivery] = []

    def publish(self, event: Event) -> None:
        """Send an event for the first time, unless a fault has other plans."""
        self.events[event.id] = event
        fault, self.faults = self.faults.take(event.type, WEBHOOK_FAULTS)
        delivery = Delivery(event=event)
        if fault is None:
            self._waiting.append(delivery)
        elif fault.kind is FaultKind.WEBHOOK_DUPLICATE:
            self._waiting += [delivery, delivery]
        elif fault.kind is not FaultKind.WEBHOOK_DROP:
            later = event.created + timedelta(seconds=fault.delay_s)
            self._waiting.append(replace(delivery, not_before=later, held=fault.kind is FaultKind.WEBHOOK_REORDER))

    def resend(self, event_id: str) -> bool:
        """Send a known event once more. False: there is no such event."""
        event = self.events.get(event_id)
        if event is not None:
            self._waiting.append(Delivery(event=event))
        return event is not None

    def take_due(self, now: datetime, *, limit: int) -> list[Delivery]:
        """What to send now, in order; each goes back by `settle`."""
        if self.url is None:
            return []
        taken: list[Delivery] = []
        left: list[Delivery] = []
        for delivery in self._waiting:
            due = delivery.not_before is None or delivery.not_before <= now
            (taken if due and len(taken) < limit else left).append(delivery)
        if taken:
            # Something overtakes those that were held: they follow in the next round.
            left = [replace(each, held=False, not_before=None) if each.held else each for each in left]
        self._waiting = left
        return taken

    def put_back(self, delivery: Delivery) -> None:
        """Nobody knows what came of it, so it is sent again."""
        self._waiting.append(delivery)

    def settle(self, delivery: Delivery, *, status: int | None, now: datetime) -> None:
        """Note what came of an attempt, and plan the next one unless it was a 2xx."""
        event = delivery.event
        self.attempts.append(Attempt(event=event.id, type=event.type, at=now, status=status))
        accepted = status is not None and 200 <= status < 300  # noqa: PLR2004 - the HTTP class of success
        if not accepted and delivery.attempts < len(BACKOFF_S):
            wait = timedelta(seconds=BACKOFF_S[delivery.attempts])
            self._waiting.append(replace(delivery, attempts=delivery.attempts + 1, not_before=now + wait, held=False))

    def next_due(self, now: datetime) -> datetime | None:
        """When `take_due` will next give something; None: not before something new happens."""
        if self.url is None or not self._waiting:
            return None
        return min(each.not_before or now for each in self._waiting)

    @property
    def waiting(self) -> int:
        return len(self._waiting)


def body_of(event: Event) -> bytes:
    return json.dumps(views.event(event), separators=(",", ":")).encode()


def headers_of(event_id: str, body: bytes, *, secrets: Sequence[str], now: datetime) -> Mapping[str, str]:
    """The signed headers of one attempt."""
    timestamp = str(int(now.timestamp()))
    content = f"{event_id}.{timestamp}.".encode() + body
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_sign(secret, content) for secret in secrets),
    }


def check_secrets(secrets: Sequence[str]) -> None:
    """Raise ValueError unless there is one, and all of them can sign."""
    if not secrets:
        raise ValueError("At least one webhook secret is needed: `whsec_` and the base64 of 24 to 64 random bytes.")
    for secret in secrets:
        try:
            base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except ValueError:
            raise ValueError("A webhook secret must be `whsec_` and base64. Generate a new one.") from None


def _sign(secret: str, content: bytes) -> str:
    """`whsec_` and base64 of the key's bytes, as the standard has it."""
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    digest = hmac.new(key, content, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
