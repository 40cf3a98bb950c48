"""The API under `/v1`, for merchants' servers (secret key) and for our own fields page (publishable key)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from aiohttp import web
from pydantic import ValidationError

from sandbox.psp import views
from sandbox.psp.behaviour import Manner
from sandbox.psp.books import Entry
from sandbox.psp.desk import Call, Ticket
from sandbox.psp.events import EVENT_TYPES
from sandbox.psp.house import HOUSE, House
from sandbox.psp.model import RefusalError
from sandbox.psp.reply import Reply, problem, refusal
from sandbox.psp.requests import CreateToken

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PAGE_SIZE_MAX: Final = 200
#: Open to everybody, or to the publishable key.
_WITHOUT_SECRET: Final = frozenset({"/v1/health", "/v1/tokens"})


def to_response(reply: Reply) -> web.Response:
    return web.json_response(reply.body, status=reply.status, headers=reply.headers)


def bears(request: web.Request, key: str) -> bool:
    """Whether the caller holds the key."""
    given = request.headers.get("Authorization", "")
    return hmac.compare_digest(given.encode(), f"Bearer {key}".encode())


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every refusal, and every error of routing, in the one shape of errors; and a stir after everything."""
    house = request.app[HOUSE]
    try:
        return await handler(request)
    except RefusalError as error:
        return to_response(refusal(error, base_url=house.base_url))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or None
        return to_response(problem(400, "invalid_request", first["msg"], param=where))
    except web.HTTPError as error:
        return to_response(problem(error.status, error.reason.lower().replace(" ", "_"), error.reason))
    finally:
        house.stir.set()


@web.middleware
async def api(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Authentication and the request log, for `/v1` alone."""
    if not request.path.startswith("/v1/"):
        return await handler(request)
    house = request.app[HOUSE]
    if request.path not in _WITHOUT_SECRET and not bears(request, house.secret_key):
        return to_response(problem(401, "unauthorized", "Send your secret key as a bearer token."))
    entry: dict[str, object] = {
        "at": views.when(house.clock()),
        "method": request.method,
        "path": request.path_qs,
        "key": request.headers.get("Idempotency-Key"),
        "body_sha256": None,
        "status": None,
    }
    house.requests.append(entry)
    if request.method == "POST" and request.path != "/v1/tokens":
        entry["body_sha256"] = hashlib.sha256(await request.read()).hexdigest()
    response = await handler(request)
    entry["status"] = response.status
    return response


def routes() -> list[web.RouteDef]:
    return [
        web.post("/v1/payments", _money("payments.create")),
        web.post("/v1/payments/{payment}/complete", _money("payments.complete")),
        web.post("/v1/payments/{payment}/captures", _money("captures.create")),
        web.post("/v1/payments/{payment}/cancel", _money("payments.cancel")),
        web.post("/v1/payments/{payment}/refunds", _money("refunds.create")),
        web.post("/v1/cancels", _money("cancels.create")),
        web.post("/v1/stored_methods/forget", _money("stored_methods.forget")),
        web.get("/v1/payments", list_payments),
        web.get("/v1/payments/{payment}", get_payment),
        web.get("/v1/ledger", list_ledger),
        web.get("/v1/event_types", list_event_types),
        web.get("/v1/health", get_health),
        web.post("/v1/tokens", create_token),
    ]


def _money(operation: str) -> Handler:
    """A handler that takes calls for one operation to the desk."""

    async def handle(request: web.Request) -> web.StreamResponse:
        house = request.app[HOUSE]
        call = Call(
            operation=operation,
            payment=request.match_info.get("payment", ""),
            key=request.headers.get("Idempotency-Key"),
            body=await request.read(),
        )
        opened = house.desk.open(call, house.clock())
        if isinstance(opened, Reply):
            return await _send(request, opened)
        return await _send(request, await _run(house, opened))

    return handle


async def _run(house: House, ticket: Ticket) -> Reply:
    try:
        await asyncio.sleep(ticket.delay_s)
    except asyncio.CancelledError:
        house.desk.release(ticket)
        raise
    reply = house.desk.run(ticket, house.clock())
    house.stir.set()
    return reply


async def _send(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Answer as the reply says: now, later, never, or with a cut connection."""
    house = request.app[HOUSE]
    wait_s = house.terms.hold_s if reply.manner is Manner.HOLD else reply.delay_s
    if wait_s > 0:
        try:
            async with asyncio.timeout(wait_s):
                await house.closing.wait()
        except TimeoutError:
            pass
    if reply.manner in {Manner.HOLD, Manner.DROP} and request.transport is not None:
        request.transport.abort()
    return to_response(reply)


async def get_payment(request: web.Request) -> web.Response:
    house = request.app[HOUSE]
    payment = house.books.find(request.match_info["payment"])
    return web.json_response(views.payment(payment, base_url=house.base_url))


async def list_payments(request: web.Request) -> web.Response:
    """Payments by `merchant_reference`, or a page of all of them."""
    house = request.app[HOUSE]
    reference = request.query.get("merchant_reference")
    if reference is not None:
        found = house.books.by_reference(reference)
        data = [views.payment(each, base_url=house.base_url) for each in found]
        return web.json_response({"data": data, "next_cursor": None})
    return _page(request, lambda entry: entry.operation is None)


async def list_ledger(request: web.Request) -> web.Response:
    """Payments, captures, cancels, refunds and disputes by the time they were made (`from` <= created < `to`)."""
    return _page(request, lambda _: True)


async def list_event_types(_: web.Request) -> web.Response:
    return web.json_response({"data": [{"type": name, "description": text} for name, text in EVENT_TYPES.items()]})


async def get_health(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def create_token(request: web.Request) -> web.Response:
    """A token for a card. Only our own fields page calls this; nothing of the request is kept or logged."""
    house = request.app[HOUSE]
    if not bears(request, house.publishable_key):
        return to_response(problem(401, "unauthorized", "Send your publishable key as a bearer token."))
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return to_response(problem(403, "forbidden", "Only the card fields may ask for tokens."))
    token = house.bank.tokenize(CreateToken.model_validate_json(await request.read()), house.clock())
    return web.json_response(views.token(token), status=201)


def _page(request: web.Request, wanted: Callable[[Entry], bool]) -> web.Response:
    house = request.app[HOUSE]
    since, until = _moment(request, "from"), _moment(request, "to")
    start = _number(request, "cursor", default=0)
    limit = min(_number(request, "limit", default=50), PAGE_SIZE_MAX)
    data: list[views.Json] = []
    journal = house.books.journal
    for index in range(start, len(journal)):
        entry = journal[index]
        if (since and entry.created < since) or (until and entry.created >= until) or not wanted(entry):
            continue
        if len(data) == limit:
            return web.json_response({"data": data, "next_cursor": str(index)})
        data.append(_entry(house, entry))
    return web.json_response({"data": data, "next_cursor": None})


def _entry(house: House, entry: Entry) -> views.Json:
    payment = house.books.find(entry.payment)
    operation = payment.operation(entry.operation) if entry.operation is not None else None
    if operation is not None:
        return views.operation(payment, operation)
    return views.payment(payment, base_url=house.base_url)


def _moment(request: web.Request, name: str) -> datetime | None:
    text = request.query.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise RefusalError(400, "invalid_request", f"`{name}` must be a time such as 2030-01-31T12:00:00Z.") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _number(request: web.Request, name: str, *, default: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdecimal():
        raise RefusalError(400, "invalid_request", f"`{name}` must be a number.")
    return int(text)
