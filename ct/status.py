"""The status of an operation, for the session that owns it: one read of its cart, with all payments in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ct.errors import NotFoundError
from ct.standing import is_owner, operation_on, standing_of

if TYPE_CHECKING:
    from ct.ledger import Ledger
    from psp.outcome import Standing


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusReader:
    """Reads; never writes."""

    ledger: Ledger
    project_key: str

    async def read(self, *, cart_id: str, owner: str, operation: str, correlation_id: str) -> Standing | None:
        """Where the operation stands; None: nobody has taken it up yet, or it is not this session's.

        Raises UnavailableError.
        """
        try:
            cart = await self.ledger.for_request(correlation_id).load_cart(cart_id)
        except NotFoundError:
            return None
        found = operation_on(cart, operation)
        if found is None:
            return None
        payment, transaction = found
        owned = is_owner(
            project_key=self.project_key, owner=owner, cart_id=cart.id, payment=payment, transaction=transaction
        )
        return standing_of(payment, transaction) if owned else None
