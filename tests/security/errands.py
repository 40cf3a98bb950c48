"""Everything that anybody can have the product do, each once: every route, every message, every worker, every command.

The tables are held against the product's own, so that what is new there is missing here until somebody writes it down.
"""

from __future__ import annotations

import json
import uuid
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import SecretStr
from support.polling import eventually

from bus.messages import (
    TOPICS,
    AuthorizePayment,
    CancelPayment,
    CapturePayment,
    CompleteAuthorization,
    DeletePaymentMethod,
    PspNotification,
    RefundPayment,
    ReversePayment,
    StorePaymentMethod,
    attributes,
    encode,
)
from bus.topics import Topic
from ct.resolution import Resolution
from ctpay import local, reconcile, resolve, wiring
from ctpay.letter_filter import Wanted as WantedLetters
from ctpay.reconcile import Wanted
from ctpay.settings import load
from handlers import app
from handlers.returns import State as Return
from handlers.returns import sign_state
from psp.facts import Instrument, State
from psp.money import Money
from workers import reconcile_schedule, runtime
from workers.reconcile_lists import Repair

CUSTOMER = "customer-1"
PROJECT = local.PROJECT_KEY
#: That callers send, whether anybody reads them or not.
HEADERS = (
    "X-Session-Id",
    "Authorization",
    "X-Correlation-ID",
    "X-Request-ID",
    "Idempotency-Key",
    "Prefer",
    "Origin",
    "User-Agent",
    "Cookie",
    "Referer",
    "X-Forwarded-For",
    "Content-Type",
    "Accept",
    "traceparent",
    "If-Match",
)


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """What callers bring along and must be nowhere."""

    token: str
    session: str
    bearer: str
    key: str
    card: str


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is there before anything goes wrong, so that what is asked for exists."""

    payment: str
    #: The customer's stored method.
    method: str
    #: Payments with an authorization of which nobody can tell what became of it: (Payment, transaction).
    lost: list


async def acquainted(product):
    """A customer with a payment and a stored method, and a few lost authorizations."""
    _, session = await product.shop(CUSTOMER)
    _, reply = await product.pay("tok_approved", session, storePaymentMethod=True)
    await product.handled()
    (method,) = product.commercetools.core.documents("payment-method")
    lost = [await _lost(product, number) for number in range(4)]
    return Known(payment=reply["paymentReference"], method=method["id"], lost=lost)


async def _lost(product, number):
    """Reserved for a request long ago of which nobody has heard since."""
    fields = {"ctpayCommandId": f"lost-{number}", "ctpaySendBy": "2026-01-01T00:00:00.000Z"}
    money = {"centAmount": 4200, "currencyCode": "EUR"}
    transaction = {
        "type": "Authorization", "amount": money, "state": "Pending",
        "custom": {"type": {"typeId": "type", "key": "ctpay-transaction"}, "fields": fields},
    }  # fmt: skip
    draft = {
        "amountPlanned": money, "paymentMethodInfo": {"paymentInterface": "ctpay-sandbox"},
        "transactions": [transaction],
    }  # fmt: skip
    made = await product.merchants("POST", "/payments", draft)
    return made["id"], made["transactions"][0]["id"]


@dataclass(kw_only=True)
class Visit:
    """One shopper's cart and session, and what the round is about."""

    product: object
    known: Known
    secrets: Secrets
    cart: str
    session: str
    #: With what the shopper pays.
    token: str
    #: What the ingress called the payment, if it did.
    operation: str = "op-1"
    #: Route -> the statuses that it answered with.
    statuses: dict = field(default_factory=dict)

    async def call(self, method, path, value, options):
        status, text = await self.product.ask(method, path.format(operation=value, id=value, psp=value), **options)
        self.statuses.setdefault((method, path), set()).add(status)
        if (method, path) == ("POST", "/payments") and status in {200, 202}:
            self.operation = json.loads(text)["operation"]
        return status

    @property
    def shopper(self):
        return {"X-Session-Id": self.session}

    @property
    def keyed(self):
        return {**self.shopper, "Idempotency-Key": self.secrets.key, "Prefer": f"wait={self.product.wait_s}"}

    @property
    def program(self):
        return {"Authorization": f"Bearer {self.product.merchant}", "Prefer": f"wait={self.product.wait_s}"}

    @property
    def person(self):
        return {"Authorization": f"Bearer {self.product.person}"}

    @property
    def state(self):
        """As we sign it into a return URL."""
        secret = wiring.return_secret(SecretStr(self.product.environment["CTP_CLIENT_SECRET"]))
        return sign_state(Return(operation=self.operation, cart_id=self.cart, merchant_return_url=None), secret)


def _intent(action, amount=None):
    asked = {"action": action} | ({"amount": {"centAmount": amount, "currencyCode": "EUR"}} if amount else {})
    return lambda visit: (visit.known.payment, {"json": {"actions": [asked]}, "headers": visit.program})


def _pays(visit):
    method = {"type": "card", "token": visit.token, "storePaymentMethod": True}
    return "", {"json": {"paymentMethod": method}, "headers": visit.keyed}


def _charges(visit):
    asked = {
        "type": "Recurring", "cartId": visit.cart, "checkoutTransactionItemId": str(uuid.uuid4()),
        "paymentMethodId": visit.known.method, "idempotencyKey": visit.secrets.key,
    }  # fmt: skip
    return "", {"json": asked, "headers": visit.program}


def _notifies(visit):
    secrets = visit.secrets
    body = {"id": "e", "type": secrets.token, "data": {"token": secrets.token, "card": secrets.card}}
    data = json.dumps(body).encode()
    return "sandbox", {"data": data, "headers": visit.product.signed(data)}


#: Route -> its calls: what stands in the place of the path's variable, and the options of the request.
CALLS = {
    ("POST", "/payments"): [_pays],
    ("GET", "/payments"): [lambda visit: ("", {"headers": visit.keyed})],
    ("GET", "/payments/{operation}"): [lambda visit: (visit.operation, {"headers": visit.shopper})],
    ("POST", "/payments/{operation}/complete"): [
        lambda visit: (
            visit.operation,
            {"json": {"parameters": {"result": visit.secrets.token}}, "headers": visit.keyed},
        )
    ],
    ("GET", "/payments/{operation}/return"): [
        lambda visit: (visit.operation, {"params": {"state": visit.state, "result": visit.secrets.token}})
    ],
    ("POST", "/payments/{operation}/return"): [
        lambda visit: (visit.operation, {"params": {"state": visit.state}, "data": {"result": visit.secrets.token}})
    ],
    ("GET", "/operations/config"): [
        lambda visit: ("", {"headers": visit.shopper}),
        lambda visit: ("", {"headers": {"X-Session-Id": visit.secrets.session}}),
    ],
    ("GET", "/operations/status"): [lambda visit: ("", {"headers": visit.person})],
    ("GET", "/operations/payment-components"): [lambda visit: ("", {"headers": visit.person})],
    ("POST", "/operations/payment-intents/{id}"): [
        _intent("capturePayment", 100),
        _intent("refundPayment", 100),
        _intent("cancelPayment"),
        _intent("reversePayment"),
        lambda visit: ("p", {"json": {}, "headers": {"Authorization": f"Bearer {visit.secrets.bearer}"}}),
    ],
    ("POST", "/operations/transactions"): [_charges],
    ("GET", "/stored-payment-methods"): [lambda visit: ("", {"headers": visit.shopper})],
    ("DELETE", "/stored-payment-methods/{id}"): [
        lambda visit: (visit.known.method, {"headers": {**visit.shopper, "Prefer": f"wait={visit.product.wait_s}"}})
    ],
    ("POST", "/webhooks/{psp}"): [_notifies],
    ("GET", "/health/live"): [lambda _visit: ("", {})],
    ("GET", "/health/ready"): [lambda _visit: ("", {})],
}


def _of_a_cart(visit):
    return {"cart_id": visit.cart, "owner": "owner-1"}


def _of_a_payment(visit, **more):
    return {"payment_id": visit.known.payment, **more}


_CENT = Money(amount=1, currency="EUR")
#: Message -> its own fields. Not every round's requests get so far that a message of each is published.
MESSAGES = {
    AuthorizePayment: lambda visit: {
        **_of_a_cart(visit), "method": "card", "token": SecretStr(visit.token), "request_hash": "hash",
        "return_url": "http://shop.example/return",
    },
    CompleteAuthorization: lambda visit: {
        **_of_a_cart(visit), "operation": visit.operation, "parameters": {"result": visit.secrets.token}
    },
    CapturePayment: lambda visit: _of_a_payment(visit, amount=_CENT),
    RefundPayment: lambda visit: _of_a_payment(visit, amount=_CENT),
    CancelPayment: _of_a_payment,
    ReversePayment: _of_a_payment,
    StorePaymentMethod: lambda visit: _of_a_payment(
        visit, token=SecretStr(visit.secrets.token), instrument=Instrument(method="card")
    ),
    DeletePaymentMethod: lambda visit: {"method_id": visit.known.method, "customer_id": CUSTOMER},
    PspNotification: lambda visit: {
        "event_id": "n-1", "psp": "sandbox", "headers": {},
        "body": b64encode(json.dumps({"id": "e", "type": visit.secrets.token, "data": {}}).encode()),
    },
}  # fmt: skip


async def arriving(product, known, secrets, *, token):
    """A shopper with a full cart."""
    cart, session = await product.shop(CUSTOMER)
    return Visit(product=product, known=known, secrets=secrets, cart=cart, session=session, token=token)


async def everything(product, known, secrets, *, token=None, wait_s=0):
    """Do it all, with whatever comes of it; the visit in whose course. Fails where something was not met."""
    product.wait_s = wait_s
    visit = await arriving(product, known, secrets, token=token or secrets.token)
    with product.meeting() as met:
        for method, path in app.ROUTES:
            for call in CALLS[method, path]:
                await visit.call(method, path, *call(visit))
        for kind in runtime._HANDLERS:
            message = kind(**_heading(product, kind), **MESSAGES[kind](visit))
            await product.throw_in(TOPICS[kind], encode(message), attributes(message))
        await product.throw_in(Topic.CAPTURE, f"poison {secrets.token}".encode(), {})
        await _merchant_charges(visit)
        await product.handled()
        await _person_works(product, known)
        await _worker_passes(product)
    assert met.routes == {*app.ROUTES}
    assert met.workers == {*runtime.WORKERS, reconcile_schedule.NAME}
    return visit


def _heading(product, kind):
    common = {"correlation_id": "cor-1"}
    if kind is PspNotification:
        return {**common, "received_at": product.now()}
    return {**common, "command_id": f"command-{uuid.uuid4()}", "accepted_at": product.now()}


async def _merchant_charges(visit):
    """By hand, on the Payment; and once more in a message so large that its body was left out."""
    product, payment = visit.product, visit.known.payment
    heard = product.published(Topic.COMMERCETOOLS)
    draft = {"type": "Charge", "amount": {"centAmount": 7, "currencyCode": "EUR"}, "state": "Initial"}

    async def taken():
        """Again where a worker wrote in between."""
        version = (await product.merchants("GET", f"/payments/{payment}"))["version"]
        change = {"version": version, "actions": [{"action": "addTransaction", "transaction": draft}]}
        return await product.merchants("POST", f"/payments/{payment}", change) is not None

    async def told():
        return product.published(Topic.COMMERCETOOLS) > heard

    await eventually(taken)
    await eventually(told)
    large = {
        "notificationType": "Message", "projectKey": PROJECT, "id": "large", "version": 1,
        "resource": {"typeId": "payment", "id": payment}, "resourceVersion": 2,
        "payloadNotIncluded": {"reason": "The payload was too large.", "payloadType": "PaymentTransactionAdded"},
    }  # fmt: skip
    await product.throw_in(Topic.COMMERCETOOLS, json.dumps(large).encode(), {})


async def _worker_passes(product):
    """One pass of the reconcile worker, a day later: what was lost is over by then."""
    before = product.passes()

    async def passed():
        return product.passes() > before

    async with wiring.open_workers(load(), [reconcile_schedule.NAME], product.a_day_later):
        await eventually(passed)


async def _person_works(product, known):
    """Each command, as text and as JSON."""
    async with wiring.open_work(load(), product.a_day_later) as work:
        for as_json, (payment, transaction) in zip((False, True), known.lost[:2], strict=True):
            word = Resolution(
                transaction_id=transaction, state=State.FAILURE, evidence="ticket 4711", by="Ada",
                at=work.clock(), cause="resolve-1",
            )  # fmt: skip
            with product.person_listening():
                await resolve.end(work, payment, word, as_json=as_json)
            for since in (None, work.clock() - timedelta(days=7)):
                wanted = Wanted(
                    since=since, until=None, repair=Repair.EVIDENT, rested=timedelta(0), file=None, as_json=as_json
                )
                with product.person_listening():
                    await reconcile.reconcile(work, wanted, lambda: "1")
            with product.person_listening() as console:
                desk = product.desk(console, as_json=as_json)
                await desk.listing(WantedLetters())
                await desk.show(WantedLetters())
