"""Other payment software of the same shop: it has Payments of its own on carts, which are none of our business."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from simulation.faults import FaultKind

if TYPE_CHECKING:
    from simulation.actors import Stage

#: What its Payments bear as their `paymentInterface`.
INTERFACE: Final = "gift-cards"
#: What stands on such a Payment at first: kind and state.
_FIRST: Final = (
    ("Authorization", "Initial"),
    ("Authorization", "Success"),
    ("Authorization", "Success"),
    ("Charge", "Initial"),
    ("Charge", "Success"),
)
#: What it puts there later. It carries that out itself.
_LATER: Final = ("Charge", "Charge", "Refund", "CancelAuthorization")


class GiftCards:
    """A gift card that pays for a part of one cart, or for all of it."""

    def __init__(self, stage: Stage, *, cart: str) -> None:
        self._stage = stage
        self._cart = cart

    async def act(self) -> None:
        """A Payment with a transaction, put on the cart, and one more on it later."""
        stage, dice = self._stage, self._stage.dice
        await asyncio.sleep(dice.choice((0.0, 0.3, 2.0, 20.0)) * dice.uniform(0.5, 1.5))
        if not stage.step("gift cards", "pay"):
            return
        payment_id = self.pay(*dice.choice(_FIRST), part=dice.choice((1, 2, 4, 4)))
        await stage.pause()
        if payment_id is not None and stage.step("gift cards", "go on"):
            self.go_on(payment_id, dice.choice(_LATER))

    def pay(self, kind: str, state: str, *, part: int) -> str | None:
        """The Payment that pays for one part of so many; None: there is no cart any more."""
        stage = self._stage
        cart = stage.commercetools.cart(self._cart)
        if cart is None:
            return None
        total = cart["totalPrice"]
        money = {"centAmount": max(1, total["centAmount"] // part), "currencyCode": total["currencyCode"]}
        draft = _draft(money, kind, state, stage.dice.randrange(10**9))
        payment_id = str(stage.commercetools.act("POST", "/payments", draft)["id"])
        stage.bad.note(FaultKind.FOREIGN_PAYMENT, payment_id)
        self._put_on(cart, payment_id)
        return payment_id

    def go_on(self, payment_id: str, kind: str) -> None:
        """One more transaction, which it carries out itself."""
        payment = self._stage.commercetools.act("GET", f"/payments/{payment_id}")
        money = {name: payment["amountPlanned"][name] for name in ("centAmount", "currencyCode")}
        draft = {"type": kind, "amount": money, "state": "Initial"}
        action = {"action": "addTransaction", "transaction": draft}
        body = {"version": payment["version"], "actions": [action]}
        self._stage.commercetools.act("POST", f"/payments/{payment_id}", body)

    def _put_on(self, cart: dict[str, Any], payment_id: str) -> None:
        action = {"action": "addPayment", "payment": {"typeId": "payment", "id": payment_id}}
        body = {"version": cart["version"], "actions": [action]}
        try:
            self._stage.commercetools.act("POST", f"/carts/{cart['id']}", body)
        except ValueError as error:
            self._stage.recorder.say(f"the gift card is on no cart: {error}")


def _draft(money: dict[str, Any], kind: str, state: str, number: int) -> dict[str, Any]:
    return {
        "amountPlanned": money,
        "interfaceId": f"card-{number}",
        "paymentMethodInfo": {"paymentInterface": INTERFACE, "method": "giftcard"},
        "transactions": [{"type": kind, "state": state, "amount": money, "interactionId": f"redeemed-{number}"}],
    }
