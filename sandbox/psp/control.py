"""The control API under `/__control`: what tests, the demo and the dashboard use to play shoppers, banks and bad luck.

It asks for no key: the sandbox listens on this machine only. Pages of other origins are refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Literal, TypeVar

from aiohttp import web
from pydantic import Field, HttpUrl, StringConstraints, TypeAdapter

from sandbox.psp import views
from sandbox.psp.events import Event
from sandbox.psp.faults import CALL_FAULTS, WEBHOOK_FAULTS, Fault, FaultPlan
from sandbox.psp.house import HOUSE, House
from sandbox.psp.model import Operation, OperationKind, OperationStatus, RefusalError
from sandbox.psp.outbox import check_secrets
from sandbox.psp.requests import Amount, Request, Text
from sandbox.psp.world import Decision

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_Body = TypeVar("_Body", bound=Request)

_FAULTS = TypeAdapter(list[Fault])
_OUTCOMES = {"win": OperationStatus.WON, "lose": OperationStatus.LOST}


class Decide(Request):
    """For a challenge or a pending payment."""

    decision: Decision = Decision.APPROVE


class Fail(Request):
    """For a capture or a refund. The event is sent now; its time is so many days after the operation."""

    after_days: float = Field(default=0, ge=0, le=3650)


class Dispute(Request):
    """A new round."""

    amount: Amount | None = None
    reason: Text = "fraudulent"


class Close(Request):
    """How a round ends."""

    outcome: Literal["win", "lose"]


class Send(Request):
    """Any event at all, properly signed: an unknown type, another amount, somebody else's payment."""

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None
    type: Text
    data: dict[str, object]


class Webhook(Request):
    """Where webhooks go, and what signs them. What is left out stays as it is."""

    url: HttpUrl | None = None
    secrets: list[Text] | None = None


@web.middleware
async def own_pages_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A page of another origin must not move money here, not even play money."""
    guarded = request.method not in {"GET", "HEAD"} and request.path.startswith(("/__control/", "/challenge/"))
    if guarded and request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise web.HTTPForbidden
    return await handler(request)


def routes() -> list[web.RouteDef]:
    return [
        web.get("/__control/payments", list_payments),
        web.post("/__control/payments/{payment}/challenge", answer_challenge),
        web.post("/__control/payments/{payment}/settle", settle),
        web.post("/__control/payments/{payment}/expire", expire),
        web.post("/__control/payments/{payment}/disputes", open_dispute),
        web.post("/__control/disputes/{dispute}/close", close_dispute),
        web.post("/__control/{kind:captures|refunds}/{operation}/settle", settle_operation),
        web.post("/__control/{kind:captures|refunds}/{operation}/fail", fail_operation),
        web.get("/__control/effects", list_effects),
        web.get("/__control/requests", list_requests),
        web.get("/__control/events", list_events),
        web.post("/__control/events", send_event),
        web.post("/__control/events/{event}/resend", resend_event),
        web.get("/__control/webhook", get_webhook),
        web.put("/__control/webhook", set_webhook),
        web.get("/__control/faults", list_faults),
        web.put("/__control/faults", set_faults),
    ]


async def list_payments(request: web.Request) -> web.Response:
    """The newest first, for the dashboard."""
    house = request.app[HOUSE]
    newest = list(house.books.payments.values())[-200:]
    return web.json_response({"data": [views.payment(each, base_url=house.base_url) for each in reversed(newest)]})


async def answer_challenge(request: web.Request) -> web.Response:
    """As if the shopper had pressed a button; gives the `result` to complete the payment with."""
    house, body = request.app[HOUSE], await _body(request, Decide)
    payment = house.world.answer_challenge(request.match_info["payment"], body.decision, house.clock())
    return web.json_response({"result": payment.result, "status": payment.status})


async def settle(request: web.Request) -> web.Response:
    house, body = request.app[HOUSE], await _body(request, Decide)
    payment = house.world.settle(request.match_info["payment"], body.decision, house.clock())
    return web.json_response(views.payment(payment, base_url=house.base_url))


async def expire(request: web.Request) -> web.Response:
    house = request.app[HOUSE]
    return _operation(house, house.world.expire(request.match_info["payment"], house.clock()))


async def open_dispute(request: web.Request) -> web.Response:
    house, body = request.app[HOUSE], await _body(request, Dispute)
    payment = request.match_info["payment"]
    return _operation(
        house, house.world.open_dispute(payment, amount=body.amount, reason=body.reason, now=house.clock())
    )


async def close_dispute(request: web.Request) -> web.Response:
    house, body = request.app[HOUSE], await _body(request, Close)
    dispute = request.match_info["dispute"]
    return _operation(house, house.world.close_dispute(dispute, _OUTCOMES[body.outcome], house.clock()))


async def settle_operation(request: web.Request) -> web.Response:
    house = request.app[HOUSE]
    kind = _kind(request)
    return _operation(house, house.world.settle_operation(kind, request.match_info["operation"], house.clock()))


async def fail_operation(request: web.Request) -> web.Response:
    house, body = request.app[HOUSE], await _body(request, Fail)
    kind, operation_id = _kind(request), request.match_info["operation"]
    _, operation = house.books.find_operation(operation_id, kind)
    at = max(house.clock(), operation.created + timedelta(days=body.after_days))
    return _operation(house, house.world.fail_operation(kind, operation_id, at))


async def list_effects(request: web.Request) -> web.Response:
    """Every movement of money, in order, with key and reference: what a checker compares with."""
    return web.json_response({"data": [views.effect(each) for each in request.app[HOUSE].books.effects]})


async def list_requests(request: web.Request) -> web.Response:
    return web.json_response({"data": list(request.app[HOUSE].requests)})


async def list_events(request: web.Request) -> web.Response:
    """All events, the attempts to send them, and how many still wait."""
    outbox = request.app[HOUSE].outbox
    attempts = [
        {"event": each.event, "type": each.type, "at": views.when(each.at), "status": each.status}
        for each in outbox.attempts
    ]
    events = [views.event(each) for each in outbox.events.values()]
    return web.json_response({"data": events, "attempts": attempts, "waiting": outbox.waiting})


async def send_event(request: web.Request) -> web.Response:
    house, body = request.app[HOUSE], await _body(request, Send)
    event_id = body.id or f"evt_{house.books.new_id()}"
    event = Event(id=event_id, type=body.type, created=house.clock(), data=body.data)
    house.outbox.publish(event)
    return web.json_response(views.event(event), status=201)


async def resend_event(request: web.Request) -> web.Response:
    if not request.app[HOUSE].outbox.resend(request.match_info["event"]):
        raise RefusalError(404, "event_not_found", "There is no event with this id.")
    return web.json_response({})


async def get_webhook(request: web.Request) -> web.Response:
    """Where webhooks go. The secrets stay here."""
    return web.json_response({"url": request.app[HOUSE].outbox.url})


async def set_webhook(request: web.Request) -> web.Response:
    outbox, body = request.app[HOUSE].outbox, await _body(request, Webhook)
    if "url" in body.model_fields_set:
        outbox.url = str(body.url) if body.url is not None else None
    if body.secrets is not None:
        try:
            check_secrets(body.secrets)
        except ValueError as error:
            raise RefusalError(400, "invalid_request", str(error)) from None
        outbox.secrets = tuple(body.secrets)
    return web.json_response({"url": outbox.url})


async def list_faults(request: web.Request) -> web.Response:
    house = request.app[HOUSE]
    faults = house.desk.faults.faults + house.outbox.faults.faults
    return web.json_response({"data": _FAULTS.dump_python(list(faults), mode="json")})


async def set_faults(request: web.Request) -> web.Response:
    """The faults still to come, in place of those planned before; an empty list ends them."""
    house = request.app[HOUSE]
    faults = _FAULTS.validate_json(await request.read())
    house.desk.faults = FaultPlan(faults=tuple(each for each in faults if each.kind in CALL_FAULTS))
    house.outbox.faults = FaultPlan(faults=tuple(each for each in faults if each.kind in WEBHOOK_FAULTS))
    return await list_faults(request)


async def _body(request: web.Request, model: type[_Body]) -> _Body:
    return model.model_validate_json(await request.read() or b"{}")


def _kind(request: web.Request) -> OperationKind:
    return OperationKind(request.match_info["kind"].removesuffix("s"))


def _operation(house: House, operation: Operation) -> web.Response:
    payment, operation = house.books.find_operation(operation.id, operation.kind)
    return web.json_response(views.operation(payment, operation))
