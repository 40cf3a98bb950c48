"""A commercetools Payment as we read it: the JSON's own fields, and ours, as plain frozen values.

Read from JSON and never through the SDK's models, which drop what they do not know.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ct.fields import InteractionKind, TransactionField
from ct.interaction import Interaction, parse_interaction, parse_time, reservations
from ct.states import OPEN
from psp.facts import Action, ActionType, Kind, State
from psp.money import Money

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class UnreadablePaymentError(ValueError):
    """The Payment holds something we cannot judge, such as high-precision money. Look at it by hand."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Transaction:
    """One transaction, ours or a merchant's."""

    id: str
    kind: Kind
    #: `REVERSED` where commercetools has a Failure and we have a mark.
    state: State
    amount: Money
    timestamp: datetime | None
    #: The PSP's reference.
    interaction_id: str | None
    interface_id: str | None
    #: Whether it bears a custom type at all; a merchant's own type is left alone.
    typed: bool
    #: Whether our fields are on it, so that they can be set. Other software may have put its own type in their place.
    writable: bool
    #: Whether an interaction says that we took it on.
    claimed: bool
    #: When the log says that a command reserved it, and for whom.
    reserved_at: datetime | None
    owner: str | None
    #: From here on: our own fields, absent on a merchant's transaction. The first two are in the log as well.
    command_id: str | None
    request_hash: str | None
    accepted_at: datetime | None
    send_by: datetime | None
    slot: str | None
    cart_id: str | None
    cart_version: int | None
    charge_id: str | None
    #: The merchant's own name for it, as it was sent to the PSP.
    merchant_reference: str | None
    action: Action | None
    action_at: datetime | None
    superseded: bool
    #: The PSP's name of what it told of unasked. Others may change `interaction_id`.
    psp_reference: str | None

    @property
    def names(self) -> frozenset[str]:
        """By which the PSP may mean it."""
        return frozenset(filter(None, (self.interaction_id, self.interface_id, self.psp_reference)))

    @property
    def nameless(self) -> bool:
        """Whether the PSP has not told of it: until then what is there is a merchant's own name, unknown to the PSP."""
        return self.interaction_id is None or self.state is State.INITIAL

    @property
    def taken(self) -> bool:
        """Whether we answer for it: we made it, or we took it on. Until then a merchant's Initial uses nothing."""
        return self.command_id is not None or self.claimed

    @property
    def open(self) -> bool:
        """Whether it is not decided yet."""
        return self.state in OPEN


#: The log's words that the PSP has told of a transaction.
_TOLD: Final = frozenset({InteractionKind.FACT, InteractionKind.LATE, InteractionKind.REVERSED})


@dataclass(frozen=True, kw_only=True, slots=True)
class Payment:
    """One attempt to pay."""

    id: str
    version: int
    #: When anybody last changed it, by commercetools' clock.
    modified_at: datetime | None
    key: str | None
    #: `paymentMethodInfo.paymentInterface`: whose Payment it is.
    interface: str | None
    #: The PSP's reference of the payment, unless somebody else has set it first: ask `known_as`.
    interface_id: str | None
    #: Whose it is; None: a guest's.
    customer_id: str | None
    method: str | None
    method_name: str | None
    planned: Money
    status_code: str | None
    status_text: str | None
    transactions: tuple[Transaction, ...]
    interactions: tuple[Interaction, ...]

    def transaction(self, transaction_id: str) -> Transaction | None:
        return next((found for found in self.transactions if found.id == transaction_id), None)

    def by_command(self, command_id: str) -> Transaction | None:
        """The transaction that the command reserved, or took on."""
        return next((found for found in self.transactions if found.command_id == command_id), None)

    def of_kind(self, kind: Kind) -> tuple[Transaction, ...]:
        return tuple(found for found in self.transactions if found.kind is kind)

    @property
    def authorization(self) -> Transaction | None:
        """One Payment is one attempt, so it has one Authorization of ours; else the first anybody made."""
        found = self.of_kind(Kind.AUTHORIZATION)
        return next((one for one in found if one.taken), found[0] if found else None)

    @property
    def known_as(self) -> str | None:
        """What the PSP calls the payment; None: it has not told.

        The `interfaceId` can be set once and by anybody. Where it is not the PSP's name, our log says so; and until the
        PSP has told of anything, whatever stands there is not from the PSP.
        """
        named = next((one.message for one in self.interactions if one.kind is InteractionKind.NAMED), None)
        attempt = self.authorization
        is_untold = attempt is not None and attempt.taken and attempt.open and attempt.nameless
        is_untold = is_untold and all(one.psp_reference is None for one in self.transactions)
        # Whoever sets its state back takes nothing back of what the PSP has told. A failure may be our own word.
        facts = (one for one in self.interactions if one.kind in _TOLD and one.state is not State.FAILURE)
        is_untold = is_untold and all(attempt is None or one.transaction_id != attempt.id for one in facts)
        return named or (None if is_untold else self.interface_id)

    def interaction(self, kind: InteractionKind, *, cause: str) -> Interaction | None:
        return next((found for found in self.interactions if found.kind is kind and found.cause == cause), None)

    def came_late(self, transaction_id: str) -> bool:
        """Whether nobody reckoned with the transaction's success once: it was taken for failed, or was on no cart."""
        about = (found for found in self.interactions if found.transaction_id == transaction_id)
        return any(found.state is State.FAILURE or found.kind is InteractionKind.LATE for found in about)

    def was_declined(self, transaction_id: str) -> bool:
        """Whether the transaction was taken for failed once, whatever came of it later."""
        about = (found for found in self.interactions if found.transaction_id == transaction_id)
        return any(found.state is State.FAILURE for found in about)

    def last_word(self, transaction_id: str) -> Interaction | None:
        """The newest entry about a transaction that has something to tell a person."""
        about = (found for found in reversed(self.interactions) if found.transaction_id == transaction_id)
        told = (found for found in about if found.kind not in (InteractionKind.CLAIM, InteractionKind.OFF_CART))
        return next((found for found in told if found.code or found.message), None)


def parse_payment(document: Mapping[str, Any]) -> Payment:
    """The Payment in commercetools' JSON. Raises UnreadablePaymentError."""
    try:
        return _payment(document)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        name = str(document.get("id"))[:36]
        raise UnreadablePaymentError(f"Payment {name} cannot be read: {error!r}. Look at it by hand.") from error


def parse_money(document: Mapping[str, Any]) -> Money:
    """Cent-precision money. Raises ValueError for high precision: rounding would move money."""
    if document.get("type", "centPrecision") != "centPrecision":
        raise ValueError("high-precision money")
    return Money(amount=document["centAmount"], currency=document["currencyCode"])


def _payment(document: Mapping[str, Any]) -> Payment:
    logged = (parse_interaction(entry.get("fields", {})) for entry in document.get("interfaceInteractions", ()))
    interactions = tuple(entry for entry in logged if entry is not None)
    entries = document.get("transactions", ())
    reserved = reservations(entries, interactions)
    info = document.get("paymentMethodInfo", {})
    status = document.get("paymentStatus", {})
    names = info.get("name") or {}
    return Payment(
        id=document["id"],
        version=document["version"],
        modified_at=_time(document, "lastModifiedAt"),
        key=document.get("key"),
        interface=info.get("paymentInterface"),
        interface_id=document.get("interfaceId"),
        customer_id=document.get("customer", {}).get("id"),
        method=info.get("method"),
        method_name=next(iter(names.values()), None),
        planned=parse_money(document["amountPlanned"]),
        status_code=status.get("interfaceCode"),
        status_text=status.get("interfaceText"),
        transactions=tuple(_transaction(entry, interactions, reserved.get(entry["id"])) for entry in entries),
        interactions=interactions,
    )


def _transaction(
    entry: Mapping[str, Any], interactions: tuple[Interaction, ...], reserved: Interaction | None
) -> Transaction:
    fields: Mapping[str, Any] = entry.get("custom", {}).get("fields", {})
    about = {found.kind: found for found in interactions if found.transaction_id == entry["id"]}
    claim = about.get(InteractionKind.CLAIM)
    is_writable = TransactionField.COMMAND_ID in fields
    state = State(entry.get("state", State.INITIAL))
    reversed_since = fields.get(TransactionField.REVERSED) is True or InteractionKind.REVERSED in about
    return Transaction(
        id=entry["id"],
        kind=Kind(entry["type"]),
        state=State.REVERSED if state is State.FAILURE and reversed_since else state,
        amount=parse_money(entry["amount"]),
        timestamp=_time(entry, "timestamp"),
        interaction_id=entry.get("interactionId"),
        interface_id=entry.get("interfaceId"),
        typed="custom" in entry,
        writable=is_writable,
        claimed=claim is not None,
        reserved_at=reserved.at if reserved else None,
        owner=reserved.owner if reserved else None,
        command_id=fields.get(TransactionField.COMMAND_ID, reserved.message if reserved else None),
        request_hash=fields.get(TransactionField.REQUEST_HASH, reserved.request_hash if reserved else None),
        accepted_at=_time(fields, TransactionField.ACCEPTED_AT),
        send_by=_time(fields, TransactionField.SEND_BY),
        slot=fields.get(TransactionField.SLOT),
        cart_id=fields.get(TransactionField.CART_ID),
        cart_version=fields.get(TransactionField.CART_VERSION),
        charge_id=fields.get(TransactionField.CHARGE_ID, claim.message if claim else None),
        merchant_reference=fields.get(TransactionField.MERCHANT_REFERENCE),
        action=_action(fields.get(TransactionField.ACTION)),
        # Where our fields are gone, nothing tells whether the shopper was asked: they may have been, ever since.
        action_at=_time(fields, TransactionField.ACTION_AT) if is_writable or reserved is None else reserved.at,
        psp_reference=fields.get(TransactionField.PSP_REFERENCE),
        superseded=fields.get(TransactionField.SUPERSEDED) is True or InteractionKind.SUPERSEDED in about,
    )


def _time(fields: Mapping[str, Any], name: str) -> datetime | None:
    return parse_time(fields[name]) if fields.get(name) else None


def _action(text: str | None) -> Action | None:
    if not text:
        return None
    stored = json.loads(text)
    return Action(type=ActionType(stored["type"]), url=stored["url"])
