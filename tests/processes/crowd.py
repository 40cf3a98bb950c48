"""Shoppers and merchants in a crowd. Each knows what the Payments must be in the end, whatever happens meanwhile.

They ask again only while nobody answers, as a browser or an order system does; what is accepted is never asked twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

import aiohttp
from support.polling import eventually
from support.stack import LEASE_PATIENCE_S

TOTAL = 4200
HELD = ("Authorization", "Success", TOTAL)
#: So long some of them wait for the outcome; the others ask for it later.
WAITS_S = 10


@dataclass(kw_only=True)
class Purchase:
    """One cart, what is done about it, and how each of its Payments must end (id -> rows)."""

    stack: object
    name: str
    cart: str = ""
    session: str = ""
    #: The method that was stored with it.
    method: str = ""
    #: Of the same customer.
    later: list = field(default_factory=list)
    ends: dict = field(default_factory=dict)

    async def begin(self):
        checkout = await self.stack.fill_cart(TOTAL, customerId=self.name)
        self.cart, self.session = checkout.cart, checkout.session

    async def live(self, story):
        """All of one story."""
        await self.begin()
        await story(self)

    async def accepted(self, key=None, *, wait_s=0, **method):
        """The operation of a payment that was accepted. `method`: what is said of it beside its type."""
        body = {"paymentMethod": {"type": "card", **method}}
        key = key and f"{self.name}-{key}"
        reply = await self.stack.insist("POST", "/payments", body, session=self.session, key=key, wait_s=wait_s)
        return reply["operation"]

    async def pay(self, token="tok_approved", *, key="pay", outcome="approved"):
        """A payment that has this outcome; its Payment."""
        return await self.stack.until_paid(self, await self.accepted(key, token=token), outcome=outcome)

    async def ask(self, payment, action, amount=None, *, wait_s=0):
        asked = {"action": action}
        if amount is not None:
            asked["amount"] = {"centAmount": amount, "currencyCode": "EUR"}
        path, key = f"/operations/payment-intents/{payment}", f"{self.name}-{action}-{amount}"
        await self.stack.insist("POST", path, {"actions": [asked]}, key=key, wait_s=wait_s)

    async def until(self, payment, *rows):
        """Wait for them; they are the end unless something else is done."""
        self.ends[payment] = list(rows)
        await self.stack.until_rows({payment: list(rows)}, within_s=LEASE_PATIENCE_S)

    async def stored(self):
        """The customer's stored method, once it is on the list."""
        found = []

        async def listed():
            with contextlib.suppress(aiohttp.ClientError):
                _, reply = await self.stack.ask("GET", "/stored-payment-methods", session=self.session)
                found[:] = reply.get("storedPaymentMethods", ())
            return bool(found)

        await eventually(listed, within_s=LEASE_PATIENCE_S, every_s=self.stack.look_s)
        self.method = found[0]["id"]
        return self.method

    async def renewed(self, method):
        """The merchant's system charges what is stored, for another cart, when nobody is there."""
        renewal = Purchase(stack=self.stack, name=self.name)
        await renewal.begin()
        self.later.append(renewal)
        asked = {
            "type": "Recurring",
            "cartId": renewal.cart,
            "checkoutTransactionItemId": self.name,
            "paymentMethodId": method,
            "idempotencyKey": f"{self.name}-renewal",
        }
        await self.stack.insist("POST", "/operations/transactions", asked, wait_s=WAITS_S)
        payment = await self.stack.payment_on(renewal.cart)
        await renewal.until(payment, HELD)

    async def bank(self, payment, path, **body):
        """Something that the PSP's own people or the shopper's bank do."""
        psp_payment = (await self.stack.payment(payment))["interfaceId"]
        return await self.stack.psp_control("POST", f"/payments/{psp_payment}/{path}", body)


async def captured_and_refunded(one):
    payment = await one.pay()
    await one.until(payment, HELD)
    await one.ask(payment, "capturePayment", 2000, wait_s=WAITS_S)
    await one.until(payment, HELD, ("Charge", "Success", 2000))
    await one.ask(payment, "refundPayment", 700, wait_s=WAITS_S)
    await one.until(payment, HELD, ("Charge", "Success", 2000), ("Refund", "Success", 700))


async def captured_twice_at_once(one):
    payment = await one.pay()
    await asyncio.gather(*(one.ask(payment, "capturePayment", amount) for amount in (1000, 1100)))
    await one.until(payment, HELD, ("Charge", "Success", 1000), ("Charge", "Success", 1100))


async def cancelled(one):
    payment = await one.pay()
    await one.ask(payment, "cancelPayment")
    await one.until(payment, HELD, ("CancelAuthorization", "Success", TOTAL))


async def reversed_(one):
    payment = await one.pay()
    await one.ask(payment, "capturePayment", 1200)
    await one.until(payment, HELD, ("Charge", "Success", 1200))
    await one.ask(payment, "reversePayment")
    given_back = (("CancelAuthorization", "Success", TOTAL - 1200), ("Refund", "Success", 1200))
    await one.until(payment, HELD, ("Charge", "Success", 1200), *given_back)


async def clicked_twice(one):
    operations = await asyncio.gather(*(one.accepted(token="tok_approved", wait_s=WAITS_S) for _ in range(2)))
    payments = {await one.stack.until_paid(one, operation) for operation in operations}
    assert len(payments) == 1, f"Two clicks must be one payment, and were {payments}"
    await one.until(payments.pop(), HELD)


async def declined_then_paid(one):
    declined = await one.pay("tok_declined", key="first", outcome="rejected")
    await one.until(declined, ("Authorization", "Failure", TOTAL))
    await one.until(await one.pay(key="second"), HELD)


async def challenged(one):
    # Under a key: without one, a click that comes seconds later is another wish, and gives this attempt up.
    operation = await one.accepted("pay", token="tok_3ds", wait_s=WAITS_S)
    payment = await one.stack.until_paid(one, operation, outcome="action")
    brought = {"parameters": {"result": (await one.bank(payment, "challenge", decision="approve"))["result"]}}
    await one.stack.insist("POST", f"/payments/{operation}/complete", brought, session=one.session)
    await one.stack.until_paid(one, operation)
    await one.until(payment, HELD)


async def paid_otherwise_meanwhile(one):
    operation = await one.accepted("first", token="tok_3ds")
    given_up = await one.stack.until_paid(one, operation, outcome="action")
    await one.until(await one.pay(key="second"), HELD)
    await one.until(given_up, ("Authorization", "Failure", TOTAL), ("CancelAuthorization", "Success", TOTAL))


async def asked_too_much(one):
    payment = await one.pay()
    await one.ask(payment, "capturePayment", TOTAL + 1, wait_s=WAITS_S)
    await one.ask(payment, "capturePayment", TOTAL, wait_s=WAITS_S)
    await one.until(payment, HELD, ("Charge", "Success", TOTAL))
    await one.ask(payment, "refundPayment", TOTAL + 1, wait_s=WAITS_S)


async def decided_later(one):
    # The PSP decides by itself after some seconds, and only its event tells so.
    await one.until(await one.pay("tok_pending"), HELD)


async def charged_by_hand(one):
    payment = await one.pay()
    await one.until(payment, HELD)
    await one.stack.put_transaction(payment, "Charge", 1500)
    await one.until(payment, HELD, ("Charge", "Success", 1500))


async def disputed(one):
    payment = await one.pay()
    await one.ask(payment, "capturePayment", TOTAL)
    captured = (HELD, ("Charge", "Success", TOTAL))
    await one.until(payment, *captured)
    await one.bank(payment, "disputes", amount=900)
    await one.until(payment, *captured, ("Chargeback", "Pending", 900))


async def kept_charged_and_deleted(one):
    operation = await one.accepted("pay", token="tok_approved", storePaymentMethod=True)
    await one.until(await one.stack.until_paid(one, operation), HELD)
    method = await one.stored()
    again = Purchase(stack=one.stack, name=one.name)
    await again.begin()
    one.later.append(again)
    operation = await again.accepted("pay-again", storedPaymentMethodId=method)
    await again.until(await again.stack.until_paid(again, operation), HELD)
    await one.renewed(method)
    await one.stack.insist("DELETE", f"/stored-payment-methods/{method}", None, session=again.session)
    await one.stack.until_deleted(method)


#: The most usual ones first; a crowd takes them in turn.
STORIES = (
    captured_and_refunded,
    clicked_twice,
    captured_twice_at_once,
    declined_then_paid,
    challenged,
    cancelled,
    charged_by_hand,
    disputed,
    kept_charged_and_deleted,
    paid_otherwise_meanwhile,
    reversed_,
    asked_too_much,
    decided_later,
)


async def throng(stack, name, *, seconds, at_once):
    """Purchases, so many at a time, new ones for so many seconds; all of them, ended."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    purchases = []

    async def customer():
        while loop.time() < until:
            number = len(purchases)
            one = Purchase(stack=stack, name=f"{name}-{number}")
            purchases.append(one)
            await one.live(STORIES[number % len(STORIES)])

    async with asyncio.TaskGroup() as customers:
        for _ in range(at_once):
            customers.create_task(customer())
    return purchases
