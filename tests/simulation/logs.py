"""What a simulated run leaves behind: five logs, and what the run was. The checker reads these and nothing else.

Every entry of every log has a place `n` in one order of all logs, and a time `at`. A log holds what happened, not what
somebody believes: a request that never arrived has no effect, and a reply that nobody got was sent all the same.
Nobody changes a document that is in here.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_T = TypeVar("_T")

#: JSON objects as the stand-ins show them.
Document: TypeAlias = dict[str, Any]

#: Who acts where it is no process of ours.
MERCHANT = "merchant"
SHOPPER = "shopper"
PSP = "psp"


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def entry(kind: type[_T]) -> type[_T]:
    """A frozen dataclass to whoever checks types. That Python guards it too would take most of the time to make one.

    For what a seed makes by the hundred: entries of logs, and the requests that they are about.
    """
    return dataclass(kw_only=True, slots=True, unsafe_hash=True)(kind)


@entry
class Line:
    """What all entries have."""

    n: int
    at: datetime


# The PSP's ledger.


@entry
class Effect(Line):
    """Money that was held, taken, released or given back. `..._reversed` undoes the effect with the same `id`."""

    #: `authorization`, `capture`, `cancel`, `refund`, `dispute`, `capture_reversed`, `refund_reversed`,
    #: `dispute_reversed`.
    kind: str
    #: The operation's id at the PSP; of an authorization the payment's.
    id: str
    #: The PSP's payment.
    payment: str
    amount: int
    currency: str
    #: The idempotency key of the request that caused it; None: the PSP did it by itself, or its dashboard did.
    key: str | None
    merchant_reference: str | None
    #: Our reference, as we sent it: Payment id, transaction id, project.
    metadata: Mapping[str, str]


@entry
class Kept(Line):
    """A means of payment that the PSP keeps for a customer, since `n`."""

    token: str = field(repr=False)
    #: Our name for the customer.
    customer: str
    #: The place at which the PSP forgot it; None: it never did.
    forgotten_n: int | None = None


# The wire: what our processes ask of others.


class Peer(enum.StrEnum):
    """Whom a process calls."""

    PSP = "psp"
    #: API, authorization and sessions in one.
    COMMERCETOOLS = "commercetools"


class Fate(enum.StrEnum):
    """What the caller got."""

    #: The reply, whole.
    ANSWERED = "answered"
    #: The connection broke before a reply.
    RESET = "reset"
    #: Nothing, for as long as the caller waited; it gave up and went.
    GONE = "gone"
    #: The caller died first.
    DIED = "died"


@entry
class Call(Line):
    """One HTTP request of one of our processes. `n` and `at` are those of its sending; it may never have arrived.

    A refused connection is no call: nothing was sent.
    """

    process: str
    peer: Peer
    method: str
    #: With its query.
    path: str
    #: The Idempotency-Key header.
    key: str | None
    body: bytes = field(repr=False)
    #: The parsed body, where it is JSON.
    document: Any = field(repr=False)
    #: The peer went about it at this place and time; None: it never arrived there.
    performed_n: int | None
    performed_at: datetime | None
    #: What the peer replied, whether it arrived or not.
    status: int | None
    reply: Any = field(repr=False)
    #: What the caller got, and when.
    fate: Fate
    done_n: int | None
    done_at: datetime | None
    #: The fault that struck it, a name out of the table of faults.
    fault: str | None


# commercetools.


@entry
class Version(Line):
    """One version of one Payment, cart or stored payment method."""

    id: str
    version: int
    document: Document = field(repr=False)
    #: A process id, `MERCHANT` or `SHOPPER`; what a fault touched is the merchant's.
    author: str


# The bus.


class Happening(enum.StrEnum):
    """What happened to a message."""

    #: The bus keeps it. `told` is what its publisher got to hear.
    PUBLISHED = "published"
    #: The bus did not take it.
    REFUSED = "refused"
    #: The publisher was told so; it may act on it from now on.
    CONFIRMED = "confirmed"
    #: Handed to a process.
    DELIVERED = "delivered"
    #: It will not come again.
    ACKED = "acked"
    #: It will come again.
    RETURNED = "returned"
    #: The bus itself moved it to the dead letters.
    DEAD = "dead"


@entry
class BusEntry(Line):
    """One thing that happened to one message."""

    happening: Happening
    topic: str
    #: Empty for one that was refused.
    message_id: str
    data: bytes = field(repr=False)
    attributes: Mapping[str, str]
    #: Deliveries so far.
    attempt: int
    #: Who published it, or has it in hand; `PSP`, `MERCHANT` or empty where no process of ours does.
    process: str
    #: The subscription it is about where that is not the topic's own: `for-people`, or an ingress instance.
    subscription: str | None = None
    #: The fault that struck it.
    fault: str | None = None


# HTTP at our ingress.


class Genuine(enum.StrEnum):
    """Whether a webhook is the PSP's own."""

    #: Signed with a secret that the ingress knows, in time.
    YES = "yes"
    #: Changed, signed by somebody else, or too old.
    NO = "no"


@entry
class Exchange(Line):
    """One request to our ingress. `n` and `at` are those of its arrival."""

    #: `SHOPPER` with a number, `MERCHANT`, or `PSP`.
    actor: str
    #: The process that was asked.
    process: str
    method: str
    path: str
    headers: Mapping[str, str]
    #: The Idempotency-Key header.
    key: str | None
    body: bytes = field(repr=False)
    #: None: no reply came (the process died, or the caller went).
    status: int | None
    #: The parsed JSON of the reply.
    answer: Any = field(repr=False)
    done_n: int | None
    done_at: datetime | None
    #: Of webhooks alone.
    genuine: Genuine | None = None
    #: Where the reply sends a browser.
    location: str | None = None


@entry
class LogLine(Line):
    """One line of a process's log, after the product's own allow-list and masks."""

    process: str
    fields: Mapping[str, Any]


# The run.


@entry
class Fault(Line):
    """One fault that struck."""

    #: A name out of the table of faults.
    kind: str
    #: For people.
    on: str


@entry
class Crash(Line):
    """A process that ended: killed, or stopped in order."""

    process: str
    orderly: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What was promised in this run."""

    project_key: str
    #: `paymentInterface` of our Payments.
    interface: str
    key_lifetime: timedelta
    key_length_max: int
    key_margin: timedelta
    authorization_send_by: timedelta
    lease_max: timedelta
    #: A shopper's open challenge is not given up by a machine before.
    action_within: timedelta
    event_patience: timedelta
    #: The most that the clocks of two processes differ.
    skew_max: timedelta
    #: Topic -> deliveries before a message is buried; None: no limit.
    attempts: Mapping[str, int | None]
    webhook_tolerance: timedelta
    #: A result is there within this, for who waits for it.
    told_within: timedelta = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wrote:
    """A transaction that a merchant put on a Payment by hand."""

    payment_id: str
    transaction_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """Everything about one seed."""

    seed: int
    rules: Rules
    effects: tuple[Effect, ...]
    #: What the PSP says of each of its payments at the end, by its id: `GET /v1/payments/{id}`.
    psp_payments: Mapping[str, Document]
    calls: tuple[Call, ...]
    #: Every version of every Payment, and of every cart.
    payments: tuple[Version, ...]
    carts: tuple[Version, ...]
    bus: tuple[BusEntry, ...]
    exchanges: tuple[Exchange, ...]
    lines: tuple[LogLine, ...]
    faults: tuple[Fault, ...]
    crashes: tuple[Crash, ...]
    #: The ids of transactions that merchants put on Payments, and of commands that fault plans forged.
    merchants_wrote: tuple[Wrote, ...]
    #: PSP payments that are none of ours: events about them were made up.
    strangers: frozenset[str]
    #: Ids of PSP events that were sent with an amount, a currency or a kind that is not true.
    untrue_events: frozenset[str]
    #: Texts that may be in messages and headers and nowhere else.
    canaries: frozenset[str]
    started_at: datetime
    #: When the last fault struck, and when the run was at rest.
    faults_end: datetime
    #: When commercetools and the PSP last changed.
    converged_at: datetime
    ended_at: datetime
    #: Whether the run came to rest, rather than to its time limit.
    settled: bool
    #: Every version of every stored payment method, where the run looks at them; one without a document: it was deleted.
    methods: tuple[Version, ...] = ()
    #: What the PSP has ever kept for customers.
    kept: tuple[Kept, ...] = ()
    #: The dead letters that wait for a person at the end; None: nobody has looked.
    with_people: frozenset[str] | None = None
