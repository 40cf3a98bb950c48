"""The ingress as an aiohttp application: the routes, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs, web

from handlers import (
    configuration,
    health,
    intents,
    openapi,
    payments,
    requests,
    returns,
    shapes,
    status,
    stored,
    transactions,
    webhooks,
)
from handlers.dependencies import Dependencies
from handlers.exchange import bind, middleware
from handlers.routes import Access, Option, Route

_WAITS: Final = frozenset({Option.IDEMPOTENCY_KEY, Option.PREFER})

#: Method and path -> what answers.
ROUTES: Final[Mapping[tuple[str, str], Route]] = {
    (hdrs.METH_POST, "/payments"): Route(
        handle=payments.create,
        name="createPayment",
        summary="Pay for the session's cart.",
        access=Access.SESSION,
        body=requests.PaymentRequest,
        replies={200: shapes.PaymentReply, 202: shapes.PaymentReply},
        options=_WAITS,
    ),
    (hdrs.METH_GET, "/payments"): Route(
        handle=payments.find,
        name="findPayment",
        summary="Tell where the payment stands that was asked for under this session's idempotency key.",
        access=Access.SESSION,
        replies={200: shapes.PaymentReply},
        options=frozenset({Option.IDEMPOTENCY_KEY}),
    ),
    (hdrs.METH_GET, "/payments/{operation}"): Route(
        handle=payments.status,
        name="getPayment",
        summary="Tell where a payment of this session stands.",
        access=Access.SESSION,
        replies={200: shapes.PaymentReply},
    ),
    (hdrs.METH_POST, "/payments/{operation}/complete"): Route(
        handle=payments.complete,
        name="completePayment",
        summary="Go on with a payment after the shopper's challenge.",
        access=Access.SESSION,
        body=requests.CompleteRequest,
        replies={200: shapes.PaymentReply, 202: shapes.PaymentReply},
        options=_WAITS,
    ),
    (hdrs.METH_GET, "/payments/{operation}/return"): Route(
        handle=returns.get,
        name="returnFromRedirect",
        summary="Take a shopper back from a redirect, and send them on to the shop.",
        access=Access.SIGNED,
        replies={200: None, 303: None},
    ),
    (hdrs.METH_POST, "/payments/{operation}/return"): Route(
        handle=returns.post,
        name="returnFromForm",
        summary="Take a shopper back from a redirect by a form, and send them on to the shop.",
        access=Access.SIGNED,
        replies={200: None, 303: None},
    ),
    (hdrs.METH_GET, "/operations/config"): Route(
        handle=configuration.show,
        name="getConfiguration",
        summary="Give the browser library what it needs to show the PSP's fields.",
        access=Access.SESSION,
        replies={200: shapes.ConfigurationReply},
    ),
    (hdrs.METH_GET, "/operations/status"): Route(
        handle=status.show,
        name="getStatus",
        summary="Tell how the connector is.",
        access=Access.MERCHANT,
        replies={200: shapes.StatusReply, 503: shapes.StatusReply},
    ),
    (hdrs.METH_GET, "/operations/payment-components"): Route(
        handle=configuration.components,
        name="getPaymentComponents",
        summary="Tell what the browser library can show for this PSP.",
        access=Access.MERCHANT,
        replies={200: shapes.ComponentsReply},
    ),
    (hdrs.METH_POST, "/operations/payment-intents/{id}"): Route(
        handle=intents.modify,
        name="modifyPayment",
        summary="Capture, refund, cancel or reverse a payment.",
        access=Access.PROGRAM,
        authorities=intents.AUTHORITIES,
        body=requests.PaymentIntentRequest,
        replies={200: shapes.IntentReply},
        options=_WAITS,
    ),
    (hdrs.METH_POST, "/operations/transactions"): Route(
        handle=transactions.create,
        name="createTransaction",
        summary="Charge a customer's stored payment method when the customer is not there.",
        access=Access.PROGRAM,
        authorities=transactions.AUTHORITIES,
        body=requests.TransactionRequest,
        replies={201: shapes.TransactionReply},
        options=_WAITS,
    ),
    (hdrs.METH_GET, "/stored-payment-methods"): Route(
        handle=stored.show,
        name="getStoredPaymentMethods",
        summary="List what the customer of the session's cart has stored.",
        access=Access.SESSION,
        replies={200: shapes.StoredMethodsReply},
    ),
    (hdrs.METH_DELETE, "/stored-payment-methods/{id}"): Route(
        handle=stored.delete,
        name="deleteStoredPaymentMethod",
        summary="Delete a stored payment method, and have the PSP forget it.",
        access=Access.SESSION,
        replies={200: None, 202: None},
        options=frozenset({Option.PREFER}),
    ),
    (hdrs.METH_POST, "/webhooks/{psp}"): Route(
        handle=webhooks.receive,
        name="receiveWebhook",
        summary="Take in what a PSP tells us.",
        access=Access.SIGNED,
        replies={200: shapes.AcceptedReply},
    ),
    (hdrs.METH_GET, "/health/live"): Route(
        handle=health.live,
        name="getLiveness",
        summary="Tell that the process runs.",
        access=Access.OPEN,
        replies={200: shapes.LiveReply},
    ),
    (hdrs.METH_GET, "/health/ready"): Route(
        handle=health.ready,
        name="getReadiness",
        summary="Tell whether this process should get requests.",
        access=Access.OPEN,
        replies={200: shapes.ReadyReply, 503: shapes.ReadyReply},
    ),
}


def create_app(dependencies: Dependencies) -> web.Application:
    """The application. `handlers.serving` serves it."""
    app = web.Application(middlewares=[middleware(dependencies)])
    routes = openapi.with_document(ROUTES, server_url=dependencies.public_url, version=dependencies.version)
    for (method, path), route in routes.items():
        bound = bind(route.handle, dependencies)
        app.router.add_route(method, path, bound)
        # Whoever comes back from a bank acts by a GET: a link's preview, which asks for the head alone, must not.
        if method == hdrs.METH_GET and route.access is not Access.SIGNED:
            app.router.add_route(hdrs.METH_HEAD, path, bound)
    return app
