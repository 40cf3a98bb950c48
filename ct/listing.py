"""Our Payments in lists, for reconciliation: page after page, however many there are.

Law: a page begins after the last id of the page before, never at an offset (which commercetools ends at 10,000), and
the order is by id, which no change of a Payment moves. One Payment that cannot be read hides no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ct.actions import timestamp
from ct.client import quoted
from ct.fields import TransactionField
from ct.payment import Payment, UnreadablePaymentError, parse_payment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ct.ledger import Ledger

#: The most that commercetools gives at once.
PAGE_SIZE: Final = 500
#: Ids in one condition, so that the URL stays within what every proxy takes.
_NAMED_MAX: Final = 100

_UNDECIDED: Final = 'state in ("Initial", "Pending")'
_OPEN: Final = f"transactions({_UNDECIDED})"
_SUPERSEDED: Final = f"transactions(custom(fields({TransactionField.SUPERSEDED.value} = true)))"
_LATE: Final = f"transactions(custom(fields({TransactionField.LATE.value} = true)))"


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """One page."""

    payments: tuple[Payment, ...]
    #: What `page` takes for the next one; None: this was the last.
    after: str | None
    #: Payment id -> why it could not be read.
    unreadable: Mapping[str, str]


def unfinished(*, untouched_since: datetime, superseded_since: datetime, open_since: datetime) -> str:
    """The condition for Payments with something open on them that nobody has touched for a while.

    With those that bear a superseded attempt, or one that succeeded late, and were touched at all since
    `superseded_since`: money may lie on them that nobody wants. And with those on which something is open since
    `open_since`, whoever touches them: other software may write to a Payment again and again.
    """
    old, recent, long_ago = (quoted(timestamp(one)) for one in (untouched_since, superseded_since, open_since))
    marked = f"(lastModifiedAt >= {recent} and ({_SUPERSEDED} or {_LATE}))"
    busy = f"transactions({_UNDECIDED} and timestamp < {long_ago})"
    return f"((lastModifiedAt < {old} and ({_OPEN} or {marked})) or {busy})"


def alive_in(*, since: datetime, until: datetime) -> str:
    """The condition for Payments on which anything may have happened within a span of time."""
    return f"createdAt < {quoted(timestamp(until))} and lastModifiedAt >= {quoted(timestamp(since))}"


async def page(ledger: Ledger, condition: str, *, after: str | None) -> Listed:
    """One page of our Payments that fulfil the condition. One call; raises the errors of `ct.errors`."""
    where = f"{_ours(ledger)} and {condition}" + (f" and id > {quoted(after)}" if after else "")
    return await _read(ledger, where)


async def count(ledger: Ledger, condition: str) -> int | None:
    """How many there are, for a progress bar; None where commercetools does not say. One call."""
    params = {"where": f"{_ours(ledger)} and {condition}", "limit": "0", "withTotal": "true"}
    total = (await ledger.client.get("/payments", params=params)).get("total")
    return total if isinstance(total, int) else None


async def by_id(ledger: Ledger, ids: Sequence[str]) -> Listed:
    """The Payments with these ids, whosever they are. One call for every hundred."""
    return await _named(ledger, "id", ids)


async def by_psp_reference(ledger: Ledger, names: Sequence[str]) -> Listed:
    """The Payments with these ids of the PSP, whosever they are. One call for every hundred."""
    return await _named(ledger, "interfaceId", names)


async def _named(ledger: Ledger, field: str, values: Sequence[str]) -> Listed:
    payments: list[Payment] = []
    unreadable: dict[str, str] = {}
    for start in range(0, len(values), _NAMED_MAX):
        names = ", ".join(quoted(value) for value in values[start : start + _NAMED_MAX])
        found = await _read(ledger, f"{field} in ({names})")
        payments += found.payments
        unreadable |= found.unreadable
    return Listed(payments=tuple(payments), after=None, unreadable=unreadable)


async def _read(ledger: Ledger, where: str) -> Listed:
    params = {"where": where, "sort": "id asc", "limit": str(PAGE_SIZE), "withTotal": "false"}
    results = (await ledger.client.get("/payments", params=params))["results"]
    documents = [one for one in results if isinstance(one, dict)] if isinstance(results, list) else []
    payments: list[Payment] = []
    unreadable: dict[str, str] = {}
    for document in documents:
        try:
            payments.append(parse_payment(document))
        except UnreadablePaymentError as error:
            unreadable[str(document["id"])] = str(error)
    last = str(documents[-1]["id"]) if len(documents) == PAGE_SIZE else None
    return Listed(payments=tuple(payments), after=last, unreadable=unreadable)


def _ours(ledger: Ledger) -> str:
    return f"paymentMethodInfo(paymentInterface = {quoted(ledger.interface)})"
