"""Where an operation stands, as the one who asked for it is told: by the reply, by the status, or by a redirect."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from psp.facts import Action


class Outcome(enum.StrEnum):
    """How an operation ended, or where it stands."""

    #: Done.
    APPROVED = "approved"
    #: The PSP declined.
    REJECTED = "rejected"
    #: Our own law forbids it; the PSP never heard of it.
    REFUSED = "refused"
    #: The shopper must act.
    ACTION = "action"
    #: Under way: the PSP settles it later, or nobody has taken it up yet.
    PENDING = "pending"
    #: There is no such Payment.
    NOT_FOUND = "not-found"
    #: The idempotency key was used for something else.
    KEY_REUSED = "key-reused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """Why, for a program and for a person. Nothing secret."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """Where one operation stands."""

    outcome: Outcome
    #: The commercetools Payment's id; None while there is none.
    payment_reference: str | None = None
    #: With `ACTION`: what the shopper must do.
    action: Action | None = None
    #: With `REJECTED`, `REFUSED`, `NOT_FOUND` and `KEY_REUSED`: why.
    reason: Reason | None = None
