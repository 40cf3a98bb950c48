"""The ingress as an aiohttp application: the routes, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs, web

from handlers import configuration, health, intents, payments, returns, webhooks
from handlers.dependencies import Dependencies
from handlers.exchange import Handle, bind, middleware

#: Method and path -> what answers. Routes of the contract that are still to come get their line here.
_ROUTES: Final[Mapping[tuple[str, str], Handle]] = {
    (hdrs.METH_POST, "/payments"): payments.create,
    (hdrs.METH_GET, "/payments/{operation}"): payments.status,
    (hdrs.METH_POST, "/payments/{operation}/complete"): payments.complete,
    (hdrs.METH_GET, "/payments/{operation}/return"): returns.get,
    (hdrs.METH_POST, "/payments/{operation}/return"): returns.post,
    (hdrs.METH_GET, "/operations/config"): configuration.show,
    (hdrs.METH_POST, "/operations/payment-intents/{id}"): intents.modify,
    (hdrs.METH_POST, "/webhooks/{psp}"): webhooks.receive,
    (hdrs.METH_GET, "/health/live"): health.live,
    (hdrs.METH_GET, "/health/ready"): health.ready,
}


def create_app(dependencies: Dependencies) -> web.Application:
    """The application. `handlers.serving` serves it."""
    app = web.Application(middlewares=[middleware(dependencies)])
    for (method, path), handle in _ROUTES.items():
        app.router.add_route(method, path, bind(handle, dependencies))
    return app
