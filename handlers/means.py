"""What a shopper wants to pay with, checked before anything is published: so a refusal leaves no trace on the cart.

Only what a request says and whose things are is judged here; the worker judges again what may have changed since.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from handlers.dependencies import Dependencies, Session, StoredMethods
from handlers.errors import Fault, RequestError, invalid, required
from handlers.requests import PaymentMethod

_FIELD: Final = "paymentMethod"
#: The contract's type of the one method that must say something more.
_PURCHASE_ORDER: Final = "purchaseorder"


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """One of them, or none for a method that needs none."""

    token: SecretStr | None = None
    stored_method_id: str | None = None
    #: Consent was given, by a customer, for a method that can be stored.
    store: bool = False
    #: Of a payment on account alone; beside other methods they are tolerated and left out.
    po_number: str | None = None
    invoice_memo: str | None = None


def methods_of(dependencies: Dependencies, session: Session) -> frozenset[str]:
    """The payment methods that the PSP or the merchant's settings offer and the merchant's session allows."""
    offered = dependencies.reads.capabilities.methods
    if dependencies.on_account:
        offered |= dependencies.on_account
    allowed = session.allowed_payment_methods
    return offered if allowed is None else offered.intersection(allowed)


def enabled(dependencies: Dependencies) -> StoredMethods:
    """Raises RequestError where the merchant does not offer stored methods."""
    if dependencies.stored is None:
        raise refused("Stored payment methods are not enabled here. Pay without one.")
    return dependencies.stored


def refused(message: str) -> RequestError:
    """The request is well-formed, and this caller, cart or connector cannot have it."""
    return RequestError(Fault(code="InvalidOperation", message=message))


async def means_of(
    dependencies: Dependencies, session: Session, asked: PaymentMethod, *, key: str | None, correlation_id: str
) -> Means:
    """The means in the request. Reads the cart's customer, and the method, only where stored methods are concerned.

    With an idempotency `key`, a stored method that is not there is left to the worker: the request may repeat one that
    was answered before the method was deleted. Raises RequestError, UnavailableError.
    """
    allowed = methods_of(dependencies, session)
    if asked.type not in allowed:
        raise invalid(
            f"{_FIELD}.type",
            "This payment method cannot be used in this session. Send one of the allowed values.",
            allowed_values=tuple(sorted(allowed)),
        )
    if asked.type in dependencies.on_account:
        return _on_account(asked)
    if asked.stored_payment_method_id is not None:
        if asked.token is not None:
            raise invalid(f"{_FIELD}.token", "Send a token or a storedPaymentMethodId, not both.")
        await _check_theirs(dependencies, session, asked, key, correlation_id)
        # It is stored already, whatever else the request says.
        return Means(stored_method_id=asked.stored_payment_method_id)
    if asked.token is None:
        raise RequestError(required(f"{_FIELD}.token"))
    store = asked.store_payment_method is True
    if store:
        await _check_storable(dependencies, session, asked.type, correlation_id)
    return Means(token=asked.token, store=store)


def _on_account(asked: PaymentMethod) -> Means:
    number = (asked.po_number or "").strip() or None
    if asked.type == _PURCHASE_ORDER and number is None:
        raise RequestError(required(f"{_FIELD}.poNumber"))
    if asked.store_payment_method is True:
        raise invalid(f"{_FIELD}.storePaymentMethod", "This payment method cannot be stored.")
    return Means(po_number=number, invoice_memo=asked.invoice_memo or None)


async def _check_storable(dependencies: Dependencies, session: Session, method: str, correlation_id: str) -> None:
    stored = enabled(dependencies)
    if method not in dependencies.reads.capabilities.storable:
        raise invalid(f"{_FIELD}.storePaymentMethod", "This payment method cannot be stored.")
    if await stored.customer(cart_id=session.cart_id, correlation_id=correlation_id) is None:
        raise refused("Guests cannot store payment methods. Log in, or pay without storing.")


async def _check_theirs(
    dependencies: Dependencies, session: Session, asked: PaymentMethod, key: str | None, correlation_id: str
) -> None:
    stored = enabled(dependencies)
    customer, found = await asyncio.gather(
        stored.customer(cart_id=session.cart_id, correlation_id=correlation_id),
        stored.find(asked.stored_payment_method_id or "", correlation_id=correlation_id),
    )
    if found is None and key is not None:
        return
    if found is None or customer is None or found.customer_id != customer or found.method != asked.type:
        # Another customer's method does not exist, as far as this one is told.
        raise invalid(f"{_FIELD}.storedPaymentMethodId", "The customer of this cart has no such stored method.")
