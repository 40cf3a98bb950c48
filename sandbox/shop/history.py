"""What changed on a commercetools Payment from one version to the next, told for people. Pure.

commercetools keeps only the newest version, so whoever wants to see a payment live has to compare.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

#: JSON objects as commercetools sends them.
Json = Mapping[str, object]


class Source(enum.StrEnum):
    """Where a row of the history comes from."""

    #: A new version of the Payment.
    COMMERCETOOLS = "commercetools"
    #: Something that was asked for here.
    REQUEST = "request"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One thing that is different."""

    #: `payment`, `transaction`, `state`, `reference`, `field`, `interaction`, `status` or `request`.
    kind: str
    #: For people: what is different.
    text: str
    #: The transaction's type and id, where it is about one.
    type: str | None = None
    transaction: str | None = None
    amount: Json | None = None
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of the timeline."""

    source: Source
    #: Of the Payment, after the change.
    version: int
    #: RFC 3339.
    at: str
    changes: tuple[Change, ...]


@dataclass(kw_only=True, slots=True)
class History:
    """One payment, as it was seen so far."""

    payment: Json | None = None
    rows: list[Row] = field(default_factory=list)

    def lacks(self, payment: Json) -> bool:
        """Whether this version is newer than all that were seen."""
        return self.payment is None or _version(payment) > _version(self.payment)

    def see(self, payment: Json) -> None:
        """Take note of a version. One that is not newer is ignored: replies can overtake each other."""
        if not self.lacks(payment):
            return
        changes = tuple(differences(self.payment, payment))
        at = str(payment.get("lastModifiedAt") or payment.get("createdAt"))
        self.rows.append(Row(source=Source.COMMERCETOOLS, version=_version(payment), at=at, changes=changes))
        self.payment = payment

    def note(self, text: str, *, at: str) -> None:
        """Take note of something that was asked for here."""
        version = 0 if self.payment is None else _version(self.payment)
        row = Row(source=Source.REQUEST, version=version, at=at, changes=(Change(kind="request", text=text),))
        self.rows.append(row)


#: Member of the Payment -> what it is for people.
_MEMBERS: Final[Mapping[str, str]] = {
    "interfaceId": "PSP's id of the payment",
    "paymentStatus": "status at the PSP",
    "paymentMethodInfo": "method",
    "amountPlanned": "amount planned",
}
_REFERENCES: Final[Mapping[str, str]] = {"interactionId": "PSP reference", "interfaceId": "PSP's own id"}


def differences(before: Json | None, after: Json) -> Iterator[Change]:
    """What changed, in reading order. `before` None: the payment is seen for the first time."""
    old = before or {}
    if before is None:
        yield Change(kind="payment", text="Payment", amount=_object(after.get("amountPlanned")))
    transactions = {str(each.get("id")): each for each in _objects(old.get("transactions"))}
    for each in _objects(after.get("transactions")):
        yield from _of_transaction(transactions.get(str(each.get("id"))), each)
    if before is not None:
        yield from _of_members(old, after)
    for each in _objects(after.get("interfaceInteractions"))[len(_objects(old.get("interfaceInteractions"))) :]:
        yield Change(kind="interaction", text=_sentence(_object(each.get("fields"))))


def _of_transaction(before: Json | None, after: Json) -> Iterator[Change]:
    kind, transaction = str(after.get("type")), str(after.get("id"))
    state = str(after.get("state"))
    if before is None:
        money = _object(after.get("amount"))
        yield Change(kind="transaction", text="added", type=kind, transaction=transaction, amount=money, after=state)
    elif before.get("state") != after.get("state"):
        was = str(before.get("state"))
        yield Change(kind="state", text="changed", type=kind, transaction=transaction, before=was, after=state)
    old = before or {}
    for name, label in _REFERENCES.items():
        if after.get(name) not in (None, old.get(name)):
            yield Change(kind="reference", text=label, type=kind, transaction=transaction, after=str(after[name]))
    if before is not None:
        was_fields = _object(_object(old.get("custom")).get("fields"))
        for name, value in _object(_object(after.get("custom")).get("fields")).items():
            if was_fields.get(name) != value:
                yield Change(kind="field", text=name, type=kind, transaction=transaction, after=_short(value))


def _of_members(before: Json, after: Json) -> Iterator[Change]:
    for name, label in _MEMBERS.items():
        if after.get(name) is not None and before.get(name) != after.get(name):
            yield Change(kind="status", text=label, after=_short(after[name]))


#: How the names of those fields of an interaction end that say something to a person, in reading order.
_SPOKEN: Final = ("Kind", "Message", "Code")


def _sentence(fields: Json) -> str:
    """What an interaction says to a person; where it says nothing, all that is in it."""
    spoken = [str(value) for ending in _SPOKEN for name, value in fields.items() if name.endswith(ending)]
    return " · ".join(spoken or [f"{name}: {_short(value)}" for name, value in fields.items()])


def _short(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{_short(each)}" for name, each in value.items() if name != "type")
    text = str(value)
    return text if len(text) <= _TEXT_MAX else f"{text[: _TEXT_MAX - 1]}…"


_TEXT_MAX: Final = 120


def _version(payment: Json) -> int:
    version = payment.get("version")
    return version if isinstance(version, int) else 0


def _object(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}


def _objects(value: object) -> list[Json]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
