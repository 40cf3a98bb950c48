"""A commercetools Cart as far as paying for it goes: its total, and the payments already on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ct.payment import Payment, parse_money, parse_payment
from psp.money import Money

if TYPE_CHECKING:
    from collections.abc import Mapping


#: A frozen cart keeps its prices, and is paid for like any other.
_PAYABLE: Final = frozenset({"Active", "Frozen"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Cart:
    """One cart, read with its payments expanded, so that it costs one call however many there are."""

    id: str
    version: int
    #: Whether it can still be paid for; an ordered or merged cart cannot.
    active: bool
    #: Tax included where commercetools has computed it.
    total: Money
    customer_id: str | None
    anonymous_id: str | None
    payments: tuple[Payment, ...]


def parse_cart(document: Mapping[str, Any]) -> Cart:
    """The Cart in commercetools' JSON, read with `expand=paymentInfo.payments[*]`.

    A reference that could not be expanded is a Payment that was deleted: it pays for nothing.
    Raises UnreadablePaymentError, or ValueError for a total in high precision.
    """
    references = document.get("paymentInfo", {}).get("payments", ())
    taxed = document.get("taxedPrice")
    return Cart(
        id=document["id"],
        version=document["version"],
        active=document.get("cartState", "Active") in _PAYABLE,
        total=parse_money(taxed["totalGross"] if taxed else document["totalPrice"]),
        customer_id=document.get("customerId"),
        anonymous_id=document.get("anonymousId"),
        payments=tuple(parse_payment(reference["obj"]) for reference in references if "obj" in reference),
    )
