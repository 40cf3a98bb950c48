"""Operations of customers who have a card kept: it is stored, paid with, charged without them, and deleted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from simulation.actors import Shopper
from simulation.logs import MERCHANT, Peer
from simulation.operations import AFTERWARDS_S

from sandbox.psp.world import Decision

if TYPE_CHECKING:
    from simulation.crashes import Scene
    from simulation.operations import Act
    from simulation.street import Got


class Customer:
    """Somebody who has logged in: each payment is for a cart of its own."""

    def __init__(self, scene: Scene, name: str = "customer-1") -> None:
        self._scene = scene
        self.name = name

    def shop(self) -> Shopper:
        """The customer with another full cart."""
        stage = self._scene.stage
        shopper = Shopper(stage, number=self._scene.next_shopper())
        cart = stage.commercetools.act("GET", f"/carts/{shopper.cart}")
        action = {"action": "setCustomerId", "customerId": self.name}
        stage.commercetools.act("POST", f"/carts/{shopper.cart}", {"version": cart["version"], "actions": [action]})
        return shopper

    async def pay(self, shopper: Shopper, *, after_s: float = AFTERWARDS_S, **method: Any) -> Got | None:
        """One click, and what is answered; `method`: what the request says of it beside its type."""
        stage = self._scene.stage
        headers = {**shopper._headers, "Idempotency-Key": stage.new_id()}
        body = json.dumps({"paymentMethod": {"type": "card", **method}}).encode()
        got = await stage.street.ask(shopper.name, "POST", "/payments", headers=headers, body=body)
        await asyncio.sleep(after_s)
        return got

    async def delete(self, shopper: Shopper, method: str) -> None:
        """In the shop's list of the customer's cards."""
        path = f"/stored-payment-methods/{method}"
        await self._scene.stage.street.ask(shopper.name, "DELETE", path, headers=shopper._headers)
        await asyncio.sleep(AFTERWARDS_S)

    async def keeps_a_card(self) -> str:
        """The id of a method that has been stored before."""
        await self.pay(self.shop(), token="tok_approved", storePaymentMethod=True)
        return self.method()

    def method(self) -> str:
        """The id of the method that was stored last."""
        methods = self._scene.stage.commercetools.act("GET", "/payment-methods")["results"]
        return str(methods[-1]["id"])


def customer_of(scene: Scene) -> Customer:
    """The first customer of a shop that lets them keep cards."""
    scene.notebook.watch(scene.stage)
    return Customer(scene)


def _stored(card: str) -> Act:
    async def act(scene: Scene) -> None:
        customer = customer_of(scene)
        scene.crash_from_now_on()
        await customer.pay(customer.shop(), token=card, storePaymentMethod=True)

    return act


async def _not_stored(scene: Scene) -> None:
    """A customer who does not tick the box."""
    customer = customer_of(scene)
    scene.crash_from_now_on()
    await customer.pay(customer.shop(), token="tok_approved", storePaymentMethod=False)


async def _stored_after_a_challenge(scene: Scene) -> None:
    customer = customer_of(scene)
    shopper = customer.shop()
    got = await customer.pay(shopper, token="tok_3ds", storePaymentMethod=True)
    assert got is not None
    payment = scene.at_the_psp("answer_challenge", scene.psp_payment.id, Decision.APPROVE)
    scene.crash_from_now_on()
    await shopper._return(got.document, str(payment.result))
    await asyncio.sleep(AFTERWARDS_S)


async def _stored_by_its_event(scene: Scene) -> None:
    """The PSP decides later, and tells of it by an event."""
    customer = customer_of(scene)
    await customer.pay(customer.shop(), token="tok_pending", storePaymentMethod=True)
    scene.crash_from_now_on()
    scene.at_the_psp("settle", scene.psp_payment.id, Decision.APPROVE)
    await asyncio.sleep(AFTERWARDS_S)


async def _paid_with_it(scene: Scene) -> None:
    customer = customer_of(scene)
    method = await customer.keeps_a_card()
    shopper = customer.shop()
    scene.crash_from_now_on()
    await customer.pay(shopper, storedPaymentMethodId=method)


async def _charged_for_another(scene: Scene) -> None:
    """The merchant's system takes one customer's card for another's cart."""
    method = await customer_of(scene).keeps_a_card()
    cart = Customer(scene, "customer-2").shop().cart
    scene.crash_from_now_on()
    await _charge(scene, cart, method)
    await asyncio.sleep(AFTERWARDS_S)


async def _renewed(scene: Scene) -> None:
    """The merchant charges it when the customer is not there."""
    customer = customer_of(scene)
    method = await customer.keeps_a_card()
    cart = customer.shop().cart
    scene.crash_from_now_on()
    await _charge(scene, cart, method)
    await asyncio.sleep(AFTERWARDS_S)


async def _renewed_twice(scene: Scene) -> None:
    """The merchant's system asks again, under the same key."""
    customer = customer_of(scene)
    method = await customer.keeps_a_card()
    cart = customer.shop().cart
    scene.crash_from_now_on()
    await asyncio.gather(_charge(scene, cart, method), _charge(scene, cart, method))
    await asyncio.sleep(AFTERWARDS_S)


async def _charge(scene: Scene, cart: str, method: str) -> None:
    stage = scene.stage
    asked = {
        "type": "Recurring",
        "cartId": cart,
        "checkoutTransactionItemId": "item-1",
        "paymentMethodId": method,
        "idempotencyKey": "renewal-1",
    }
    headers = {"Authorization": f"Bearer {stage.token}", "Content-Type": "application/json"}
    body = json.dumps(asked).encode()
    await stage.street.ask(MERCHANT, "POST", "/operations/transactions", headers=headers, body=body)


async def _deleted(scene: Scene) -> None:
    customer = customer_of(scene)
    method = await customer.keeps_a_card()
    shopper = customer.shop()
    scene.crash_from_now_on()
    await customer.delete(shopper, method)


async def _deleted_twice(scene: Scene) -> None:
    """In two tabs at once."""
    customer = customer_of(scene)
    method = await customer.keeps_a_card()
    shopper = customer.shop()
    scene.crash_from_now_on()
    await asyncio.gather(customer.delete(shopper, method), customer.delete(shopper, method))


async def _deleted_while_the_psp_is_away(scene: Scene) -> None:
    """It is off the list at once, nobody pays with it any more, and the PSP forgets it when it can be reached."""
    customer = customer_of(scene)
    method = await customer.keeps_a_card()
    shopper = customer.shop()
    scene.crash_from_now_on()
    scene.wire.gateway = frozenset({(Peer.PSP, "POST")})
    await customer.delete(shopper, method)
    scene.wire.gateway = frozenset()
    await asyncio.sleep(2 * AFTERWARDS_S)


async def _charged_while_it_is_being_deleted(scene: Scene) -> None:
    """It is off the list, the PSP has not forgotten it yet, and the merchant charges it."""
    customer = customer_of(scene)
    method = await customer.keeps_a_card()
    cart, shopper = customer.shop().cart, customer.shop()
    scene.crash_from_now_on()
    scene.wire.gateway = frozenset({(Peer.PSP, "POST")})
    deleting = asyncio.create_task(customer.delete(shopper, method))
    await asyncio.sleep(AFTERWARDS_S / 2)
    scene.wire.gateway = frozenset()
    await _charge(scene, cart, method)
    await deleting
    await asyncio.sleep(AFTERWARDS_S)


async def _deleted_while_it_pays(scene: Scene) -> None:
    """Its customer has paid with it, and deletes it before the PSP has answered."""
    customer = customer_of(scene)
    method = await customer.keeps_a_card()
    paying, deleting = customer.shop(), customer.shop()
    scene.crash_from_now_on()

    async def delete() -> None:
        while not paid.done() and not scene.is_on_its_cart(paying.cart):  # noqa: ASYNC110 # no event tells
            await asyncio.sleep(0.01)
        await customer.delete(deleting, method)

    paid = asyncio.create_task(customer.pay(paying, storedPaymentMethodId=method))
    await asyncio.gather(paid, delete())


async def _told_again_after_it_was_deleted(scene: Scene) -> None:
    """The event of the payment that stored it comes once more when the customer has deleted it."""
    customer = customer_of(scene)
    method = await customer.keeps_a_card()
    await customer.delete(customer.shop(), method)
    scene.crash_from_now_on()
    outbox = scene.stage.psp.house.outbox
    outbox.resend(next(one.id for one in outbox.events.values() if one.type == "payment.authorized"))
    scene.stage.psp.stir()
    await asyncio.sleep(AFTERWARDS_S)


CUSTOMERS: Final[Mapping[str, Act]] = {
    "store a card": _stored("tok_approved"),
    "store no card": _not_stored,
    "store a card, a server error after the effect": _stored("tok_error_after"),
    "store a card after a challenge": _stored_after_a_challenge,
    "store a card of which an event tells": _stored_by_its_event,
    "pay with a stored card": _paid_with_it,
    "charge a stored card": _renewed,
    "charge a stored card twice under one key": _renewed_twice,
    "charge another customer's card": _charged_for_another,
    "delete a card": _deleted,
    "delete a card twice at once": _deleted_twice,
    "delete a card while the PSP is away": _deleted_while_the_psp_is_away,
    "charge a card that is being deleted": _charged_while_it_is_being_deleted,
    "delete a card while it pays": _deleted_while_it_pays,
    "an old event of a card that was deleted": _told_again_after_it_was_deleted,
}
