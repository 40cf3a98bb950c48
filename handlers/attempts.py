"""Which attempt is this? Ids and keys, derived from the caller's Idempotency-Key where there is one. Pure.

The same caller with the same key on the same address gives the same command, so a repeated request is a redelivery.
"""

from __future__ import annotations

import enum
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from psp.money import Money

#: Visible ASCII. 255 is what others who take this header allow (draft-ietf-httpapi-idempotency-key-header names none).
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


class Purpose(enum.StrEnum):
    """What a hash is for, so that two uses of the same parts never give the same value."""

    #: A command's id.
    COMMAND = "command"
    #: The key of the commercetools Payment that is one attempt.
    ATTEMPT = "attempt"
    #: What identifies the money.
    REQUEST = "request"
    #: Whose an attempt is, where no shopper is there.
    OWNER = "owner"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """Within what an Idempotency-Key means the same."""

    project_key: str
    #: The session's owner hash, or the API client's id.
    caller: str
    #: Method and path.
    route: str


def is_idempotency_key(text: str) -> bool:
    """Whether the header has a value that we take."""
    return _KEY.fullmatch(text) is not None


def command_id(scope: Scope, key: str) -> str:
    """64 hexadecimal digits."""
    return _hash(Purpose.COMMAND, (scope.project_key, scope.caller, scope.route, key))


def attempt_key(scope: Scope, key: str) -> str:
    """64 hexadecimal digits, which commercetools takes as a Payment's key."""
    return _hash(Purpose.ATTEMPT, (scope.project_key, scope.caller, scope.route, key))


def payment_hash(*, cart_id: str, method: str) -> str:
    """What identifies the money of a payment. Never the token: it is used once, and a retry has another."""
    return _hash(Purpose.REQUEST, ("payments", cart_id, method))


def program_owner(scope: Scope) -> str:
    """Whose attempts a program's are: all of one program's on one route are told from everybody else's."""
    return _hash(Purpose.OWNER, (scope.project_key, scope.caller, scope.route))


def transaction_hash(*, cart_id: str, method_id: str, amount: Money | None) -> str:
    """What identifies the money of a transaction without the shopper."""
    money = [] if amount is None else [amount.amount, amount.currency]
    return _hash(Purpose.REQUEST, ("transactions", cart_id, method_id, money))


def modification_hash(*, payment_id: str, action: str, amount: Money | None, charge_id: str | None) -> str:
    """What identifies the money of a capture, refund, cancel or reversal."""
    money = [] if amount is None else [amount.amount, amount.currency]
    return _hash(Purpose.REQUEST, ("payment-intents", payment_id, action, money, charge_id))


def _hash(purpose: Purpose, parts: Sequence[object]) -> str:
    # JSON keeps the parts apart, so that no two lists of parts run together.
    return hashlib.sha256(json.dumps([purpose.value, *parts], separators=(",", ":")).encode()).hexdigest()
