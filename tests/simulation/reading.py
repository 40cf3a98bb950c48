"""A history put into order for the predicates: transactions followed through their versions, messages, what was told.

One pass over each log; predicates look things up here instead of walking the logs again.
"""

from __future__ import annotations

import base64
import binascii
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

from simulation.documents import parsed
from simulation.logs import MERCHANT, PSP, SHOPPER, Fate, Genuine, Happening, Peer
from simulation.projection import RANK, Row, fields_of, log_of, rows_of_event, rows_of_reply, state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from simulation.logs import BusEntry, Call, Exchange, History, LogLine, Version

#: The end of time, for questions about the whole history.
END: Final = 2**62
#: Topics whose messages must come to an end.
LASTING: Final = ("authorize", "capture", "cancel", "refund", "methods", "webhook", "commercetools", "dead-letters")
#: Where the PSP is asked to forget what it keeps for a customer.
FORGET: Final = "/v1/stored_methods/forget"
#: The PSP's published statuses that say nothing definite about the request.
_INDEFINITE: Final = frozenset({401, 403, 409, 422, 429})


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """A promise that this history breaks."""

    #: The invariant's name.
    name: str
    #: What was found, for a person who can then look it up in the logs.
    text: str
    #: Where in the order of all logs, if at one place.
    n: int | None = None

    def __str__(self) -> str:
        """For people."""
        return f"{self.name}: {self.text}" + (f" [n={self.n}]" if self.n is not None else "")


@dataclass(kw_only=True, slots=True)
class Trail:
    """One transaction through all versions of its Payment."""

    id: str
    payment_id: str
    kind: str
    amount: int
    currency: str
    born: Version
    #: The first version by which it is ours to answer for: it bears our command's id, or our log has claimed it.
    ours: Version | None = None
    command_id: str | None = None
    #: (version, state) of every change of state, the first one included.
    steps: list[tuple[Version, str]] = field(default_factory=list)
    #: The PSP's reference, once it is known.
    reference: str | None = None
    #: Our custom fields as they are at last.
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> str:
        return self.steps[-1][1]

    def best(self, n: int = END) -> str | None:
        """The highest state that it had before `n`."""
        states = [state for version, state in self.steps if version.n < n]
        return max(states, key=RANK.__getitem__) if states else None

    @property
    def by_hand(self) -> bool:
        """Whether somebody other than us has set its state. To put it there as Initial is to ask for it."""
        later = self.steps[1:] if self.steps[0][1] == "Initial" else self.steps
        return any(not is_ours(version) for version, _ in later)

    def __str__(self) -> str:
        """For people."""
        return f"{self.kind} {self.id} of {self.amount} {self.currency} on Payment {self.payment_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """One thing that the PSP told us, and that one of our processes got to hear."""

    n: int
    at: datetime
    row: Row
    #: For people: `webhook evt_1`, or the request that was answered.
    how: str
    #: The request that was answered: whose answer it was. None: a webhook.
    asked: Call | None = None


@dataclass(kw_only=True, slots=True)
class Message:
    """One message on one topic."""

    id: str
    topic: str
    published: BusEntry
    #: The parsed body; an empty object where it is no JSON object.
    body: Mapping[str, Any]
    confirmed_n: int | None = None
    entries: list[BusEntry] = field(default_factory=list)

    @property
    def type(self) -> str:
        return str(self.body.get("type", ""))

    def acks(self) -> Iterator[BusEntry]:
        return (one for one in self.entries if one.happening is Happening.ACKED and one.subscription is None)

    def __str__(self) -> str:
        """For people."""
        name = self.body.get("command_id") or self.body.get("event_id") or ""
        return f"message {self.id} on {self.topic} ({self.type or 'of no type'} {name})".replace(" )", ")")


def is_ours(version: Version) -> bool:
    """Whether one of our processes wrote it."""
    return version.author not in (MERCHANT, SHOPPER, PSP)


def event_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The PSP's event inside a PspNotification; empty where there is none."""
    text = body.get("body")
    return _event(text) if isinstance(text, str) else {}


@lru_cache(maxsize=256)
def _event(text: str) -> Mapping[str, Any]:
    """Each is asked for by several predicates."""
    try:
        event = parsed(base64.b64decode(text))
    except (ValueError, binascii.Error, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


class Reading:
    """A history and its indexes."""

    def __init__(self, history: History) -> None:
        self.history = history
        #: Transaction id -> its trail.
        self.trails: dict[str, Trail] = {}
        #: Payment id -> its versions.
        self.versions: dict[str, list[Version]] = defaultdict(list)
        #: (version, the one before or None), in the order in which they were written.
        self.changes: list[tuple[Version, Version | None]] = []
        self._read_payments()

    def _read_payments(self) -> None:
        for version in self.history.payments:
            before = self.versions[version.id][-1] if self.versions[version.id] else None
            self.versions[version.id].append(version)
            self.changes.append((version, before))
            known = {} if before is None else {one["id"]: one for one in before.document["transactions"]}
            log = log_of(version.document)
            claimed = {one.get("ctpayTransactionId") for one in log if one.get("ctpayKind") == "claim"}
            undone = any(one.get("ctpayKind") == "reversed" for one in log)
            for one in version.document["transactions"]:
                if undone or one["id"] in claimed or known.get(one["id"]) != one:
                    self._follow(version, one, log, claimed=one["id"] in claimed)

    def _follow(self, version: Version, one: Mapping[str, Any], log: list[Any], *, claimed: bool) -> None:
        trail = self.trails.get(one["id"])
        if trail is None:
            money = one["amount"]
            trail = self.trails[one["id"]] = Trail(
                id=one["id"],
                payment_id=version.id,
                kind=one["type"],
                amount=money["centAmount"],
                currency=money["currencyCode"],
                born=version,
            )
        # What stood there once still counts: other software may have put its own type in the place of ours.
        trail.fields = {**trail.fields, **fields_of(one)}
        trail.reference = one.get("interactionId") or trail.reference
        trail.command_id = trail.fields.get("ctpayCommandId") or trail.command_id
        if trail.ours is None and (claimed or trail.command_id):
            trail.ours = version
        state = state_of(one, log)
        if not trail.steps or trail.state != state:
            trail.steps.append((version, state))

    def payment(self, payment_id: str | None) -> Mapping[str, Any] | None:
        """The last version of a Payment of ours; None: there is none."""
        found = self.versions.get(payment_id or "")
        return found[-1].document if found else None

    def is_foreign(self, payment_id: str | None) -> bool:
        """Whether a Payment is other software's: another interface than ours stood on it from the first."""
        found = self.versions.get(payment_id or "")
        info = found[0].document.get("paymentMethodInfo", {}) if found else {}
        return bool(found) and info.get("paymentInterface") != self.history.rules.interface

    def payment_at(self, payment_id: str, n: int) -> Mapping[str, Any] | None:
        """A Payment as it was just before `n`."""
        earlier = [one.document for one in self.versions.get(payment_id, ()) if one.n < n]
        return earlier[-1] if earlier else None

    def gone_carts(self, n: int) -> frozenset[str]:
        """Carts of which commercetools had said before `n` that there is no such cart."""
        return frozenset(
            one.path.partition("?")[0].rpartition("/")[2]
            for one in self.history.calls
            if one.peer is Peer.COMMERCETOOLS and one.method == "GET" and one.status == 404 and "/carts/" in one.path
            if one.performed_n is not None and one.performed_n < n
        )

    def payment_between(self, payment_id: str, first: int, last: int) -> list[Mapping[str, Any]]:
        """A Payment as it was just before `first`, and in each version since then and before `last`."""
        versions = self.versions.get(payment_id, ())
        before = [one.document for one in versions if one.n < first][-1:]
        return before + [one.document for one in versions if first <= one.n < last]

    def method_at(self, method_id: str, n: int = END) -> Mapping[str, Any] | None:
        """A stored payment method as it was just before `n`; None: there was none, or none any more."""
        earlier = [one.document for one in self.history.methods if one.id == method_id and one.n < n]
        return earlier[-1] or None if earlier else None

    def trails_of(self, payment_id: str) -> list[Trail]:
        return self._by_payment.get(payment_id, [])

    @cached_property
    def _by_payment(self) -> dict[str, list[Trail]]:
        found: dict[str, list[Trail]] = defaultdict(list)
        for trail in self.trails.values():
            found[trail.payment_id].append(trail)
        return found

    @cached_property
    def by_reference(self) -> dict[str, list[Trail]]:
        """The PSP's reference -> the trails that bear it."""
        found: dict[str, list[Trail]] = defaultdict(list)
        for trail in self.trails.values():
            if trail.reference is not None:
                found[trail.reference].append(trail)
        return found

    @cached_property
    def payment_of_psp_payment(self) -> dict[str, str]:
        """The PSP's payment id -> our Payment that bears it at last."""
        return {
            versions[-1].document["interfaceId"]: payment_id
            for payment_id, versions in self.versions.items()
            if "interfaceId" in versions[-1].document
        }

    @cached_property
    def asked(self) -> list[Call]:
        """Requests to the PSP that may move money."""
        return [
            one for one in self.history.calls if one.peer is Peer.PSP and one.method == "POST" and one.path != FORGET
        ]

    @cached_property
    def asked_for(self) -> dict[str, list[Call]]:
        """Transaction id -> the requests to the PSP that name it."""
        found: dict[str, list[Call]] = defaultdict(list)
        for call in self.asked:
            found[named(call)].append(call)
        return found

    @cached_property
    def looked_up(self) -> list[Call]:
        """Look-ups at the PSP that were answered, and whose answer was heard."""
        return [
            one
            for one in self.history.calls
            if one.peer is Peer.PSP and one.method == "GET" and one.fate is Fate.ANSWERED and one.status in (200, 404)
        ]

    @cached_property
    def told(self) -> list[Told]:
        """Everything that the PSP told: replies that were heard, and genuine webhooks."""
        found = []
        for call in self.history.calls:
            if call.peer is Peer.PSP and call.fate is Fate.ANSWERED and call.done_n is not None:
                at = call.done_at or call.at
                how = f"{call.method} {call.path}: {call.status}"
                found += [Told(n=call.done_n, at=at, row=row, how=how, asked=call) for row in rows_of_reply(call.reply)]
        for exchange, event in self.webhooks:
            if exchange.genuine is Genuine.YES:
                how = f"webhook {event.get('id')}"
                found += [Told(n=exchange.n, at=exchange.at, row=row, how=how) for row in rows_of_event(event)]
        return found

    @cached_property
    def told_of(self) -> dict[str, list[Told]]:
        """Transaction id, or the PSP's reference, -> what was told of it."""
        found: dict[str, list[Told]] = defaultdict(list)
        for one in self.told:
            for name in {one.row.transaction, one.row.reference} - {None}:
                found[name].append(one)
        return found

    @cached_property
    def webhooks(self) -> list[tuple[Exchange, Mapping[str, Any]]]:
        """Every webhook that somebody sent, with the event in it."""
        return [(one, _json(one.body)) for one in self.history.exchanges if one.genuine is not None]

    def body_of(self, exchange: Exchange) -> Mapping[str, Any]:
        """The JSON that was sent to us; empty where it was none."""
        return _json(exchange.body)

    @cached_property
    def messages(self) -> dict[str, Message]:
        """By id, in the order of publishing."""
        found: dict[str, Message] = {}
        for entry in self.history.bus:
            message = found.get(entry.message_id)
            if entry.happening is Happening.PUBLISHED:
                found[entry.message_id] = Message(
                    id=entry.message_id, topic=entry.topic, published=entry, body=_json(entry.data)
                )
            elif message is not None and entry.happening is Happening.CONFIRMED:
                message.confirmed_n = entry.n
            elif message is not None:
                message.entries.append(entry)
        return found

    @cached_property
    def recorded(self) -> dict[str, int]:
        """The id of a command or an event -> the place where a Payment first named it as a cause.

        That something was reserved for it is no sign yet of what became of it.
        """
        found: dict[str, int] = {}
        for version, before in self.changes:
            for one in log_of(version.document)[0 if before is None else len(log_of(before.document)) :]:
                if one.get("ctpayKind") != "reserved":
                    found.setdefault(str(one.get("ctpayCause")), version.n)
        return found

    @cached_property
    def misled(self) -> frozenset[str]:
        """Transactions about which an event has said what is not true."""
        return frozenset(
            str(one.get("ctpayTransactionId"))
            for version, before in self.changes
            for one in log_of(version.document)[0 if before is None else len(log_of(before.document)) :]
            if one.get("ctpayCause") in self.history.untrue_events
        )

    @cached_property
    def letters(self) -> list[Message]:
        """Everything that was ever put into the dead letters."""
        return [one for one in self.messages.values() if one.topic == "dead-letters"]

    @cached_property
    def copies(self) -> dict[bytes, list[Message]]:
        """The bytes of a message -> all messages with them: the first, its letters, and its replays."""
        found: dict[bytes, list[Message]] = defaultdict(list)
        for message in self.messages.values():
            found[message.published.data].append(message)
        return found

    @cached_property
    def outcomes(self) -> dict[str, list[LogLine]]:
        """Message id -> the lines that tell how a delivery of it ended."""
        found: dict[str, list[LogLine]] = defaultdict(list)
        for line in self.history.lines:
            if str(line.fields.get("event", "")).startswith("message.") and "message_id" in line.fields:
                found[str(line.fields["message_id"])].append(line)
        return found

    def is_for_person(self, letter: Message) -> bool:
        """Whether a dead letter waits for a person."""
        return letter.published.attributes.get("ctpay_for") == "person"

    def payments_of(self, message: Message) -> frozenset[str]:
        """The Payments that a message is about, as far as anybody can tell."""
        body = message.body
        if "payment_id" in body:
            return frozenset({str(body["payment_id"])})
        if message.body.get("type") == "PspNotification":
            rows = rows_of_event(event_of(body))
            named_there = {row.payment for row in rows if row.payment}
            known = {self.payment_of_psp_payment.get(row.reference or "") for row in rows}
            return frozenset(named_there | known) - {None}
        if "cart_id" in body:
            ids = (body.get("command_id"), body.get("operation"))
            return frozenset(one.payment_id for one in self.trails.values() if one.command_id in ids)
        resource = body.get("resource")
        return frozenset({str(resource.get("id"))}) if isinstance(resource, dict) else frozenset()


def named(call: Call) -> str:
    """The transaction that a request to the PSP is for; empty where it names none."""
    names = call.document.get("metadata") if isinstance(call.document, dict) else None
    return str(names.get("transaction_id", "")) if isinstance(names, dict) else ""


def is_completion(call: Call) -> bool:
    """A completion finishes what was begun under the authorization's key, and needs none."""
    return call.path.endswith("/complete")


def is_unknown(call: Call) -> bool:
    """Whether the caller could not tell from the answer what became of its request."""
    return call.fate is not Fate.ANSWERED or call.status is None or call.status >= 500 or call.status in (409, 422)


def is_refusal(call: Call) -> bool:
    """Whether the PSP said definitely no, and was heard."""
    return (
        call.fate is Fate.ANSWERED
        and call.status is not None
        and 400 <= call.status < 500
        and call.status not in _INDEFINITE
    )


def has_published(messages: Iterable[Message], *, between: tuple[int, int]) -> bool:
    """Whether one of them was confirmed to its publisher within these places."""
    return any(one.confirmed_n is not None and between[0] < one.confirmed_n < between[1] for one in messages)


def _json(data: bytes) -> Mapping[str, Any]:
    try:
        found = parsed(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
