"""Stored payment methods: a customer looks at theirs and deletes one. What stands for money is never shown."""

from __future__ import annotations

from aiohttp import web

from bus.messages import DeletePaymentMethod
from handlers import callers, dispatch, headers, requests
from handlers.answers import Answer
from handlers.dependencies import Dependencies, StoredMethod
from handlers.errors import not_found
from handlers.means import enabled, methods_of
from handlers.shapes import Brand, DisplayOptions, StoredMethodReply, StoredMethodsReply


async def show(dependencies: Dependencies, request: web.Request) -> Answer:
    """GET /stored-payment-methods: all that the customer of the session's cart can pay with; a guest has none."""
    session = await callers.session(dependencies, request)
    correlation_id = headers.correlation_id(request)
    methods: tuple[StoredMethod, ...] = ()
    if dependencies.stored is not None:
        customer = await dependencies.stored.customer(cart_id=session.cart_id, correlation_id=correlation_id)
        if customer is not None:
            methods = tuple(await dependencies.stored.of_customer(customer, correlation_id=correlation_id))
    allowed = methods_of(dependencies, session)
    shown = [_shown(one) for one in methods if one.method in allowed]
    return Answer(status=200, body=StoredMethodsReply(stored_payment_methods=shown))


async def delete(dependencies: Dependencies, request: web.Request) -> Answer:
    """DELETE /stored-payment-methods/{id}. 202 where it is not known to be gone in time; it will be."""
    session = await callers.session(dependencies, request)
    method_id = requests.path_id("id", request.match_info["id"])
    limits = dependencies.limits
    wait = headers.wait(request, default_s=limits.payments_wait_s, s_max=limits.wait_s_max)
    correlation_id = headers.correlation_id(request)
    stored = enabled(dependencies)
    customer = await stored.customer(cart_id=session.cart_id, correlation_id=correlation_id)
    found = None if customer is None else await stored.find(method_id, correlation_id=correlation_id)
    if found is None or found.customer_id != customer:
        raise not_found("The customer of this cart has no such stored method.")
    command = DeletePaymentMethod(
        command_id=dependencies.new_id(),
        correlation_id=correlation_id,
        accepted_at=dependencies.clock(),
        reply_to=dependencies.instance,
        method_id=method_id,
        customer_id=found.customer_id,
    )
    # It was theirs a moment ago: where the worker finds nothing, somebody else was quicker, and it is gone.
    standing = await dispatch.carry_out(dependencies, command, wait_s=wait.seconds)
    return Answer(status=202 if standing is None else 200, body=None).with_headers(wait.headers)


def _shown(method: StoredMethod) -> StoredMethodReply:
    options = {
        "end_digits": method.last_four,
        "brand": None if method.brand is None else Brand(key=method.brand),
        "expiry_month": method.expiry_month,
        "expiry_year": method.expiry_year,
    }
    return StoredMethodReply(
        id=method.id,
        type=method.method,
        is_default=method.is_default,
        created_at=method.created_at,
        display_options=DisplayOptions.model_validate(
            {name: value for name, value in options.items() if value is not None}
        ),
    )
