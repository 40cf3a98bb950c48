"""HTTP around the front: aiohttp in, aiohttp out, the waiting that faults ask for, and Pub/Sub after every effect."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from aiohttp import web

from sandbox.commercetools.calls import Probe, Reply
from sandbox.commercetools.courier import Courier
from sandbox.commercetools.faults import FaultKind
from sandbox.commercetools.front import Front, Request, Visit
from sandbox.commercetools.signing import Signer


@dataclass(frozen=True, kw_only=True, slots=True)
class House:
    """Everything behind the wire."""

    front: Front
    courier: Courier
    signer: Signer
    clock: Callable[[], datetime]
    #: Set at the stop, so that replies which are held back end.
    closing: asyncio.Event = field(default_factory=asyncio.Event)


HOUSE: Final = web.AppKey("house", House)


def routes() -> list[web.RouteDef]:
    return [web.get("/.well-known/jwks.json", _jwks), web.route("*", "/{path:.*}", _serve)]


async def _jwks(request: web.Request) -> web.Response:
    return web.json_response(request.app[HOUSE].signer.jwks())


async def _serve(http: web.Request) -> web.StreamResponse:
    """Everything but the control API: the platform's hosts for API, authentication and sessions in one."""
    house = http.app[HOUSE]
    request = Request(
        method=http.method,
        path=http.rel_url.raw_path,
        query=http.rel_url.raw_query_string,
        body=await http.read(),
        authorization=http.headers.get("Authorization"),
        correlation_id=http.headers.get("X-Correlation-ID"),
    )
    visit = house.front.arrive(request, house.clock())
    if visit.suffers(FaultKind.DROP_BEFORE):
        return _cut(http)
    if fault := visit.suffers(FaultKind.DELAY):
        await _wait(house, fault.delay_s)
    reply = await _reply(house, visit)
    house.courier.send(reply.deliveries)
    if fault := visit.suffers(FaultKind.DELAY_REPLY):
        await _wait(house, fault.delay_s)
    if visit.suffers(FaultKind.DROP_REPLY):
        return _cut(http)
    return _response(reply, request)


async def _reply(house: House, visit: Visit) -> Reply:
    outcome = house.front.answer(visit, house.clock())
    if isinstance(outcome, Probe):
        outcome = outcome.settle(await house.courier.probe(outcome.delivery))
    return house.front.leave(visit, outcome)


def _response(reply: Reply, request: Request) -> web.Response:
    headers = dict(reply.headers)
    if request.correlation_id is not None:
        headers["X-Correlation-ID"] = request.correlation_id
    # No body for HEAD, nor where there is nothing to say (the health of a subscription).
    if request.method == "HEAD" or not reply.body:
        return web.Response(status=reply.status, headers=headers)
    text = json.dumps(reply.body, separators=(",", ":"), ensure_ascii=False)
    return web.Response(status=reply.status, text=text, content_type="application/json", headers=headers)


async def _wait(house: House, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await house.closing.wait()
    except TimeoutError:
        pass


def _cut(http: web.Request) -> web.Response:
    """Close the connection without a word."""
    if http.transport is not None:
        http.transport.abort()
    return web.Response()
