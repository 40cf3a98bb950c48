"""What a PSP can do, as it declares it: data that the law of amounts is judged by."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta


class CaptureSupport(enum.Enum):
    """How much of an authorization can be captured, and how often."""

    #: Only all of it, once.
    FULL = enum.auto()
    #: Any part of it, once.
    ONCE = enum.auto()
    #: Any part of it, until nothing is left.
    MULTIPLE = enum.auto()


class Remainder(enum.Enum):
    """What becomes of the uncaptured rest after a partial capture."""

    #: It stays authorized and can be captured or cancelled.
    KEPT = enum.auto()
    #: The PSP releases it.
    RELEASED = enum.auto()


class RefundScope(enum.Enum):
    """What a refund is taken from."""

    #: The payment as a whole.
    PAYMENT = enum.auto()
    #: One capture: the refund names it and may not exceed it.
    CAPTURE = enum.auto()


class Dropin(enum.StrEnum):
    """A form with every method in it that the browser library can show for this PSP."""

    #: In the shop's own page.
    EMBEDDED = "embedded"
    #: On a page of the PSP's.
    HOSTED = "hpp"


class LookupBy(enum.Enum):
    """By what the PSP finds a payment again."""

    #: Its own id.
    PSP_REFERENCE = enum.auto()
    #: The reference we sent.
    OUR_REFERENCE = enum.auto()


class Listing(enum.Enum):
    """Whether the PSP tells what it has, so that reconciliation can compare both ways."""

    #: It has no such call: only what we ask about by name is told, if that.
    NONE = enum.auto()
    #: Everything that was made in a span of time.
    BY_TIME = enum.auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class Capabilities:
    """What this PSP can do. Asking for anything else is refused before anything is written."""

    #: Payment method types that the adapter authorizes, for example `card`.
    methods: frozenset[str]
    captures: CaptureSupport
    remainder: Remainder
    refund_scope: RefundScope
    #: How long the PSP honours an idempotency key.
    key_lifetime: timedelta
    #: The most characters an idempotency key may have.
    key_length_max: int
    #: Empty: the PSP cannot be asked what became of anything; its events are the only truth.
    lookup_by: frozenset[LookupBy]
    #: Methods that take the money at once, without a separate capture.
    captured_at_once: frozenset[str] = frozenset()
    #: Methods that the PSP can keep for a customer.
    storable: frozenset[str] = frozenset()
    listing: Listing = Listing.NONE
    dropins: frozenset[Dropin] = frozenset()
    #: Methods that the browser library can offer before a checkout has begun.
    express: frozenset[str] = frozenset()
