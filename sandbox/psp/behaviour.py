"""The test cards and test tokens: each stands for a behaviour of the bank behind it.

Only the numbers in this table are accepted, so that nobody ever types a real card into a sandbox.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


class Verdict(enum.StrEnum):
    """What becomes of the authorization."""

    APPROVED = "approved"
    DECLINED = "declined"
    #: A challenge in an iframe over the shop's page comes first.
    CHALLENGE = "challenge"
    #: The shopper has to leave the shop's page for the challenge.
    REDIRECT = "redirect"
    #: Accepted, approved later.
    PENDING = "pending"
    #: Accepted, declined later.
    PENDING_DECLINED = "pending_declined"


class Manner(enum.StrEnum):
    """How a reply reaches the caller, after the effect."""

    #: As it should.
    SEND = "send"
    #: It does not come within any patience; the same request with the same key gets it at once.
    HOLD = "hold"
    #: The connection is cut instead.
    DROP = "drop"
    #: A server error takes its place, and is kept as the key's result.
    ERROR = "error"


class Course(enum.StrEnum):
    """What becomes of a capture or a refund."""

    #: Done at once.
    SUCCEEDS = "succeeds"
    #: Accepted, done later.
    SETTLES_LATER = "settles_later"
    #: Reported as done, fails later.
    FAILS_LATE = "fails_late"


@dataclass(frozen=True, kw_only=True, slots=True)
class Behaviour:
    """One row of the table. The token `tok_<name>` stands for it and may be used any number of times."""

    name: str
    #: For people.
    text: str
    #: Test card numbers that behave so.
    numbers: tuple[str, ...] = ()
    verdict: Verdict = Verdict.APPROVED
    decline_code: str | None = None
    manner: Manner = Manner.SEND
    capture: Course = Course.SUCCEEDS
    refund: Course = Course.SUCCEEDS


BEHAVIOURS: Final = (
    Behaviour(
        name="approved",
        text="Approved",
        numbers=("4242424242424242", "5555555555554444", "378282246310005"),
    ),
    Behaviour(
        name="declined",
        text="Declined by the bank",
        numbers=("4000000000000002",),
        verdict=Verdict.DECLINED,
        decline_code="generic_decline",
    ),
    Behaviour(
        name="insufficient_funds",
        text="Declined: not enough money",
        numbers=("4000000000009995",),
        verdict=Verdict.DECLINED,
        decline_code="insufficient_funds",
    ),
    Behaviour(
        name="lost_card",
        text="Declined: the card was reported lost",
        numbers=("4000000000009987",),
        verdict=Verdict.DECLINED,
        decline_code="lost_card",
    ),
    Behaviour(
        name="3ds",
        text="3-D Secure challenge in an iframe",
        numbers=("4000000000003220",),
        verdict=Verdict.CHALLENGE,
    ),
    Behaviour(
        name="3ds_redirect",
        text="3-D Secure challenge after a redirect",
        numbers=("4000002500003155",),
        verdict=Verdict.REDIRECT,
    ),
    Behaviour(
        name="3ds_frictionless",
        text="3-D Secure without a challenge: approved",
        numbers=("4000000000003055",),
    ),
    Behaviour(
        name="pending",
        text="Pending, approved a little later",
        numbers=("4000000000000077",),
        verdict=Verdict.PENDING,
    ),
    Behaviour(
        name="pending_declined",
        text="Pending, declined a little later",
        numbers=("4000000000000341",),
        verdict=Verdict.PENDING_DECLINED,
        decline_code="generic_decline",
    ),
    Behaviour(
        name="timeout",
        text="Approved, but the first reply never comes",
        numbers=("4000000000000119",),
        manner=Manner.HOLD,
    ),
    Behaviour(
        name="drop",
        text="Approved, but the connection is cut instead of a reply",
        numbers=("4000000000000127",),
        manner=Manner.DROP,
    ),
    Behaviour(
        name="error_after",
        text="Approved, but the reply is a server error",
        numbers=("4000000000000259",),
        manner=Manner.ERROR,
    ),
    Behaviour(
        name="capture_pending",
        text="Approved; captures settle a little later",
        numbers=("4000000000000267",),
        capture=Course.SETTLES_LATER,
    ),
    Behaviour(
        name="capture_fails_late",
        text="Approved; captures fail a little after they succeeded",
        numbers=("4000000000005423",),
        capture=Course.FAILS_LATE,
    ),
    Behaviour(
        name="refund_pending",
        text="Approved; refunds settle a little later",
        numbers=("4000000000007726",),
        refund=Course.SETTLES_LATER,
    ),
    Behaviour(
        name="refund_fails_late",
        text="Approved; refunds fail a little after they succeeded",
        numbers=("4000000000005126",),
        refund=Course.FAILS_LATE,
    ),
)

#: Reusable token -> behaviour.
BY_TOKEN: Final[Mapping[str, Behaviour]] = {f"tok_{each.name}": each for each in BEHAVIOURS}

#: Stored methods that are always there, for tests of those that are declined -> behaviour.
BY_STORED: Final[Mapping[str, Behaviour]] = {f"pm_{each.name}": each for each in BEHAVIOURS}

#: Test card number -> behaviour.
BY_NUMBER: Final[Mapping[str, Behaviour]] = {number: each for each in BEHAVIOURS for number in each.numbers}

_BRANDS: Final[Mapping[str, re.Pattern[str]]] = {
    "Visa": re.compile(r"4"),
    "Mastercard": re.compile(r"5[1-5]|2[2-7]"),
    "American Express": re.compile(r"3[47]"),
}


def brand_of(number: str) -> str:
    """The brand by the first digits, or `Card`."""
    return next((brand for brand, pattern in _BRANDS.items() if pattern.match(number)), "Card")


def cvc_digits(brand: str) -> int:
    return 4 if brand == "American Express" else 3


def passes_luhn(number: str) -> bool:
    """Whether the last digit checks the others (ISO/IEC 7812-1, annex B)."""
    if not number.isdecimal():
        return False
    digits = [int(each) for each in reversed(number)]
    doubled = [sum(divmod(2 * each, 10)) for each in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
