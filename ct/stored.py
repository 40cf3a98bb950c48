"""Stored payment methods in commercetools: a customer's list, each with the PSP's token, which only workers read.

Law: a method is made under a key that names customer and token, so that telling us of it twice makes one. What a
customer deletes stops counting at once, is forgotten by the PSP, and only then disappears.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from ct.actions import payment_method_draft
from ct.client import quoted, segment
from ct.fields import CardField
from ct.interaction import parse_time

if TYPE_CHECKING:
    from datetime import datetime

    from ct.ledger import Ledger
    from ct.wire import Json, JsonObject
    from psp.facts import Instrument

#: The most that commercetools gives at once; its default of 20 would hide a customer's others.
PAGE_SIZE: Final = 500
#: Of the method's name: more than any has, and the most that a command takes.
_NAME_MAX: Final = 128
#: More than a person keeps: a bound for whoever stores without end.
_PAGES_MAX: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredMethod:
    """What may be shown of a stored method to the customer whose it is."""

    id: str
    customer_id: str
    #: The payment method type, for example `card`.
    method: str
    is_default: bool
    created_at: datetime
    brand: str | None
    last_four: str | None
    expiry_month: int | None
    expiry_year: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A stored method with what it takes to pay with it. For workers."""

    shown: StoredMethod
    version: int
    token: SecretStr
    #: False: the customer has deleted it, and the PSP may not have forgotten it yet.
    active: bool


def key_of(customer_id: str, token: SecretStr) -> str:
    """The key under which a token is a customer's method: a hash, which says nothing of either."""
    return hashlib.sha256(f"{customer_id}\n{token.get_secret_value()}".encode()).hexdigest()


async def load(ledger: Ledger, method_id: str) -> Kept | None:
    """One call; None where there is none of ours with this id."""
    params = {"where": f"id = {quoted(method_id)} and {_ours(ledger)}", "limit": "1", "withTotal": "false"}
    found = _documents(await ledger.client.get("/payment-methods", params=params))
    return _read(found[0]) if found else None


async def of_customer(ledger: Ledger, customer_id: str) -> tuple[StoredMethod, ...]:
    """All that can be paid with, the newest first. One call for every 500; raises the errors of `ct.errors`."""
    ours = f'{_ours(ledger)} and customer(id = {quoted(customer_id)}) and paymentMethodStatus = "Active"'
    methods: list[StoredMethod] = []
    where = ours
    for _ in range(_PAGES_MAX):
        params = {"where": where, "sort": "id asc", "limit": str(PAGE_SIZE), "withTotal": "false"}
        documents = _documents(await ledger.client.get("/payment-methods", params=params))
        methods += [kept.shown for one in documents if (kept := _read(one))]
        if len(documents) < PAGE_SIZE:
            break
        where = f"{ours} and id > {quoted(str(documents[-1]['id']))}"
    return tuple(sorted(methods, key=lambda one: one.created_at, reverse=True))


async def create(ledger: Ledger, *, customer_id: str, token: SecretStr, instrument: Instrument) -> None:
    """One call. Raises DuplicateError where it is on the customer's list already."""
    draft = payment_method_draft(
        key=key_of(customer_id, token),
        customer_id=customer_id,
        interface=ledger.interface,
        token=token.get_secret_value(),
        instrument=instrument,
    )
    await ledger.client.post("/payment-methods", draft)


async def deactivate(ledger: Ledger, kept: Kept) -> Kept:
    """Take it off the list without forgetting it. One call. Raises ConflictError, NotFoundError."""
    action = {"action": "setPaymentMethodStatus", "paymentMethodStatus": "Inactive"}
    body = {"version": kept.version, "actions": [action]}
    changed = _read(await ledger.client.post(f"/payment-methods/{segment(kept.shown.id)}", body))
    assert changed is not None, "nothing that we read is taken away by this action"
    return changed


async def delete(ledger: Ledger, kept: Kept) -> None:
    """One call. Raises ConflictError, NotFoundError."""
    await ledger.client.delete(f"/payment-methods/{segment(kept.shown.id)}", params={"version": str(kept.version)})


def _documents(page: JsonObject) -> list[JsonObject]:
    results = page["results"]
    return [one for one in results if isinstance(one, dict)] if isinstance(results, list) else []


def _read(document: JsonObject) -> Kept | None:
    """None for what nobody can pay with: another hand made it, without a customer, a method or a token."""
    customer, token = _object(document.get("customer")), _object(document.get("token"))
    fields = _object(_object(document.get("custom")).get("fields"))
    customer_id, value, method = customer.get("id"), token.get("value"), document.get("method")
    if not (isinstance(customer_id, str) and isinstance(value, str) and isinstance(method, str)):
        return None
    if not 0 < len(method) <= _NAME_MAX:
        return None
    version = document["version"]
    assert isinstance(version, int), "every resource of commercetools has one"
    return Kept(
        shown=StoredMethod(
            id=str(document["id"]),
            customer_id=customer_id,
            method=method,
            is_default=document.get("default") is True,
            created_at=parse_time(str(document["createdAt"])),
            brand=_text(fields.get(CardField.BRAND)),
            last_four=_text(fields.get(CardField.LAST_FOUR)),
            expiry_month=_number(fields.get(CardField.EXPIRY_MONTH)),
            expiry_year=_number(fields.get(CardField.EXPIRY_YEAR)),
        ),
        version=version,
        token=SecretStr(value),
        active=document.get("paymentMethodStatus", "Active") == "Active",
    )


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Json) -> int | None:
    return int(value) if isinstance(value, int | float) else None


def _ours(ledger: Ledger) -> str:
    return f"paymentInterface = {quoted(ledger.interface)}"
