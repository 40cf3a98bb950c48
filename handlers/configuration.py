"""The browser's configuration: what the enabler needs before it can show the PSP's fields."""

from __future__ import annotations

from aiohttp import web

from handlers import callers
from handlers.answers import Answer
from handlers.dependencies import Dependencies
from handlers.means import methods_of
from handlers.shapes import Component, ComponentsReply, ConfigurationReply, Dropin, StoredMethodsConfig


async def show(dependencies: Dependencies, request: web.Request) -> Answer:
    """GET /operations/config: the contract's fields, the PSP's public ones, and the session's methods."""
    session = await callers.session(dependencies, request)
    reads = dependencies.reads
    body = ConfigurationReply(
        **reads.client_configuration(),
        psp=reads.name,
        payment_methods=sorted(methods_of(dependencies, session)),
        stored_payment_methods_config=StoredMethodsConfig(is_enabled=dependencies.stored is not None),
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
