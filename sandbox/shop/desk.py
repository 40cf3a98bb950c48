"""What the pages ask of the shop, as JSON: checkouts, payments with their history, the order desk's buttons."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from sandbox.psp.behaviour import BEHAVIOURS
from sandbox.shop.catalogue import CURRENCY, ITEMS, CartError, cart_draft
from sandbox.shop.history import History
from sandbox.shop.merchant import Json, Merchant, UpstreamError

#: Who may shop here with a name. Nobody logs in: it is a demo.
CUSTOMERS: Final = ("ada", "grace")
#: Payments whose history is kept; the one that nobody has looked at for longest goes first.
HISTORIES_KEPT: Final = 500

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """What the pages work with."""

    merchant: Merchant
    #: Where browsers find the connector and the PSP, without slashes at the end.
    processor_url: str
    psp_url: str
    #: Where browsers find the shop.
    url: str
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    histories: OrderedDict[str, History] = field(default_factory=OrderedDict)

    async def see(self, payment: Json) -> History:
        """The payment's history, with this version in it and, where they can be had, those before it."""
        payment_id = str(payment["id"])
        history = self.history(payment_id)
        if history.lacks(payment):
            for version in await self.merchant.versions(payment_id):
                history.see(version)
            history.see(payment)
        return history

    async def look(self, payment_id: str) -> History:
        """The payment's history up to now."""
        return await self.see(await self.merchant.payment(payment_id))

    def history(self, payment_id: str) -> History:
        history = self.histories.setdefault(payment_id, History())
        self.histories.move_to_end(payment_id)
        while len(self.histories) > HISTORIES_KEPT:
            self.histories.popitem(last=False)
        return history

    def session_metadata(self) -> dict[str, object]:
        """What a checkout session of this shop says besides its cart."""
        return {
            "allowedPaymentMethods": ["card", "invoice", "purchaseorder"],
            "processorUrl": self.processor_url,
            "merchantReturnUrl": f"{self.url}/thanks",
        }

    def note(self, payment_id: str, text: str) -> None:
        """A line of our own in the history."""
        at = self.clock().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.history(payment_id).note(text, at=at)


DESK: Final = web.AppKey("desk", Desk)


class AskedWrongError(Exception):
    """The page sent something that it should not have. The text says what it should send."""


def routes() -> list[web.AbstractRouteDef]:
    return [
        web.get("/api/shop", show_shop),
        web.post("/api/checkouts", start_checkout),
        web.get("/api/checkouts/{cart}", show_checkout),
        web.get("/api/payments", list_payments),
        web.get("/api/payments/{payment}", show_payment),
        web.post("/api/payments/{payment}/intents", intend),
        web.post("/api/payments/{payment}/transactions", add_transaction),
    ]


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure has a sentence for the person in front of the page."""
    try:
        return await handler(request)
    except UpstreamError as error:
        return web.json_response({"message": str(error)}, status=error.status)
    except (AskedWrongError, CartError) as error:
        return web.json_response({"message": str(error)}, status=400)


@web.middleware
async def own_pages_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A page of another origin must not refund anything here, not even play money."""
    own = request.headers.get("Sec-Fetch-Site", "same-origin") in {"same-origin", "none"}
    if request.method not in {"GET", "HEAD"} and not (own and request.content_type == "application/json"):
        raise web.HTTPForbidden
    return await handler(request)


async def show_shop(request: web.Request) -> web.Response:
    """The shelf, the test cards, and where everything is."""
    desk = request.app[DESK]
    cards = [{"text": each.text, "number": each.numbers[0]} for each in BEHAVIOURS if each.numbers]
    items = {key: asdict(item) for key, item in ITEMS.items()}
    body = {"currency": CURRENCY, "items": items, "cards": cards}
    return web.json_response(body | {"processorUrl": desk.processor_url, "pspUrl": desk.psp_url})


async def start_checkout(request: web.Request) -> web.Response:
    """A cart and a session for it."""
    desk = request.app[DESK]
    body = await _body(request)
    quantities, customer = body.get("quantities"), body.get("customer")
    if not isinstance(quantities, dict) or not all(type(each) is int for each in quantities.values()):
        raise AskedWrongError("Send `quantities`: a number for each item.")
    if customer is not None and customer not in CUSTOMERS:
        raise AskedWrongError(f"Send `customer`: one of {', '.join(CUSTOMERS)}, or none for a guest.")
    draft = cart_draft(
        quantities, anonymous_id=desk.new_id(), customer_id=customer if isinstance(customer, str) else None
    )
    cart = await desk.merchant.create_cart(draft)
    session = await desk.merchant.create_session(str(cart["id"]), desk.session_metadata())
    body = {"cartId": cart["id"], "sessionId": session["id"], "total": cart.get("totalPrice")}
    return web.json_response(body, status=201)


async def show_checkout(request: web.Request) -> web.Response:
    """The payments of a cart with all their rows, the newest payment first."""
    desk = request.app[DESK]
    cart = await desk.merchant.cart(request.match_info["cart"])
    info = cart.get("paymentInfo")
    references = info.get("payments", []) if isinstance(info, dict) else []
    payments = [each["obj"] for each in references if isinstance(each.get("obj"), dict)]
    histories = [await desk.see(payment) for payment in reversed(payments)]
    return web.json_response({"payments": [_told(history, after=0) for history in histories]})


async def list_payments(request: web.Request) -> web.Response:
    desk = request.app[DESK]
    return web.json_response({"payments": await desk.merchant.payments()})


async def show_payment(request: web.Request) -> web.Response:
    """The payment and the rows after the first `after`; 204 if there are none."""
    desk, payment_id = request.app[DESK], request.match_info["payment"]
    history = await desk.look(payment_id)
    text = request.query.get("after", "0")
    after = int(text) if text.isdecimal() else 0
    if after == len(history.rows):
        return web.Response(status=204)
    return web.json_response(_told(history, after=after))


async def intend(request: web.Request) -> web.Response:
    """Through the connector, as an order system does it."""
    desk, payment_id = request.app[DESK], request.match_info["payment"]
    action = (await _body(request)).get("action")
    if not isinstance(action, dict):
        raise AskedWrongError("Send `action`: an action of the connector's payment-intents route.")
    asked = f"{action.get('action')} {_amount(action.get('amount'))}".strip()
    try:
        answer = await desk.merchant.intend(payment_id, action)
    except UpstreamError as error:
        desk.note(payment_id, f"{asked} → {error.status}: {error}")
        raise
    reason = answer.get("reason")
    because = f" ({reason.get('message')})" if isinstance(reason, dict) else ""
    # First what it did, as it happened.
    await desk.look(payment_id)
    desk.note(payment_id, f"{asked} → {answer.get('outcome')}{because}")
    return web.json_response(answer)


async def add_transaction(request: web.Request) -> web.Response:
    """In commercetools alone: the connector hears of it by its subscription."""
    desk, payment_id = request.app[DESK], request.match_info["payment"]
    body = await _body(request)
    kind, amount = body.get("type"), body.get("amount")
    if kind not in {"Charge", "Refund", "CancelAuthorization"} or not isinstance(amount, dict):
        raise AskedWrongError("Send `type` (Charge, Refund or CancelAuthorization) and `amount`.")
    payment = await desk.merchant.add_transaction(payment_id, kind=str(kind), amount=amount)
    desk.note(payment_id, f"A merchant adds {kind} {_amount(amount)} in commercetools")
    await desk.see(payment)
    return web.json_response({"version": payment.get("version")})


def _told(history: History, *, after: int) -> dict[str, object]:
    rows = [{"number": number, **asdict(row)} for number, row in enumerate(history.rows, start=1)]
    return {"payment": history.payment, "rows": rows[after:], "seen": len(rows)}


def _amount(value: object) -> str:
    """For a line of text; the page does the pretty ones."""
    if not isinstance(value, Mapping):
        return ""
    cents, currency = value.get("centAmount"), value.get("currencyCode")
    return f"{cents / 100:.2f} {currency}" if isinstance(cents, int) else ""


async def _body(request: web.Request) -> dict[str, object]:
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise AskedWrongError("Send a JSON object.")
    return body
