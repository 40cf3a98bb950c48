"""No card data enters: what looks like a card number, or is named like card data, is refused wherever it stands.

Law 14 of the design. The check is deliberately suspicious; a value that is refused by mistake costs one clear 400.
"""

from __future__ import annotations

import re
from typing import Final

from handlers.errors import Fault, RequestError

#: 13 to 19 digits (ISO/IEC 7812), as people and programs write them: with up to three spaces or dashes between.
#: Not within a longer word: hashes and opaque tokens are full of digits.
_CANDIDATE: Final = re.compile(r"(?<!\w)\d(?:[\s\-\u2010-\u2015]{0,3}\d){12,18}(?!\w)")
#: Eight digits of a UUID and its next two groups look like a card number once in some thousand UUIDs.
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
#: Names of fields, without case and separators, in which only card data travels.
_NAMES: Final = frozenset({"pan", "cardnumber", "cvc", "cvc2", "cvv", "cvv2", "cardcvc", "cardcvv", "securitycode"})
#: Fewer characters cannot hold a card number.
_LENGTH_MIN: Final = 13
_LUHN_BASE: Final = 10


def refusal() -> RequestError:
    """The answer, which says nothing of where and what."""
    return RequestError(
        Fault(
            code="InvalidOperation",
            message="The request holds what looks like card data. Send the token of the PSP's hosted fields instead.",
        )
    )


def has_card_number(text: str) -> bool:
    """Whether something in the text passes for a card number."""
    if len(text) < _LENGTH_MIN or _UUID.fullmatch(text):
        return False
    return any(_passes_luhn(found.group()) for found in _CANDIDATE.finditer(text))


def is_card_field(name: str) -> bool:
    """Whether a field of this name is for card data."""
    return "".join(filter(str.isalnum, name)).lower() in _NAMES


def refuse_card_data(*texts: str) -> None:
    """Raise RequestError where one of the texts has a card number."""
    if any(map(has_card_number, texts)):
        raise refusal()


def _passes_luhn(text: str) -> bool:
    # ISO/IEC 7812-1, annex B. Digits of every script count: `int` knows them as well as the pattern does.
    digits = [int(character) for character in reversed(text) if character.isdecimal()]
    doubled = (sum(divmod(2 * digit, _LUHN_BASE)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % _LUHN_BASE == 0
