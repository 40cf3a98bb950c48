"""The front desk: what moves money or drops a card passes here, where faults strike and idempotency keys are honoured.

Two steps, so that the shell can wait in between: `open` checks the call, `run` has the effect. Both are pure over the
state they are given; the shell does the waiting, the sending and the cutting of connections.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from sandbox.psp import views
from sandbox.psp.bank import Bank
from sandbox.psp.behaviour import Manner
from sandbox.psp.books import Books
from sandbox.psp.faults import CALL_FAULTS, Fault, FaultKind, FaultPlan
from sandbox.psp.keys import KEY_LENGTH_MAX, Keys
from sandbox.psp.model import Operation, RefusalError
from sandbox.psp.reply import Reply, problem, refusal
from sandbox.psp.requests import (
    CancelByReference,
    CancelPayment,
    CompletePayment,
    CreateCapture,
    CreatePayment,
    CreateRefund,
    ForgetMethod,
    Request,
)

#: Operation -> what its body must be. The names are those that faults and the request log use.
OPERATIONS: Final[Mapping[str, type[Request]]] = {
    "payments.create": CreatePayment,
    "payments.complete": CompletePayment,
    "payments.cancel": CancelPayment,
    "cancels.create": CancelByReference,
    "captures.create": CreateCapture,
    "refunds.create": CreateRefund,
    "stored_methods.forget": ForgetMethod,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One call that moves money."""

    operation: str
    #: The payment's id in the path; empty where there is none.
    payment: str
    key: str | None
    body: bytes

    @property
    def fingerprint(self) -> str:
        head = f"{self.operation}\n{self.payment}\n".encode()
        return hashlib.sha256(head + self.body).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticket:
    """A call that may go ahead."""

    call: Call
    request: Request
    fault: Fault | None

    @property
    def delay_s(self) -> float:
        """Seconds to wait before the effect."""
        return self.fault.delay_s if self.fault is not None and self.fault.kind is FaultKind.DELAY_BEFORE else 0.0


class Desk:
    """Keys and faults before the bank."""

    def __init__(self, *, books: Books, bank: Bank, keys: Keys) -> None:
        self._books = books
        self._bank = bank
        self._keys = keys
        #: Replaced at will through the control API.
        self.faults = FaultPlan()

    def open(self, call: Call, now: datetime) -> Reply | Ticket:
        """Check a call: an answer at once, or a ticket to `run` after its delay."""
        fault, self.faults = self.faults.take(call.operation, CALL_FAULTS)
        if fault is not None and (reply := _before(fault)) is not None:
            return reply
        try:
            request = OPERATIONS[call.operation].model_validate_json(call.body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            return problem(
                400, "invalid_request", first["msg"], param=".".join(str(part) for part in first["loc"]) or None
            )
        if call.key is not None:
            if not 0 < len(call.key) <= KEY_LENGTH_MAX:
                return problem(400, "invalid_idempotency_key", f"A key has 1 to {KEY_LENGTH_MAX} characters.")
            answered = self._keys.begin(call.key, call.fingerprint, now)
            if answered is not None:
                return answered
        return Ticket(call=call, request=request, fault=fault)

    def run(self, ticket: Ticket, now: datetime) -> Reply:
        """Have the effect and keep its result under the key."""
        reply = _after(ticket.fault, self._execute(ticket, now))
        if ticket.call.key is not None:
            self._keys.finish(ticket.call.key, reply)
        return reply

    def release(self, ticket: Ticket) -> None:
        """The shell could not run the ticket."""
        if ticket.call.key is not None:
            self._keys.release(ticket.call.key)

    def _execute(self, ticket: Ticket, now: datetime) -> Reply:
        call, request = ticket.call, ticket.request
        result: Operation
        try:
            match request:
                case CreatePayment():
                    payment = self._bank.create_payment(request, key=call.key, now=now)
                    manner = payment.behaviour.manner
                    if manner is Manner.ERROR:
                        return _server_error(500)
                    body = views.payment(payment, base_url=self._books.base_url)
                    return Reply(status=201, body=body, manner=manner)
                case CompletePayment():
                    payment = self._bank.complete(call.payment, request, now=now)
                    return Reply(status=200, body=views.payment(payment, base_url=self._books.base_url))
                case ForgetMethod():
                    self._bank.forget(request)
                    return Reply(status=200, body={"object": "stored_method", "deleted": True})
                case CancelByReference():
                    result = self._bank.cancel_by_reference(request, key=call.key, now=now)
                case CancelPayment():
                    result = self._bank.cancel(call.payment, request, key=call.key, now=now)
                case CreateCapture():
                    result = self._bank.capture(call.payment, request, key=call.key, now=now)
                case CreateRefund():
                    result = self._bank.refund(call.payment, request, key=call.key, now=now)
                case _:
                    raise AssertionError(f"No operation takes a {type(request).__name__}.")
        except RefusalError as error:
            return refusal(error, base_url=self._books.base_url)
        payment, operation = self._books.find_operation(result.id, result.kind)
        return Reply(status=201, body=views.operation(payment, operation))


def _server_error(status: int) -> Reply:
    return problem(status, "internal_error", "Something went wrong on our side.")


def _before(fault: Fault) -> Reply | None:
    """The reply of a fault that strikes before anything happens."""
    if fault.kind is FaultKind.RATE_LIMIT:
        limited = problem(429, "rate_limited", "Too many requests. Come back later.")
        return replace(limited, headers={"Retry-After": str(max(1, round(fault.delay_s)))})
    if fault.kind is FaultKind.ERROR_BEFORE:
        return _server_error(fault.status)
    if fault.kind is FaultKind.DROP_BEFORE:
        return replace(_server_error(fault.status), manner=Manner.DROP)
    return None


def _after(fault: Fault | None, reply: Reply) -> Reply:
    """What a fault makes of the reply once the effect has happened."""
    if fault is None:
        return reply
    if fault.kind is FaultKind.ERROR_AFTER:
        return _server_error(fault.status)
    if fault.kind is FaultKind.DROP_REPLY:
        return replace(reply, manner=Manner.DROP)
    if fault.kind is FaultKind.DELAY_REPLY:
        return replace(reply, delay_s=fault.delay_s)
    return reply
