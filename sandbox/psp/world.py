"""What others do to a merchant's payments: shoppers answer challenges, banks settle, cardholders dispute, time passes.

The challenge page, the dashboard and the control API act through this; `tick` acts by itself.
"""

from __future__ import annotations

import enum
from dataclasses import replace
from datetime import datetime

from sandbox.psp import rules
from sandbox.psp.behaviour import Course, Verdict
from sandbox.psp.books import Books, Due, Later
from sandbox.psp.model import (
    Failure,
    Operation,
    OperationKind,
    OperationStatus,
    Payment,
    PaymentStatus,
    RefusalError,
)


class Decision(enum.StrEnum):
    """What the shopper pressed in the challenge, or a bank decided about what was pending."""

    APPROVE = "approve"
    REFUSE = "refuse"


class World:
    """Everybody but the merchant."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def answer_challenge(self, payment_id: str, decision: Decision, now: datetime) -> Payment:
        """The shopper's answer; the first one counts. The result is for the merchant to complete the payment with."""
        payment = self._books.find(payment_id)
        if payment.status is not PaymentStatus.REQUIRES_ACTION:
            if payment.result is None:
                raise RefusalError(409, "no_action_open", "There is nothing to decide about this payment.")
            return payment
        payment = replace(payment, result=f"res_{self._books.new_id()}")
        if decision is Decision.REFUSE:
            failure = Failure(code="authentication_failed", message="The shopper refused, or could not be identified.")
            return self._books.decline(payment, failure, now)
        payment = self._books.put(replace(payment, status=PaymentStatus.APPROVED_NOT_COMPLETED), now)
        self._books.plan(Later.COMPLETE, self._books.terms.auto_complete_after_s, now, payment.id)
        return payment

    def settle(self, payment_id: str, decision: Decision, now: datetime) -> Payment:
        """Decide a pending payment; a failed one can still be approved, as some banks do."""
        payment = self._books.find(payment_id)
        if decision is Decision.APPROVE and payment.status in {PaymentStatus.PENDING, PaymentStatus.FAILED}:
            return self._books.authorize(payment, now)
        if decision is Decision.REFUSE and payment.status is PaymentStatus.PENDING:
            return self._books.decline(payment, rules.decline(payment.behaviour), now)
        raise RefusalError(409, "not_pending", f"The payment is {payment.status}; there is nothing to settle.")

    def settle_operation(self, kind: OperationKind, operation_id: str, now: datetime) -> Operation:
        """A pending capture or refund succeeds."""
        _, operation = self._books.find_operation(operation_id, kind)
        if operation.status is not OperationStatus.PENDING:
            raise RefusalError(409, "not_pending", f"The {kind} is {operation.status}.")
        return self._books.change(operation, OperationStatus.SUCCEEDED, now)

    def fail_operation(self, kind: OperationKind, operation_id: str, now: datetime) -> Operation:
        """A capture or refund fails, even after it succeeded: the money goes back to where it came from."""
        _, operation = self._books.find_operation(operation_id, kind)
        if operation.status is OperationStatus.FAILED:
            raise RefusalError(409, "already_failed", f"The {kind} has failed already.")
        failure = Failure(code=f"{kind}_failed", message="The bank sent the money back.")
        return self._books.change(operation, OperationStatus.FAILED, now, failure=failure)

    def open_dispute(self, payment_id: str, *, amount: int | None, reason: str, now: datetime) -> Operation:
        """A new round of dispute, over all that was captured and has not gone back unless an amount is given."""
        payment = self._books.find(payment_id)
        rounds = payment.of(OperationKind.DISPUTE)
        if any(each.status is OperationStatus.OPEN for each in rounds):
            raise RefusalError(409, "dispute_open", "A dispute is open already. Let it be won or lost first.")
        disputed = payment.refundable if amount is None else amount
        if not 0 < disputed <= payment.refundable:
            raise RefusalError(400, "amount_too_large", "A dispute cannot take back more than was captured.")
        draft = Operation(
            kind=OperationKind.DISPUTE,
            id="",
            amount=disputed,
            status=OperationStatus.OPEN,
            created=now,
            updated=now,
            reason=reason,
            round=len(rounds) + 1,
        )
        return self._books.add(payment, draft, Course.SUCCEEDS, now)

    def close_dispute(self, dispute_id: str, outcome: OperationStatus, now: datetime) -> Operation:
        """The merchant has `WON` or `LOST` this round."""
        _, dispute = self._books.find_operation(dispute_id, OperationKind.DISPUTE)
        if dispute.status is not OperationStatus.OPEN:
            raise RefusalError(409, "dispute_closed", f"The dispute is {dispute.status} already.")
        return self._books.change(dispute, outcome, now)

    def expire(self, payment_id: str, now: datetime) -> Operation:
        """Release what nobody acted on or captured in time."""
        payment = self._books.find(payment_id)
        draft = Operation(
            kind=OperationKind.CANCEL,
            id="",
            amount=rules.cancelable(payment),
            status=OperationStatus.SUCCEEDED,
            created=now,
            updated=now,
            reason="expired",
        )
        return self._books.add(replace(payment, status=PaymentStatus.EXPIRED), draft, Course.SUCCEEDS, now)

    def tick(self, now: datetime) -> None:
        """Do everything whose time has come and that still fits."""
        for due in self._books.take_due(now):
            payment = self._books.find(due.payment)
            operation = payment.operation(due.operation)
            if operation is not None:
                self._tick_operation(due, operation, now)
            elif due.what is Later.COMPLETE and payment.status is PaymentStatus.APPROVED_NOT_COMPLETED:
                self._books.authorize(payment, now)
            elif due.what is Later.SETTLE and payment.status is PaymentStatus.PENDING:
                declined = payment.behaviour.verdict is Verdict.PENDING_DECLINED
                self.settle(payment.id, Decision.REFUSE if declined else Decision.APPROVE, now)
            elif (due.what is Later.EXPIRE_ACTION and payment.status is PaymentStatus.REQUIRES_ACTION) or (
                due.what is Later.EXPIRE_AUTHORIZATION and payment.capturable > 0
            ):
                self.expire(payment.id, now)

    def _tick_operation(self, due: Due, operation: Operation, now: datetime) -> None:
        if due.what is Later.SETTLE_OPERATION and operation.status is OperationStatus.PENDING:
            self._books.change(operation, OperationStatus.SUCCEEDED, now)
        if due.what is Later.FAIL_OPERATION and operation.status is OperationStatus.SUCCEEDED:
            self.fail_operation(operation.kind, operation.id, now)
