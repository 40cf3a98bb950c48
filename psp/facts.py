"""Facts: what a PSP says has happened, whichever way it said so.

The reply to a call, a webhook and a lookup all become the same `Fact`, so that one pure function can decide what to
write to commercetools and neither order nor repetition matters.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from psp.money import Money


class Kind(enum.StrEnum):
    """What moved. The values are commercetools' transaction types."""

    #: The PSP holds (or refused to hold) the shopper's money.
    AUTHORIZATION = "Authorization"
    #: The hold, or what is left of it, was released.
    CANCEL_AUTHORIZATION = "CancelAuthorization"
    #: Money was taken: a capture.
    CHARGE = "Charge"
    #: Money went back by our wish.
    REFUND = "Refund"
    #: Money went back by the bank's wish: one round of a dispute.
    CHARGEBACK = "Chargeback"


class State(enum.StrEnum):
    """How far it got. The order in which states may follow each other is in `ct.states`."""

    #: Reserved; the PSP may not know of it yet.
    INITIAL = "Initial"
    #: The PSP knows of it and has not decided.
    PENDING = "Pending"
    #: Definitely did not happen.
    FAILURE = "Failure"
    #: Happened.
    SUCCESS = "Success"
    #: Happened and was undone later: a capture or refund that failed after all, a dispute won.
    REVERSED = "Reversed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """Our own name for an operation at the PSP: everything we send carries it, every webhook brings it back."""

    #: The commercetools project. Another project's references are not ours to act on.
    project_key: str
    #: The commercetools Payment's id.
    payment_id: str
    #: The id of the transaction on that Payment; None where the PSP tells only which payment is meant.
    transaction_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """One thing the PSP says about one operation."""

    kind: Kind
    state: State
    amount: Money
    #: The PSP's time of the event, or of the reply where it gives none.
    at: datetime
    #: The PSP's id of this operation (of the capture, the refund, the dispute round); None where it has none.
    psp_reference: str | None = None
    #: The PSP's id of the payment that the operation belongs to.
    payment_reference: str | None = None
    #: Our reference, where the PSP returned it.
    reference: Reference | None = None
    #: The PSP's code and text for a person, such as the reason of a decline.
    code: str | None = None
    message: str | None = None


class ActionType(enum.StrEnum):
    """What the shopper's browser has to do before the PSP decides."""

    #: Show the URL in an iframe over the page, and bring back what it posts.
    CHALLENGE = "challenge"
    #: Leave the page for the URL; the PSP sends the shopper back to the return URL.
    REDIRECT = "redirect"


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """An action the PSP asks of the shopper: a 3-D Secure challenge or a redirect."""

    type: ActionType
    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Instrument:
    """What may be shown of the means of payment. Never a number, never a token."""

    #: For example `card`.
    method: str
    #: For people, for example `Visa`.
    brand: str | None = None
    last_four: str | None = None
    #: 1 to 12, and all four digits.
    expiry_month: int | None = None
    expiry_year: int | None = None
