"""The Payment's log, as far as it is ours: what was done, by which command or event, and what came of it.

Law: entries can be added and never changed or removed, by nobody. Fields of a transaction can: other software may put a
custom type of its own in the place of ours. So what a command has reserved is told here as well, and found again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from ct.fields import InteractionField, InteractionKind, TransactionField
from psp.facts import Kind, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


#: A set of them made for every entry would cost more than the entry.
_KINDS: Final = frozenset(InteractionKind)


@dataclass(frozen=True, kw_only=True, slots=True)
class Interaction:
    """One entry of ours in the Payment's log."""

    kind: InteractionKind
    #: The command or event that caused it.
    cause: str
    transaction_id: str | None
    at: datetime
    #: With a fact: the state that the PSP told.
    state: State | None
    code: str | None
    message: str | None
    #: With a reservation or a refusal: what identified the money.
    request_hash: str | None = None
    #: With an attempt's reservation: whose it is.
    owner: str | None = None


def parse_time(text: str) -> datetime:
    """A timestamp of commercetools': ISO 8601 in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def parse_interaction(fields: Mapping[str, Any]) -> Interaction | None:
    """Ours, or None: other software logs on the same Payment."""
    kind = fields.get(InteractionField.KIND)
    if kind not in _KINDS:
        return None
    return Interaction(
        kind=InteractionKind(kind),
        cause=fields.get(InteractionField.CAUSE, ""),
        transaction_id=fields.get(InteractionField.TRANSACTION_ID),
        at=parse_time(fields[InteractionField.AT]),
        state=State(fields[InteractionField.STATE]) if InteractionField.STATE in fields else None,
        code=fields.get(InteractionField.CODE),
        message=fields.get(InteractionField.MESSAGE),
        request_hash=fields.get(InteractionField.REQUEST_HASH),
        owner=fields.get(InteractionField.OWNER),
    )


def reservations(
    transactions: Sequence[Mapping[str, Any]], interactions: tuple[Interaction, ...]
) -> dict[str, Interaction]:
    """Transaction id -> the entry of the command that reserved it, whether or not it still bears the command's id."""
    claimed = {one.transaction_id for one in interactions if one.kind is InteractionKind.CLAIM}
    borne = {name: entry for entry in transactions if (name := _command_of(entry)) is not None}
    nameless = [entry for entry in transactions if _command_of(entry) is None and entry["id"] not in claimed]
    found: dict[str, Interaction] = {}
    for reserved in interactions:
        if reserved.kind is not InteractionKind.RESERVED:
            continue
        entry = borne.get(reserved.message or "") or _nameless(reserved, nameless, interactions)
        if entry is not None:
            found[entry["id"]] = reserved
            nameless = [one for one in nameless if one["id"] != entry["id"]]
    return found


def _nameless(
    reserved: Interaction, entries: Sequence[Mapping[str, Any]], interactions: tuple[Interaction, ...]
) -> Mapping[str, Any] | None:
    """Which of these is the one; None where nothing tells. No transaction is ever taken off a Payment."""
    of_kind = [entry for entry in entries if entry["type"] == reserved.code]
    settled = {one.transaction_id for one in interactions if one.cause == reserved.cause}
    sure = (
        entry
        for entry in of_kind
        if entry["id"] in settled or (entry.get("timestamp") and parse_time(entry["timestamp"]) == reserved.at)
    )
    # A Payment is made with its Authorization in it, so that comes first.
    is_only = len(of_kind) == 1 or (of_kind and reserved.code == Kind.AUTHORIZATION)
    return next(sure, of_kind[0] if is_only else None)


def _command_of(entry: Mapping[str, Any]) -> str | None:
    name = entry.get("custom", {}).get("fields", {}).get(TransactionField.COMMAND_ID)
    return name if isinstance(name, str) else None
