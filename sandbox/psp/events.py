"""The events that webhooks carry, and the published list of their types.

An event holds its object as it was at that moment. Every object names its payment and brings back the merchant's
references, its own and the payment's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

#: Every type there is, with its meaning. `GET /v1/event_types` publishes this list.
EVENT_TYPES: Final[Mapping[str, str]] = {
    "payment.action_required": "The shopper has to pass a challenge.",
    "payment.pending": "Accepted, to be decided later.",
    "payment.authorized": "The amount is held. Can follow payment.failed.",
    "payment.failed": "Declined by the bank, or refused by the shopper in the challenge.",
    "payment.canceled": "The object is the cancel: what was left was released as the merchant asked.",
    "payment.expired": "The object is the cancel that we made ourselves: nobody acted or captured in time.",
    "capture.pending": "Accepted, to be decided later.",
    "capture.succeeded": "The money was taken.",
    "capture.failed": "The money was not taken, or was taken and given back. Can follow capture.succeeded.",
    "refund.pending": "Accepted, to be decided later.",
    "refund.succeeded": "The money went back.",
    "refund.failed": "The money did not go back, or came back. Can follow refund.succeeded.",
    "dispute.opened": "The cardholder disputes the payment; the amount is withheld.",
    "dispute.won": "The amount is yours again.",
    "dispute.lost": "The amount stays with the cardholder.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened. Sent again, it has the same id and the same body."""

    id: str
    type: str
    created: datetime
    data: Mapping[str, object]
