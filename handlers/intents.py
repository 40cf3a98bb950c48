"""Payment intents: Checkout or a merchant's system captures, refunds, cancels or reverses a payment."""

from __future__ import annotations

from datetime import datetime
from typing import Final, TypedDict

from aiohttp import web

from bus.messages import CancelPayment, CapturePayment, Command, RefundPayment, ReversePayment
from handlers import attempts, body, callers, dispatch, headers, requests
from handlers.answers import Answer, intent_answer
from handlers.dependencies import Dependencies

#: Authorities of the contract, of which a caller needs one.
AUTHORITIES: Final = ("manage_project", "manage_checkout_payment_intents")


async def modify(dependencies: Dependencies, request: web.Request) -> Answer:
    """POST /operations/payment-intents/{id}."""
    caller = await callers.program(dependencies, request, *AUTHORITIES)
    payment_id = requests.path_id("id", request.match_info["id"])
    key = headers.idempotency_key(request)
    limits = dependencies.limits
    wait = headers.wait(request, default_s=limits.intents_wait_s, s_max=limits.wait_s_max)
    asked = requests.read(requests.PaymentIntentRequest, await body.read_json(request, limits.body))
    (action,) = asked.actions
    scope = attempts.Scope(
        project_key=dependencies.project_key,
        caller=caller.client_id,
        route=f"POST /operations/payment-intents/{payment_id}",
    )
    common = _Common(
        command_id=dependencies.new_id() if key is None else attempts.command_id(scope, key),
        correlation_id=headers.correlation_id(request),
        accepted_at=dependencies.clock(),
        reply_to=dependencies.instance,
        payment_id=payment_id,
        merchant_reference=action.merchant_reference or None,
        request_hash=_hash(action, payment_id),
    )
    standing = await dispatch.carry_out(dependencies, _command(action, common), wait_s=wait.seconds)
    return intent_answer(standing).with_headers(wait.headers)


class _Common(TypedDict):
    """What the four commands have."""

    command_id: str
    correlation_id: str
    accepted_at: datetime
    reply_to: str
    payment_id: str
    merchant_reference: str | None
    request_hash: str


def _command(action: requests.Action, common: _Common) -> Command:
    match action:
        case requests.CaptureAction():
            return CapturePayment(**common, amount=action.amount.money())
        case requests.RefundAction():
            return RefundPayment(**common, amount=action.amount.money(), charge_id=action.transaction_id)
        case requests.CancelAction():
            return CancelPayment(**common)
        case requests.ReverseAction():
            return ReversePayment(**common)


def _hash(action: requests.Action, payment_id: str) -> str:
    return attempts.modification_hash(
        payment_id=payment_id,
        action=action.action,
        amount=action.amount.money() if isinstance(action, requests.CaptureAction | requests.RefundAction) else None,
        charge_id=action.transaction_id if isinstance(action, requests.RefundAction) else None,
    )
