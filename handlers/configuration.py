"""The browser's configuration: what the enabler needs before it can show the PSP's fields."""

from __future__ import annotations

from aiohttp import web

from handlers import callers
from handlers.answers import Answer
from handlers.dependencies import Dependencies
from handlers.payments import methods_of


async def show(dependencies: Dependencies, request: web.Request) -> Answer:
    """GET /operations/config: the contract's fields, the PSP's public ones, and the session's methods."""
    session = await callers.session(dependencies, request)
    reads = dependencies.reads
    body: dict[str, object] = {
        **reads.client_configuration(),
        "psp": reads.name,
        "paymentMethods": sorted(methods_of(dependencies, session)),
        # Stored payment methods come with an issue of their own.
        "storedPaymentMethodsConfig": {"isEnabled": False},
    }
    return Answer(status=200, body=body)
