"""The stage of the demo: a shopper, a merchant and a bank, who do everything over real HTTP, as they would outside."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from pydantic import SecretStr

from ct.token import form_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from psp.seams import NewId

#: Seconds that a story waits for something to become true. Everything is on this machine; more means it never will.
PATIENCE_S: Final = 20.0
_PAUSE_S: Final = 0.05


class StoryError(Exception):
    """A story did not go as it must. The text says what was seen instead."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Addresses:
    """Where everything is."""

    processor_url: str
    commercetools_url: str
    session_url: str
    auth_url: str
    psp_url: str
    project_key: str
    #: The merchant's own API client: not the connector's.
    merchant_id: str
    merchant_secret: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkout:
    """A cart and the shopper's session on it."""

    cart_id: str
    session_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """Every method is something that somebody does."""

    http: aiohttp.ClientSession
    addresses: Addresses
    new_id: NewId
    token: str

    # The shopper.

    async def fill_cart(self, amount: int, *, currency: str = "EUR", customer: str | None = None) -> Checkout:
        """A cart over `amount` minor units, and a session; `customer`: the id of who has logged in."""
        item = {
            "name": {"en": "Running shoes"},
            "slug": f"shoes-{self.new_id()}",
            "quantity": 1,
            "money": {"type": "centPrecision", "centAmount": amount, "currencyCode": currency},
        }
        cart = await self._commercetools("POST", "/carts", {"currency": currency, "customLineItems": [item]})
        if customer is not None:
            known = {"version": cart["version"], "actions": [{"action": "setCustomerId", "customerId": customer}]}
            await self._commercetools("POST", f"/carts/{cart['id']}", known)
        session = await self._json(
            "POST",
            f"{self.addresses.session_url}/{self.addresses.project_key}/sessions",
            {"cart": {"cartRef": {"id": cart["id"]}}, "metadata": {"allowedPaymentMethods": ["card"]}},
            {"Authorization": f"Bearer {self.token}"},
        )
        return Checkout(cart_id=cart["id"], session_id=session["id"])

    async def pay(self, checkout: Checkout, token: str, *, wait_s: int | None = None) -> dict[str, Any]:
        """Pay with what the PSP's fields gave the browser; the reply, whatever its status."""
        return await self._pay(checkout, {"token": token}, wait_s=wait_s)

    async def pay_and_keep(self, checkout: Checkout, token: str) -> dict[str, Any]:
        """The same, and the customer agrees that the card is kept."""
        return await self._pay(checkout, {"token": token, "storePaymentMethod": True})

    async def pay_with_kept(self, checkout: Checkout, method_id: str) -> dict[str, Any]:
        """Pay with a card that is kept."""
        return await self._pay(checkout, {"storedPaymentMethodId": method_id})

    async def kept(self, checkout: Checkout) -> list[dict[str, Any]]:
        """What the customer of the cart can pay with again."""
        url = f"{self.addresses.processor_url}/stored-payment-methods"
        reply = await self._good("GET", url, None, {"X-Session-Id": checkout.session_id})
        methods: list[dict[str, Any]] = reply["storedPaymentMethods"]
        return methods

    async def forget(self, checkout: Checkout, method_id: str) -> None:
        """The customer has a kept card deleted."""
        url = f"{self.addresses.processor_url}/stored-payment-methods/{method_id}"
        await self._good("DELETE", url, None, {"X-Session-Id": checkout.session_id})

    async def _pay(
        self, checkout: Checkout, means: Mapping[str, object], *, wait_s: int | None = None
    ) -> dict[str, Any]:
        headers = {"X-Session-Id": checkout.session_id} | ({} if wait_s is None else {"Prefer": f"wait={wait_s}"})
        body = {"paymentMethod": {"type": "card", **means}}
        return await self._json("POST", f"{self.addresses.processor_url}/payments", body, headers)

    async def ask_status(self, checkout: Checkout, operation: str) -> dict[str, Any]:
        """Poll where the payment stands, until it stands somewhere."""
        url = f"{self.addresses.processor_url}/payments/{operation}"
        give_up_at = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            reply = await self._json("GET", url, None, {"X-Session-Id": checkout.session_id})
            if reply.get("outcome") != "pending" or asyncio.get_running_loop().time() > give_up_at:
                return reply
            await asyncio.sleep(_PAUSE_S)

    async def complete(self, checkout: Checkout, operation: str, result: str) -> dict[str, Any]:
        """Come back from the challenge."""
        url = f"{self.addresses.processor_url}/payments/{operation}/complete"
        return await self._json("POST", url, {"parameters": {"result": result}}, {"X-Session-Id": checkout.session_id})

    # The merchant.

    async def ask(self, payment_id: str, **action: object) -> dict[str, Any]:
        """A payment intent, as Checkout or an order system sends it."""
        url = f"{self.addresses.processor_url}/operations/payment-intents/{payment_id}"
        return await self._json("POST", url, {"actions": [action]}, {"Authorization": f"Bearer {self.token}"})

    async def put_transaction(self, payment_id: str, kind: str, amount: int, *, currency: str = "EUR") -> None:
        """Put an Initial transaction on the Payment by hand, in commercetools and nowhere else."""
        payment = await self.payment(payment_id)
        money = {"centAmount": amount, "currencyCode": currency}
        action = {"action": "addTransaction", "transaction": {"type": kind, "amount": money, "state": "Initial"}}
        await self._commercetools(
            "POST", f"/payments/{payment_id}", {"version": payment["version"], "actions": [action]}
        )

    async def payment(self, payment_id: str) -> dict[str, Any]:
        """The Payment as commercetools has it."""
        return await self._commercetools("GET", f"/payments/{payment_id}")

    async def payments_of(self, checkout: Checkout) -> list[dict[str, Any]]:
        """All Payments on the cart."""
        cart = await self._commercetools("GET", f"/carts/{checkout.cart_id}?expand=paymentInfo.payments%5B*%5D")
        return [reference["obj"] for reference in cart.get("paymentInfo", {}).get("payments", [])]

    async def until(self, payment_id: str, wanted: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Look at the Payment until it is as wanted. Raises StoryError."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + PATIENCE_S
        while True:
            payment = await self.payment(payment_id)
            if wanted(payment):
                return payment
            if loop.time() > give_up_at:
                rows = ", ".join(f"{one['type']} {one['state']}" for one in payment["transactions"])
                raise StoryError(f"Waited {PATIENCE_S:.0f} s for: {what}. The Payment has: {rows}.")
            await asyncio.sleep(_PAUSE_S)

    # The bank, and the PSP's dashboard.

    async def answer_challenge(self, psp_payment: str, decision: str = "approve") -> str:
        """Press a button in the challenge; what the browser brings back."""
        reply = await self._psp(f"/payments/{psp_payment}/challenge", {"decision": decision})
        return str(reply["result"])

    async def fail_refund(self, refund: str, *, after_days: int) -> None:
        await self._psp(f"/refunds/{refund}/fail", {"after_days": after_days})

    async def open_dispute(self, psp_payment: str, amount: int) -> str:
        return str((await self._psp(f"/payments/{psp_payment}/disputes", {"amount": amount}))["id"])

    async def close_dispute(self, dispute: str, outcome: str) -> None:
        await self._psp(f"/disputes/{dispute}/close", {"outcome": outcome})

    async def _psp(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        return await self._good("POST", f"{self.addresses.psp_url}/__control{path}", body, {})

    async def _commercetools(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        url = f"{self.addresses.commercetools_url}/{self.addresses.project_key}{path}"
        return await self._good(method, url, body, {"Authorization": f"Bearer {self.token}"})

    async def _good(
        self, method: str, url: str, body: Mapping[str, object] | None, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        reply = await self._json(method, url, body, headers)
        if reply.get("statusCode", 200) >= 400 or "error" in reply:  # noqa: PLR2004 - HTTP's own boundary
            raise StoryError(f"{method} {url} was answered: {reply}")
        return reply

    async def _json(
        self, method: str, url: str, body: Mapping[str, object] | None, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        async with self.http.request(method, url, json=body, headers=headers) as response:
            text = await response.text()
            document: dict[str, Any] = json.loads(text) if text else {}
            return document


async def open_stage(http: aiohttp.ClientSession, addresses: Addresses, new_id: NewId) -> Stage:
    """A stage whose merchant has logged in."""
    login = form_headers(addresses.merchant_id, SecretStr(addresses.merchant_secret))
    form = b"grant_type=client_credentials"
    async with http.post(f"{addresses.auth_url}/oauth/token", data=form, headers=login) as response:
        reply = await response.json(content_type=None)
    if "access_token" not in reply:
        raise StoryError(f"The merchant cannot log in at {addresses.auth_url}: {reply.get('error', response.status)}.")
    return Stage(http=http, addresses=addresses, new_id=new_id, token=reply["access_token"])
