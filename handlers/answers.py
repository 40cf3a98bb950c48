"""The answers: from where an operation stands to what HTTP says, row by row of the design's table. Pure.

Checkout turns a payment-intents reply without an outcome into a 500 of its own, so there every end that is not an error
of the caller is a 200 with an outcome; `/payments` tells a refusal apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Generic, Literal, TypeAlias, TypeVar

from handlers.errors import Fault, Problem, body_of
from handlers.shapes import (
    IntentReply,
    PaymentReply,
    Shape,
    Step,
    TransactionError,
    TransactionReply,
    TransactionStatus,
    Why,
)
from psp.outcome import Outcome, Standing

_PaymentWord: TypeAlias = Literal["approved", "rejected", "pending", "action"]
_IntentWord: TypeAlias = Literal["approved", "rejected", "received"]
_TransactionWord: TypeAlias = Literal["Completed", "Failed", "Pending"]
_Outcome = TypeVar("_Outcome", _PaymentWord, _IntentWord, _TransactionWord)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An HTTP reply, before it is one."""

    status: int
    #: None: no body.
    body: Shape | None
    headers: Mapping[str, str] = field(default_factory=dict)

    def with_headers(self, headers: Mapping[str, str]) -> Answer:
        """The same answer with more headers."""
        return replace(self, headers={**self.headers, **headers})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Told(Generic[_Outcome]):
    """The outcome is told, with a 200."""

    #: The contract's word for it.
    outcome: _Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class _Refused:
    """It is told as an error."""

    status: int
    code: str
    #: Where the standing gives no reason.
    message: str


_NO_SUCH_PAYMENT: Final = _Refused(status=404, code="ResourceNotFound", message="There is no such payment.")
_NO_SUCH_OPERATION: Final = _Refused(status=404, code="ResourceNotFound", message="There is no such cart or operation.")
_KEY_REUSED: Final = _Refused(
    status=422,
    code="IdempotencyKeyReused",
    message="This Idempotency-Key was used for another request. Send a new one.",
)
_FORBIDDEN: Final = _Refused(status=400, code="InvalidOperation", message="The payment does not allow this.")

#: POST /payments, POST /payments/{operation}/complete and the status.
_PAYMENTS: Final[Mapping[Outcome, _Told[_PaymentWord] | _Refused]] = {
    Outcome.APPROVED: _Told(outcome="approved"),
    Outcome.REJECTED: _Told(outcome="rejected"),
    Outcome.REFUSED: _FORBIDDEN,
    Outcome.ACTION: _Told(outcome="action"),
    Outcome.PENDING: _Told(outcome="pending"),
    Outcome.NOT_FOUND: _NO_SUCH_OPERATION,
    Outcome.KEY_REUSED: _KEY_REUSED,
}

#: POST /operations/payment-intents/{id}.
_INTENTS: Final[Mapping[Outcome, _Told[_IntentWord] | _Refused]] = {
    Outcome.APPROVED: _Told(outcome="approved"),
    Outcome.REJECTED: _Told(outcome="rejected"),
    Outcome.REFUSED: _Told(outcome="rejected"),
    # No modification asks anything of a shopper; if one ever does, it is still under way.
    Outcome.ACTION: _Told(outcome="received"),
    Outcome.PENDING: _Told(outcome="received"),
    Outcome.NOT_FOUND: _NO_SUCH_PAYMENT,
    Outcome.KEY_REUSED: _KEY_REUSED,
}

#: POST /operations/transactions. Checkout is told of a refusal as of a decline, in the contract's one code for both.
_TRANSACTIONS: Final[Mapping[Outcome, _Told[_TransactionWord] | _Refused]] = {
    Outcome.APPROVED: _Told(outcome="Completed"),
    Outcome.REJECTED: _Told(outcome="Failed"),
    Outcome.REFUSED: _Told(outcome="Failed"),
    # Nobody is there to act: it comes to nothing by itself, or the PSP decides.
    Outcome.ACTION: _Told(outcome="Pending"),
    Outcome.PENDING: _Told(outcome="Pending"),
    Outcome.NOT_FOUND: _NO_SUCH_PAYMENT,
    Outcome.KEY_REUSED: _KEY_REUSED,
}

#: What the merchant's return page is told, as a query parameter. A shopper's browser gets no error statuses.
_RETURNS: Final[Mapping[Outcome, str]] = {
    Outcome.APPROVED: "approved",
    Outcome.REJECTED: "rejected",
    Outcome.REFUSED: "rejected",
    Outcome.ACTION: "action",
    Outcome.PENDING: "pending",
    Outcome.NOT_FOUND: "rejected",
    Outcome.KEY_REUSED: "rejected",
}


def payment_answer(standing: Standing | None, *, operation: str, status_url: str) -> Answer:
    """To POST /payments and its completion. None: no result in time."""
    if standing is None:
        body = PaymentReply(payment_reference=None, outcome="pending", operation=operation, status_url=status_url)
        return Answer(status=202, body=body, headers={"Location": status_url})
    answer = status_answer(standing, operation=operation)
    return Answer(status=answer.status, body=answer.body, headers={"Location": status_url})


def status_answer(standing: Standing | None, *, operation: str) -> Answer:
    """To GET /payments/{operation}. None: no worker has taken it up yet, or nobody ever asked for it.

    The two cannot be told apart from one read, and a poll that comes early must not look like an error.
    """
    if standing is None:
        waiting = PaymentReply(payment_reference=None, outcome="pending", operation=operation)
        return Answer(status=200, body=waiting)
    row = _PAYMENTS[standing.outcome]
    if isinstance(row, _Refused):
        return _error(row, standing)
    reply = PaymentReply(payment_reference=standing.payment_reference, outcome=row.outcome, operation=operation)
    if standing.action is not None:
        reply = reply.model_copy(update={"action": Step(type=standing.action.type.value, url=standing.action.url)})
    return Answer(status=200, body=_with_reason(reply, standing))


def intent_answer(standing: Standing | None) -> Answer:
    """To POST /operations/payment-intents/{id}. None: no result in time."""
    if standing is None:
        return Answer(status=200, body=IntentReply(outcome="received"))
    row = _INTENTS[standing.outcome]
    if isinstance(row, _Refused):
        return _error(row, standing)
    return Answer(status=200, body=_with_reason(IntentReply(outcome=row.outcome), standing))


def transaction_answer(standing: Standing | None) -> Answer:
    """To POST /operations/transactions. None: no result in time."""
    if standing is None:
        return Answer(
            status=201, body=TransactionReply(transaction_status=TransactionStatus(state="Pending", errors=[]))
        )
    row = _TRANSACTIONS[standing.outcome]
    if isinstance(row, _Refused):
        return _error(row, standing)
    errors = []
    if row.outcome == "Failed":
        reason = standing.reason
        text = f"{reason.message} ({reason.code})" if reason else "The payment was not accepted."
        errors.append(TransactionError(code="PaymentRejected", message=text))
    reply = TransactionReply(transaction_status=TransactionStatus(state=row.outcome, errors=errors))
    if standing.payment_reference is not None:
        reply = reply.model_copy(update={"payment_id": standing.payment_reference})
    return Answer(status=201, body=reply)


def return_outcome(standing: Standing | None) -> str:
    """The word for the merchant's return page."""
    return "pending" if standing is None else _RETURNS[standing.outcome]


def _with_reason(body: Shape, standing: Standing) -> Shape:
    """The body with the reason, if there is one; every body that is passed here has a place for it."""
    reason = standing.reason
    return body if reason is None else body.model_copy(update={"reason": Why(code=reason.code, message=reason.message)})


def _error(row: _Refused, standing: Standing) -> Answer:
    reason = standing.reason
    fault = Fault(code=row.code, message=reason.message if reason else row.message)
    problem = Problem(status=row.status, faults=(fault,), headers={})
    body = body_of(problem)
    if standing.payment_reference is not None:
        body = body.model_copy(update={"payment_reference": standing.payment_reference})
    return Answer(status=row.status, body=_with_reason(body, standing))
