"""What the ingress may know of stored payment methods: whose a cart is, and what may be shown. Never a token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ct import stored
from ct.errors import NotFoundError

if TYPE_CHECKING:
    from ct.ledger import Ledger
    from ct.stored import StoredMethod


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredMethods:
    """Reads; never writes. Every method raises UnavailableError and ForbiddenError."""

    ledger: Ledger

    async def customer(self, *, cart_id: str, correlation_id: str) -> str | None:
        """The customer whose the cart is; None: a guest's, or there is no such cart. One call."""
        try:
            cart = await self.ledger.for_request(correlation_id).load_cart(cart_id)
        except NotFoundError:
            return None
        return cart.customer_id

    async def of_customer(self, customer_id: str, *, correlation_id: str) -> tuple[StoredMethod, ...]:
        """All that the customer can pay with, the newest first. One call for every 500."""
        return await stored.of_customer(self.ledger.for_request(correlation_id), customer_id)

    async def find(self, method_id: str, *, correlation_id: str) -> StoredMethod | None:
        """One that can be paid with, whosever it is. One call."""
        kept = await stored.load(self.ledger.for_request(correlation_id), method_id)
        return kept.shown if kept is not None and kept.active else None
