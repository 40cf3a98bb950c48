"""What the shop sells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

CURRENCY: Final = "EUR"
QUANTITY_MAX: Final = 20


class CartError(Exception):
    """Nobody can buy that. The text says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One thing on the shelf."""

    name: str
    text: str
    #: In minor units of the shop's currency.
    price: int


ITEMS: Final[Mapping[str, Item]] = {
    "mug": Item(name="Stoneware mug", text="Thrown by hand, 300 ml", price=1490),
    "notebook": Item(name="Linen notebook", text="120 dotted pages, lies flat", price=1250),
    "blanket": Item(name="Wool blanket", text="130 by 180 cm, undyed", price=7900),
}


def cart_draft(
    quantities: Mapping[str, int], *, anonymous_id: str, customer_id: str | None = None
) -> dict[str, object]:
    """A commercetools CartDraft, of the customer if there is one. Raises CartError."""
    unknown = quantities.keys() - ITEMS.keys()
    if unknown or any(not 0 <= quantity <= QUANTITY_MAX for quantity in quantities.values()):
        raise CartError(f"Choose from 0 to {QUANTITY_MAX} of each of: {', '.join(ITEMS)}.")
    if not any(quantities.values()):
        raise CartError("The cart is empty. Put something into it.")
    return {
        "currency": CURRENCY,
        "country": "DE",
        **({"anonymousId": anonymous_id} if customer_id is None else {"customerId": customer_id}),
        # Prices are what they are: no tax is worked out in a sandbox.
        "taxMode": "Disabled",
        "customLineItems": [
            {
                "name": {"en": ITEMS[key].name},
                "slug": key,
                "quantity": quantity,
                "money": {"type": "centPrecision", "centAmount": ITEMS[key].price, "currencyCode": CURRENCY},
            }
            for key, quantity in quantities.items()
            if quantity
        ],
    }
