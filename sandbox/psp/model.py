"""What Sandbox Pay keeps: payments, the operations on them, tokens, and the ledger of money effects.

All values are frozen; a change is a copy. Amounts are integers in minor units. Sums are folds over the operations, so
that no counter can disagree with them.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sandbox.psp.behaviour import Behaviour


class PaymentStatus(enum.StrEnum):
    """Where a payment stands."""

    #: The shopper has to pass a challenge, in an iframe or after a redirect.
    REQUIRES_ACTION = "requires_action"
    #: The shopper passed the challenge; nobody has completed the payment yet.
    APPROVED_NOT_COMPLETED = "approved_not_completed"
    #: Accepted, to be decided later.
    PENDING = "pending"
    #: The money is held, and some or all of it may have been captured.
    AUTHORIZED = "authorized"
    #: Declined, by the bank or by the shopper in the challenge.
    FAILED = "failed"
    #: What was left was released on the merchant's wish.
    CANCELED = "canceled"
    #: What was left was released because nobody took it in time.
    EXPIRED = "expired"


class OperationKind(enum.StrEnum):
    """What was done to a payment."""

    #: Money taken out of the authorization.
    CAPTURE = "capture"
    #: What was left of the authorization released.
    CANCEL = "cancel"
    #: Money given back on the merchant's wish.
    REFUND = "refund"
    #: One round of a dispute: money taken back on the cardholder's wish.
    DISPUTE = "dispute"


class OperationStatus(enum.StrEnum):
    """How far an operation got. Disputes use the last three, all others the first three."""

    #: Accepted, to be decided later.
    PENDING = "pending"
    #: Done.
    SUCCEEDED = "succeeded"
    #: Not done, or undone later.
    FAILED = "failed"
    #: The cardholder disputes; the money is withheld.
    OPEN = "open"
    #: The merchant keeps the money.
    WON = "won"
    #: The cardholder keeps the money.
    LOST = "lost"


#: In these states an operation has no claim on money.
WITHOUT_CLAIM = frozenset({OperationStatus.FAILED, OperationStatus.WON})


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """What may be shown of a card."""

    brand: str
    last4: str
    exp_month: int
    exp_year: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """What the fields page gives for a card. Good for one payment."""

    id: str
    behaviour: Behaviour
    card: Card
    #: The page that embedded the fields; it may also embed the challenge.
    origin: str | None
    created: datetime
    used: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredMethod:
    """A card that is kept for a customer. Good for any number of payments, until it is forgotten."""

    id: str
    behaviour: Behaviour
    card: Card
    #: The merchant's name for the customer.
    customer: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why something failed, for machines and for people."""

    code: str
    message: str
    decline_code: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """A capture, a cancel, a refund or one round of a dispute."""

    kind: OperationKind
    id: str
    amount: int
    status: OperationStatus
    created: datetime
    updated: datetime
    merchant_reference: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    #: The capture that a refund is taken from; None: from the payment as a whole.
    capture: str | None = None
    #: Why: of a cancel (`requested`, `expired`) or a dispute (`fraudulent`, ...).
    reason: str | None = None
    #: Which round of disputes, counted from one.
    round: int | None = None
    failure: Failure | None = None
    #: When it succeeded, even if it failed afterwards; None: it never did.
    succeeded_at: datetime | None = None
    #: The idempotency key of the call that asked for it.
    key: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Payment:
    """One payment with everything done to it."""

    id: str
    amount: int
    currency: str
    status: PaymentStatus
    behaviour: Behaviour
    card: Card
    merchant_reference: str
    metadata: Mapping[str, str]
    description: str | None
    return_url: str
    #: The page that may embed the challenge.
    origin: str | None
    created: datetime
    updated: datetime
    #: What the challenge handed to the browser; opaque to everybody but us.
    result: str | None = None
    failure: Failure | None = None
    amount_authorized: int = 0
    authorized_at: datetime | None = None
    operations: tuple[Operation, ...] = ()
    key: str | None = None
    #: For whom the card is to be kept once it is authorized; None: for nobody.
    store_for: str | None = None
    #: What it is kept as since then.
    stored_method: str | None = None

    def of(self, kind: OperationKind) -> tuple[Operation, ...]:
        return tuple(each for each in self.operations if each.kind is kind)

    def operation(self, operation_id: str) -> Operation | None:
        return next((each for each in self.operations if each.id == operation_id), None)

    def total(self, kind: OperationKind, *, capture: str | None = None) -> int:
        """What operations of a kind lay claim to; with `capture`, only those taken from that capture."""
        return sum(
            each.amount
            for each in self.of(kind)
            if each.status not in WITHOUT_CLAIM and (capture is None or each.capture == capture)
        )

    @property
    def capturable(self) -> int:
        """What is still held. Nothing once a payment is canceled or has expired."""
        if self.status is not PaymentStatus.AUTHORIZED:
            return 0
        return self.amount_authorized - self.total(OperationKind.CAPTURE)

    @property
    def refundable(self) -> int:
        """What was captured and has not gone back, by refund or by dispute."""
        gone = self.total(OperationKind.REFUND) + self.total(OperationKind.DISPUTE)
        return self.total(OperationKind.CAPTURE) - gone


class EffectKind(enum.StrEnum):
    """Money that really moved, or was really held or released."""

    AUTHORIZATION = "authorization"
    CAPTURE = "capture"
    CANCEL = "cancel"
    REFUND = "refund"
    DISPUTE = "dispute"
    #: A capture that failed late gave the money back.
    CAPTURE_REVERSED = "capture_reversed"
    #: A refund that failed brought the money back.
    REFUND_REVERSED = "refund_reversed"
    #: A dispute that was won brought the money back.
    DISPUTE_REVERSED = "dispute_reversed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """One line of the ledger, for checkers: what moved, under which key and reference."""

    kind: EffectKind
    #: The operation's id, or the payment's for an authorization.
    id: str
    payment: str
    amount: int
    currency: str
    at: datetime
    key: str | None
    merchant_reference: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """How this PSP behaves in time. Seconds; None: only when somebody asks for it through the control API."""

    #: How long an idempotency key is honoured.
    key_lifetime_s: float = 24 * 3600.0
    #: An approved challenge that nobody completes is completed by us, so that a lost browser loses no sale.
    auto_complete_after_s: float | None = 20.0
    #: A challenge that nobody answers expires.
    action_expires_after_s: float | None = 15 * 60.0
    #: A pending payment, capture or refund is decided.
    settles_after_s: float | None = 10.0
    #: What fails late fails this much later.
    fails_late_after_s: float | None = 10.0
    #: What nobody captured is released.
    authorization_lifetime_s: float | None = 7 * 24 * 3600.0
    #: How long a reply that "never comes" is held before the connection is cut.
    hold_s: float = 300.0


class RefusalError(Exception):
    """A definite no, with the HTTP status and the words for the caller."""

    def __init__(
        self, status: int, code: str, message: str, *, decline_code: str | None = None, payment: Payment | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.decline_code = decline_code
        #: The payment that was made and declined, where there is one.
        self.payment = payment
