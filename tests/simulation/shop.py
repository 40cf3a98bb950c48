"""The shop's own software: it makes an order of a cart, or throws it away, whatever is still under way with it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from simulation.faults import FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulation.actors import Stage

#: So long after a shopper's first click, roughly: in the middle of it, when it is paid, when others have long gone on.
_AFTER_S: Final = (0.6, 2.0, 8.0, 40.0, 900.0)


class Shop:
    """What becomes of one cart."""

    def __init__(self, stage: Stage, *, cart: str, kind: FaultKind) -> None:
        self._stage = stage
        self._cart = cart
        self._kind = kind

    async def act(self) -> None:
        """The cart is ordered, or deleted, if somebody has begun to pay for it."""
        stage, dice = self._stage, self._stage.dice
        await asyncio.sleep(dice.choice(_AFTER_S) * dice.uniform(0.5, 1.5))
        cart = stage.commercetools.cart(self._cart)
        if cart is None or cart["cartState"] != "Active" or "paymentInfo" not in cart:
            return
        if stage.step("shop", self._kind):
            stage.bad.note(self._kind, self._cart)
            DEEDS[self._kind](stage, cart)


def _order(stage: Stage, cart: dict[str, Any]) -> None:
    """It takes no payment any more."""
    draft = {"cart": {"typeId": "cart", "id": cart["id"]}, "version": cart["version"]}
    stage.commercetools.act("POST", "/orders", draft)


def _delete(stage: Stage, cart: dict[str, Any]) -> None:
    """There is no such cart any more. Its Payments stay."""
    stage.commercetools.act("DELETE", f"/carts/{cart['id']}?version={cart['version']}")


#: What a shop does in the seeds that have it.
DEEDS: Final[Mapping[FaultKind, Callable[[Stage, dict[str, Any]], None]]] = {
    FaultKind.MERCHANT_ORDERS_CART: _order,
    FaultKind.MERCHANT_DELETES_CART: _delete,
}
