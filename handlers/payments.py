"""Payments: a shopper pays, comes back from a challenge, and asks how it went."""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

from bus.messages import AuthorizePayment, CompleteAuthorization
from handlers import attempts, body, callers, dispatch, headers, requests, returns
from handlers.answers import Answer, payment_answer, status_answer
from handlers.dependencies import Dependencies, Session
from handlers.errors import RequestError, invalid, required
from handlers.means import means_of
from psp.card_numbers import hides_card_number

#: Characters of a merchant's reference in a command.
_REFERENCE_MAX: Final = 256
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


async def create(dependencies: Dependencies, request: web.Request) -> Answer:
    """POST /payments: authorize the cart's total on what the shopper's token stands for."""
    session = await callers.session(dependencies, request)
    key = headers.idempotency_key(request)
    limits = dependencies.limits
    wait = headers.wait(request, default_s=limits.payments_wait_s, s_max=limits.wait_s_max)
    asked = requests.read(requests.PaymentRequest, await body.read_json(request, limits.body)).payment_method
    correlation_id = headers.correlation_id(request)
    means = await means_of(dependencies, session, asked, key=key, correlation_id=correlation_id)
    scope = _scope(dependencies, session)
    operation = dependencies.new_id() if key is None else attempts.command_id(scope, key)
    command = AuthorizePayment(
        command_id=operation,
        correlation_id=correlation_id,
        accepted_at=dependencies.clock(),
        reply_to=dependencies.instance,
        cart_id=session.cart_id,
        owner=session.owner,
        method=asked.type,
        token=means.token,
        stored_method_id=means.stored_method_id,
        store=means.store,
        gift_card_planned=session.gift_card_planned,
        po_number=means.po_number,
        invoice_memo=means.invoice_memo,
        attempt_key=None if key is None else attempts.attempt_key(scope, key),
        request_hash=attempts.payment_hash(cart_id=session.cart_id, method=asked.type),
        return_url=returns.return_url(dependencies, session, operation),
        merchant_reference=_reference(session),
    )
    standing = await dispatch.carry_out(dependencies, command, wait_s=wait.seconds)
    answer = payment_answer(standing, operation=operation, status_url=dependencies.status_url(operation))
    return answer.with_headers(wait.headers)


async def complete(dependencies: Dependencies, request: web.Request) -> Answer:
    """POST /payments/{operation}/complete: go on after the shopper's challenge."""
    session = await callers.session(dependencies, request)
    operation = requests.path_id("operation", request.match_info["operation"])
    key = headers.idempotency_key(request)
    limits = dependencies.limits
    wait = headers.wait(request, default_s=limits.payments_wait_s, s_max=limits.wait_s_max)
    asked = requests.read(requests.CompleteRequest, await body.read_json(request, limits.body))
    scope = attempts.Scope(
        project_key=dependencies.project_key, caller=session.owner, route=f"POST /payments/{operation}/complete"
    )
    command = CompleteAuthorization(
        command_id=dependencies.new_id() if key is None else attempts.command_id(scope, key),
        correlation_id=headers.correlation_id(request),
        accepted_at=dependencies.clock(),
        reply_to=dependencies.instance,
        operation=operation,
        cart_id=session.cart_id,
        owner=session.owner,
        parameters=requests.parameters(list(asked.parameters.items())),
    )
    standing = await dispatch.carry_out(dependencies, command, wait_s=wait.seconds)
    answer = payment_answer(standing, operation=operation, status_url=dependencies.status_url(operation))
    return answer.with_headers(wait.headers)


async def find(dependencies: Dependencies, request: web.Request) -> Answer:
    """GET /payments: where the payment stands that a request with this key has led to, whose answer never came.

    Pending also where no such request has arrived: what to do then is to send it again, under the same key.
    """
    session = await callers.session(dependencies, request)
    key = headers.idempotency_key(request)
    if key is None:
        raise RequestError(required(headers.IDEMPOTENCY))
    operation = attempts.command_id(_scope(dependencies, session), key)
    return await _status(dependencies, session, operation, correlation_id=headers.correlation_id(request))


async def status(dependencies: Dependencies, request: web.Request) -> Answer:
    """GET /payments/{operation}: where it stands, by one read, for the session that began it."""
    session = await callers.session(dependencies, request)
    operation = requests.path_id("operation", request.match_info["operation"])
    return await _status(dependencies, session, operation, correlation_id=headers.correlation_id(request))


def _scope(dependencies: Dependencies, session: Session) -> attempts.Scope:
    return attempts.Scope(project_key=dependencies.project_key, caller=session.owner, route="POST /payments")


async def _status(dependencies: Dependencies, session: Session, operation: str, *, correlation_id: str) -> Answer:
    standing = await dependencies.status.read(
        cart_id=session.cart_id, owner=session.owner, operation=operation, correlation_id=correlation_id
    )
    return status_answer(standing, operation=operation)


def _reference(session: Session) -> str | None:
    """The order number that the merchant has planned, for the PSP's dashboard."""
    number = session.future_order_number
    if number is not None and (len(number) > _REFERENCE_MAX or _CONTROL.search(number)):
        field = "session.metadata.futureOrderNumber"
        most = f"at most {_REFERENCE_MAX} characters, none of them a control character"
        raise invalid(field, f"Create the session with an order number of {most}.")
    # Nothing that a session holds has been looked through, and this goes to commercetools and to the PSP.
    if hides_card_number(number or ""):
        field = "session.metadata.futureOrderNumber"
        raise invalid(field, "The order number passes for a card number. Create the session with another.")
    return number
