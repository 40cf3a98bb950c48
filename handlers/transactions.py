"""Transactions: a merchant's system charges a customer's stored method when the customer is not there: a renewal."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from bus.messages import AuthorizePayment
from handlers import attempts, body, callers, dispatch, headers, requests
from handlers.answers import Answer, transaction_answer
from handlers.dependencies import Dependencies
from handlers.errors import invalid
from handlers.means import enabled

#: Authorities of the contract, of which a caller needs one.
AUTHORITIES: Final = ("manage_project", "manage_checkout_transactions")

_ROUTE: Final = "POST /operations/transactions"


async def create(dependencies: Dependencies, request: web.Request) -> Answer:
    """POST /operations/transactions: authorize the cart, or a part of it, on a stored method of its customer."""
    caller = await callers.program(dependencies, request, *AUTHORITIES)
    limits = dependencies.limits
    wait = headers.wait(request, default_s=limits.payments_wait_s, s_max=limits.wait_s_max)
    header_key = headers.idempotency_key(request)
    asked = requests.read(requests.TransactionRequest, await body.read_json(request, limits.body))
    correlation_id = headers.correlation_id(request)
    key = asked.idempotency_key or header_key
    method_id = asked.payment_method_id
    found = await enabled(dependencies).find(method_id, correlation_id=correlation_id)
    if found is None and key is None:
        raise invalid("paymentMethodId", "There is no such stored payment method of this connector.")
    # With a key the worker tells: the request may repeat one that was answered before the method was deleted.
    method = found.method if found else min(dependencies.reads.capabilities.storable)
    scope = attempts.Scope(project_key=dependencies.project_key, caller=caller.client_id, route=_ROUTE)
    amount = asked.amount.money() if asked.amount else None
    command = AuthorizePayment(
        command_id=dependencies.new_id() if key is None else attempts.command_id(scope, key),
        correlation_id=correlation_id,
        accepted_at=dependencies.clock(),
        reply_to=dependencies.instance,
        cart_id=asked.cart_id,
        owner=attempts.program_owner(scope),
        method=method,
        stored_method_id=method_id,
        initiator="merchant",
        amount=amount,
        attempt_key=None if key is None else attempts.attempt_key(scope, key),
        request_hash=attempts.transaction_hash(cart_id=asked.cart_id, method_id=method_id, amount=amount),
        # Nobody is there to be sent anywhere; PSPs want an address all the same.
        return_url=dependencies.public_url,
        merchant_reference=asked.future_order_number or None,
    )
    standing = await dispatch.carry_out(dependencies, command, wait_s=wait.seconds)
    return transaction_answer(standing).with_headers(wait.headers)
