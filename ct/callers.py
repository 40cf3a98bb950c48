"""Who calls us: a shopper with a session, an API client with a token, or a person in the Merchant Center.

Law: nobody is believed without proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from psp.money import Money

#: Part of the time a caller is known after which it is checked again, behind the answer.
FRESH: Final = 0.5


class UnknownCallerError(Exception):
    """The caller did not prove who it is (401). Its message may be shown to the caller."""


class NotAllowedError(Exception):
    """The caller is known and may not do this (403). Give its API client one of the scopes in `needed`."""

    def __init__(self, *, needed: tuple[str, ...]) -> None:
        super().__init__(f"The token lacks a scope for this project. It needs one of: {', '.join(needed)}.")
        self.needed = needed


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """How long a checked caller is believed without asking again, and how many of them."""

    for_s: float = 60.0
    size: int = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A shopper's active checkout session: the cart, and what the merchant decided about paying for it."""

    #: Whom results belong to: a hash of project and session id, fit for messages and logs. The id itself is a secret.
    owner: str
    cart_id: str
    #: None: all that the connector offers.
    allowed_payment_methods: tuple[str, ...] | None
    #: Where the shopper goes after a redirect; None: where the connector's configuration says.
    merchant_return_url: str | None
    #: Overrides the request's own.
    correlation_id: str | None
    #: What gift cards are to pay of the cart.
    gift_card_planned: Money | None
    future_order_number: str | None
    checkout_transaction_item_id: str | None
    payment_interface: str | None
    processor_url: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """An API client whose token is active."""

    client_id: str
    #: Names of its scopes for the whole of our project, such as `manage_project`.
    authorities: frozenset[str]

    def require(self, *authorities: str) -> None:
        """Raises NotAllowedError unless the caller has at least one of them."""
        if self.authorities.isdisjoint(authorities):
            raise NotAllowedError(needed=authorities)


@dataclass(frozen=True, kw_only=True, slots=True)
class Merchant:
    """A person in the Merchant Center, whose token commercetools has signed for our project."""

    #: The person's id, which the token names.
    subject: str
