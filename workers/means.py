"""What the PSP is asked to take the money from: the shopper's own token, or the one that a stored method stands for.

Law: the token of a stored method is read here, between commercetools and the PSP, and goes nowhere else. It is judged
here too, whatever the ingress has seen: methods are deleted, and carts change hands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ct import stored
from ct.judge import Refusal
from psp.stored import TokenKind

if TYPE_CHECKING:
    from pydantic import SecretStr

    from bus.messages import AuthorizePayment
    from ct.cart import Cart
    from workers.work import Work


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """How an authorization is paid."""

    #: None: the method needs none.
    token: SecretStr | None
    kind: TokenKind = TokenKind.FRESH
    #: The customer for whom the PSP is to store it; None: nobody.
    store_for: str | None = None


async def means_of(work: Work, command: AuthorizePayment, cart: Cart) -> Means | Refusal:
    """The means, or why there is none. One call where a stored method pays, else none."""
    if command.stored_method_id is None:
        if command.store and cart.customer_id is None:
            return Refusal(code="guest", message="Guests cannot store payment methods. Log in, or pay without storing.")
        return Means(token=command.token, store_for=cart.customer_id if command.store else None)
    kept = await stored.load(work.ledger, command.stored_method_id)
    theirs = kept is not None and kept.active and kept.shown.customer_id == cart.customer_id
    if kept is None or not theirs or kept.shown.method != command.method:
        return Refusal(code="no-such-stored-method", message="The customer of this cart has no such stored method.")
    return Means(token=kept.token, kind=TokenKind.STORED)
