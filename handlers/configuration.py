"""The browser's configuration: what the enabler needs before it can show the PSP's fields."""

from __future__ import annotations

from aiohttp import web

from handlers import callers, headers
from handlers.answers import Answer
from handlers.dependencies import Dependencies
from handlers.means import methods_of
from handlers.shapes import Component, ComponentsReply, ConfigurationReply, Dropin, StoredMethodsConfig


async def show(dependencies: Dependencies, request: web.Request) -> Answer:
    """GET /operations/config: the contract's fields, the PSP's public ones, and the session's methods.

    Stored methods are enabled for customers alone: a guest must not be asked to have one stored.
    """
    session = await callers.session(dependencies, request)
    reads, stored = dependencies.reads, dependencies.stored
    correlation_id = headers.correlation_id(request)
    customer = None if stored is None else await stored.customer(cart_id=session.cart_id, correlation_id=correlation_id)
    body = ConfigurationReply(
        **reads.client_configuration(),
        psp=reads.name,
        payment_methods=sorted(methods_of(dependencies, session)),
        stored_payment_methods_config=StoredMethodsConfig(is_enabled=customer is not None),
    )
    return Answer(status=200, body=body)


async def components(dependencies: Dependencies, request: web.Request) -> Answer:
    """GET /operations/payment-components: what the Merchant Center may offer the merchant to place in a checkout."""
    await callers.merchant(dependencies, request)
    capabilities = dependencies.reads.capabilities
    body = ComponentsReply(
        dropins=[Dropin(type=kind.value) for kind in sorted(capabilities.dropins)],
        components=[Component(type=method) for method in sorted(capabilities.methods | dependencies.on_account)],
        express=[Component(type=method) for method in sorted(capabilities.express)],
    )
    return Answer(status=200, body=body)
