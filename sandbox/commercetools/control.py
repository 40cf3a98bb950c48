"""The control API under `/__control`: faults, the request log, and what a merchant or a shopper does elsewhere.

It is for tests and for the demo shop's server, never for browsers: a request with an `Origin` is refused.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Final

from aiohttp import web

from sandbox.commercetools import checks
from sandbox.commercetools.calls import Call, Reply
from sandbox.commercetools.checks import Shape
from sandbox.commercetools.documents import Document
from sandbox.commercetools.errors import RefusedError, bad
from sandbox.commercetools.faults import Fault, FaultKind, FaultPlan
from sandbox.commercetools.wire import HOUSE, House

PREFIX: Final = "/__control"
_FAULT: Final = Shape(
    required={"kind": checks.one_of(*FaultKind)},
    optional={
        "on": checks.NAME,
        "containing": checks.NAME,
        "skip": checks.whole(low=0),
        "times": checks.whole(low=1),
        "delay_s": checks.number,
        "status": checks.whole(low=500, high=599),
    },
)
_CHECKOUT: Final = Shape(
    required={"amount": checks.money},
    optional={"name": checks.NAME, "customerId": checks.NAME, "metadata": checks.mapping},
)
_JWT: Final = Shape(
    optional={"subject": checks.NAME, "projectKey": checks.NAME, "issuer": checks.NAME, "lifetime_s": checks.whole()}
)
_JWT_LIFETIME_S: Final = 300
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def no_browsers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A page of somebody else's must not reach this API with the help of a browser on this machine."""
    if request.path.startswith(PREFIX):
        if "Origin" in request.headers:
            return web.json_response({"message": "The control API is not for browsers."}, status=403)
        try:
            return await handler(request)
        except RefusedError as error:
            return web.json_response(error.body, status=error.status)
    return await handler(request)


def routes() -> list[web.RouteDef]:
    return [
        web.get(f"{PREFIX}/requests", _list_requests),
        web.delete(f"{PREFIX}/requests", _forget_requests),
        web.get(f"{PREFIX}/faults", _list_faults),
        web.post(f"{PREFIX}/faults", _add_fault),
        web.delete(f"{PREFIX}/faults", _drop_faults),
        web.get(f"{PREFIX}/{{kind:payments|carts|payment-methods}}/{{id}}/history", _history),
        web.post(f"{PREFIX}/checkouts", _check_out),
        web.post(f"{PREFIX}/sessions/{{id}}/end", _end_session),
        web.post(f"{PREFIX}/tokens/revoke", _revoke_tokens),
        web.post(f"{PREFIX}/jwt", _jwt),
        web.route("*", f"{PREFIX}/{{path:.*}}", _unknown),
    ]


async def _unknown(_: web.Request) -> web.Response:
    return web.json_response({"message": "There is no such control."}, status=404)


async def _list_requests(request: web.Request) -> web.Response:
    """All of them, and how many there were of each method and path."""
    log = request.app[HOUSE].front.log
    counts = Counter(f"{entry.method} {entry.path}" for entry in log)
    return web.json_response({"requests": [asdict(entry) for entry in log], "counts": counts})


async def _forget_requests(request: web.Request) -> web.Response:
    request.app[HOUSE].front.log.clear()
    return web.Response(status=204)


async def _list_faults(request: web.Request) -> web.Response:
    return web.json_response({"faults": [asdict(fault) for fault in request.app[HOUSE].front.plan.faults]})


async def _add_fault(request: web.Request) -> web.Response:
    given = _FAULT(await _body(request))
    fault = Fault(**{**given, "kind": FaultKind(given["kind"])})
    front = request.app[HOUSE].front
    front.plan = FaultPlan(faults=(*front.plan.faults, fault))
    return web.json_response(asdict(fault), status=201)


async def _drop_faults(request: web.Request) -> web.Response:
    request.app[HOUSE].front.plan = FaultPlan()
    return web.Response(status=204)


async def _history(request: web.Request) -> web.Response:
    return web.json_response({"versions": request.app[HOUSE].front.core.history(request.match_info["id"])})


async def _check_out(request: web.Request) -> web.Response:
    """What a merchant's shop does before the shopper pays: a cart with something in it, and a session for it."""
    house = request.app[HOUSE]
    wanted = _CHECKOUT(await _body(request))
    line = {"name": {"en": wanted.get("name", "Goods")}, "slug": "goods", "money": wanted["amount"]}
    draft = {"currency": wanted["amount"]["currencyCode"], "customLineItems": [line]}
    if "customerId" in wanted:
        draft["customerId"] = wanted["customerId"]
    cart = _call(house, "carts", draft)
    session_draft = {"cart": {"cartRef": {"id": cart["id"]}}, "metadata": wanted.get("metadata", {})}
    return web.json_response({"cart": cart, "session": _call(house, "sessions", session_draft)}, status=201)


def _call(house: House, resource: str, draft: Document) -> Document:
    """Create something as the platform itself would."""
    core = house.front.core
    body = json.dumps(draft).encode()
    reply = core.handle(Call(method="POST", path=f"/{core.project_key}/{resource}", body=body), house.clock())
    assert isinstance(reply, Reply)  # only subscriptions are probed
    house.courier.send(reply.deliveries)
    if reply.status >= 400:  # noqa: PLR2004 # any refusal
        raise bad("InvalidInput", reply.body["message"])
    return reply.body


async def _end_session(request: web.Request) -> web.Response:
    house = request.app[HOUSE]
    house.front.core.sessions.end(request.match_info["id"], house.clock())
    return web.Response(status=204)


async def _revoke_tokens(request: web.Request) -> web.Response:
    request.app[HOUSE].front.tokens.revoke_all()
    return web.Response(status=204)


async def _jwt(request: web.Request) -> web.Response:
    """A token of the Merchant Center. The issuer is this server, unless another is asked for."""
    house = request.app[HOUSE]
    wanted = _JWT(await _body(request))
    token = house.signer.token(
        issuer=wanted.get("issuer", str(request.url.origin())),
        project_key=wanted.get("projectKey", house.front.core.project_key),
        subject=wanted.get("subject", "merchant"),
        issued_at=house.clock(),
        lifetime_s=wanted.get("lifetime_s", _JWT_LIFETIME_S),
    )
    return web.json_response({"token": token}, status=201)


async def _body(request: web.Request) -> object:
    try:
        return json.loads(await request.read() or b"{}")
    except ValueError as error:
        raise bad("InvalidInput", f"The body is not JSON: {error}") from None
