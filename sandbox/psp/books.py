"""The books: payments and tokens, the journal, the ledger of money effects, and what is planned for later.

Only this file changes what is stored. Every change that the outside may hear of is announced as an event, every
movement of money is entered as an effect, both in the same step as the change itself.
"""

from __future__ import annotations

import enum
import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sandbox.psp import views
from sandbox.psp.behaviour import Course
from sandbox.psp.events import Event
from sandbox.psp.model import (
    WITHOUT_CLAIM,
    Effect,
    EffectKind,
    Failure,
    Operation,
    OperationKind,
    OperationStatus,
    Payment,
    PaymentStatus,
    RefusalError,
    StoredMethod,
    Terms,
    Token,
)


class Later(enum.StrEnum):
    """What happens by itself when its time has come, if it still fits."""

    #: An approved challenge that nobody completed is completed.
    COMPLETE = "complete"
    #: A pending payment is decided.
    SETTLE = "settle"
    #: A challenge that nobody answered expires.
    EXPIRE_ACTION = "expire_action"
    #: What nobody captured is released.
    EXPIRE_AUTHORIZATION = "expire_authorization"
    #: A pending capture or refund succeeds.
    SETTLE_OPERATION = "settle_operation"
    #: A capture or refund fails after it succeeded.
    FAIL_OPERATION = "fail_operation"


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Due:
    """One thing to do at a time; equal times in the order they were planned."""

    at: datetime
    number: int
    what: Later
    payment: str
    #: Empty: about the payment itself.
    operation: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of the journal: when which object was made."""

    created: datetime
    payment: str
    #: None: the payment itself.
    operation: str | None = None


_PREFIXES: Final = {
    OperationKind.CAPTURE: "cap",
    OperationKind.CANCEL: "can",
    OperationKind.REFUND: "ref",
    OperationKind.DISPUTE: "dis",
}
_EFFECTS: Final = {
    OperationKind.CAPTURE: EffectKind.CAPTURE,
    OperationKind.CANCEL: EffectKind.CANCEL,
    OperationKind.REFUND: EffectKind.REFUND,
    OperationKind.DISPUTE: EffectKind.DISPUTE,
}
_REVERSALS: Final = {
    OperationKind.CAPTURE: EffectKind.CAPTURE_REVERSED,
    OperationKind.REFUND: EffectKind.REFUND_REVERSED,
    OperationKind.DISPUTE: EffectKind.DISPUTE_REVERSED,
}
_EVENT_WORDS: Final = {OperationStatus.OPEN: "opened"}


class Books:
    """Everything one merchant has at this PSP."""

    def __init__(
        self, *, terms: Terms, new_id: Callable[[], str], publish: Callable[[Event], None], base_url: str
    ) -> None:
        self.terms = terms
        self.new_id = new_id
        self.base_url = base_url
        self.payments: dict[str, Payment] = {}
        self.tokens: dict[str, Token] = {}
        self.stored: dict[str, StoredMethod] = {}
        self.effects: list[Effect] = []
        self.journal: list[Entry] = []
        self._publish = publish
        self._by_reference: dict[str, list[str]] = {}
        self._payment_of: dict[str, str] = {}
        self._due: list[Due] = []
        self._planned = 0

    # Reading.

    def find(self, payment_id: str) -> Payment:
        payment = self.payments.get(payment_id)
        if payment is None:
            raise RefusalError(404, "payment_not_found", "There is no payment with this id.")
        return payment

    def find_operation(self, operation_id: str, kind: OperationKind) -> tuple[Payment, Operation]:
        payment = self.payments.get(self._payment_of.get(operation_id, ""))
        operation = payment.operation(operation_id) if payment is not None else None
        if payment is None or operation is None or operation.kind is not kind:
            raise RefusalError(404, f"{kind}_not_found", f"There is no {kind} with this id.")
        return payment, operation

    def by_reference(self, merchant_reference: str) -> tuple[Payment, ...]:
        """In the order they were made: references need not be unique."""
        return tuple(self.payments[each] for each in self._by_reference.get(merchant_reference, ()))

    # Changing.

    def open(self, payment: Payment, now: datetime) -> None:
        """Enter a new payment."""
        self.payments[payment.id] = payment
        self.journal.append(Entry(created=now, payment=payment.id))
        self._by_reference.setdefault(payment.merchant_reference, []).append(payment.id)

    def put(self, payment: Payment, now: datetime, *, event: str | None = None) -> Payment:
        """Store a changed payment, and announce it."""
        payment = replace(payment, updated=now)
        self.payments[payment.id] = payment
        if event is not None:
            self._announce(event, views.payment(payment, base_url=self.base_url), now)
        return payment

    def authorize(self, payment: Payment, now: datetime) -> Payment:
        payment = replace(
            payment,
            status=PaymentStatus.AUTHORIZED,
            amount_authorized=payment.amount,
            authorized_at=now,
            failure=None,
            stored_method=self._keep(payment),
        )
        self.effects.append(
            Effect(
                kind=EffectKind.AUTHORIZATION,
                id=payment.id,
                payment=payment.id,
                amount=payment.amount,
                currency=payment.currency,
                at=now,
                key=payment.key,
                merchant_reference=payment.merchant_reference,
                metadata=payment.metadata,
            )
        )
        self.plan(Later.EXPIRE_AUTHORIZATION, self.terms.authorization_lifetime_s, now, payment.id)
        return self.put(payment, now, event="payment.authorized")

    def _keep(self, payment: Payment) -> str | None:
        """The card kept for the customer, once, where that was wished."""
        if payment.store_for is None or payment.stored_method is not None:
            return payment.stored_method
        kept = StoredMethod(
            id=f"pm_{self.new_id()}", behaviour=payment.behaviour, card=payment.card, customer=payment.store_for
        )
        self.stored[kept.id] = kept
        return kept.id

    def decline(self, payment: Payment, failure: Failure, now: datetime) -> Payment:
        return self.put(replace(payment, status=PaymentStatus.FAILED, failure=failure), now, event="payment.failed")

    def add(self, payment: Payment, draft: Operation, course: Course, now: datetime) -> Operation:
        """Enter a new operation; its id, status and times are set here."""
        first = OperationStatus.OPEN if draft.kind is OperationKind.DISPUTE else OperationStatus.SUCCEEDED
        status = OperationStatus.PENDING if course is Course.SETTLES_LATER else first
        operation = replace(
            draft,
            id=f"{_PREFIXES[draft.kind]}_{self.new_id()}",
            status=status,
            succeeded_at=now if status is OperationStatus.SUCCEEDED else None,
            created=now,
            updated=now,
        )
        payment = self.put(replace(payment, operations=(*payment.operations, operation)), now)
        self.journal.append(Entry(created=now, payment=payment.id, operation=operation.id))
        self._payment_of[operation.id] = payment.id
        self._enter(_EFFECTS[operation.kind], payment, operation, now)
        if course is Course.SETTLES_LATER:
            self.plan(Later.SETTLE_OPERATION, self.terms.settles_after_s, now, payment.id, operation.id)
        if course is Course.FAILS_LATE:
            self.plan(Later.FAIL_OPERATION, self.terms.fails_late_after_s, now, payment.id, operation.id)
        self._announce_operation(payment, operation, now)
        return operation

    def change(
        self, operation: Operation, status: OperationStatus, now: datetime, *, failure: Failure | None = None
    ) -> Operation:
        """Give an operation another status; where it loses its claim, the money moves back."""
        payment = self.payments[self._payment_of[operation.id]]
        succeeded_at = now if status is OperationStatus.SUCCEEDED else operation.succeeded_at
        changed = replace(operation, status=status, failure=failure, succeeded_at=succeeded_at, updated=now)
        operations = tuple(changed if each.id == changed.id else each for each in payment.operations)
        payment = self.put(replace(payment, operations=operations), now)
        if status in WITHOUT_CLAIM and operation.status not in WITHOUT_CLAIM:
            self._enter(_REVERSALS[operation.kind], payment, changed, now)
        self._announce_operation(payment, changed, now)
        return changed

    # Later.

    def plan(self, what: Later, after_s: float | None, now: datetime, payment: str, operation: str = "") -> None:
        """Keep in mind what will happen by itself; `after_s` None: never."""
        if after_s is None:
            return
        self._planned += 1
        at = now + timedelta(seconds=after_s)
        heapq.heappush(self._due, Due(at=at, number=self._planned, what=what, payment=payment, operation=operation))

    def next_due(self) -> datetime | None:
        return self._due[0].at if self._due else None

    def take_due(self, now: datetime) -> Iterator[Due]:
        """What is due, the oldest first; each is given once."""
        while self._due and self._due[0].at <= now:
            yield heapq.heappop(self._due)

    def _enter(self, kind: EffectKind, payment: Payment, operation: Operation, now: datetime) -> None:
        self.effects.append(
            Effect(
                kind=kind,
                id=operation.id,
                payment=payment.id,
                amount=operation.amount,
                currency=payment.currency,
                at=now,
                key=operation.key,
                merchant_reference=operation.merchant_reference,
                metadata=operation.metadata,
            )
        )

    def _announce_operation(self, payment: Payment, operation: Operation, now: datetime) -> None:
        if operation.kind is OperationKind.CANCEL:
            event = "payment.expired" if operation.reason == "expired" else "payment.canceled"
        else:
            event = f"{operation.kind}.{_EVENT_WORDS.get(operation.status, operation.status)}"
        self._announce(event, views.operation(payment, operation), now)

    def _announce(self, event: str, data: views.Json, now: datetime) -> None:
        self._publish(Event(id=f"evt_{self.new_id()}", type=event, created=now, data=data))
