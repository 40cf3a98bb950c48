"""No card data enters: what looks like a card number, or is named like card data, is refused wherever it stands.

Law 14 of the design. The check is deliberately suspicious; a value that is refused by mistake costs one clear 400.
"""

from __future__ import annotations

import re
from typing import Final

from handlers.errors import Fault, RequestError

#: Groups of digits as people and programs write them, with up to four spaces, dashes, dots or slashes between.
#: Not within a longer word: hashes and opaque tokens are full of digits.
_CHAIN: Final = re.compile(r"(?<!\w)\d+(?:[\s\-./,|\u2010-\u2015\u2212]{1,4}\d+)*(?!\w)")
#: The same with whatever stands between: for what comes in, where a mistake costs one clear refusal and no log line.
_CHAIN_IN: Final = re.compile(r"(?<!\w)\d+(?:[\W_]{1,8}\d+)*(?!\w)")
_GROUP: Final = re.compile(r"\d+")
#: Characters that nobody sees; a number is one all the same.
_UNSEEN: Final = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
#: Digits of a card number (ISO/IEC 7812).
_DIGITS: Final = range(13, 20)
#: What the schemes' card numbers begin with.
_FIRST: Final = frozenset({2, 3, 4, 5, 6})
#: Eight digits of a UUID and its next two groups look like a card number once in some thousand UUIDs.
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
#: Names of fields, without case and separators, in which only card data travels.
_NAMES: Final = frozenset({"pan", "cardnumber", "cvc", "cvc2", "cvv", "cvv2", "cardcvc", "cardcvv", "securitycode"})
#: Fewer characters cannot hold a card number.
_LENGTH_MIN: Final = 13
_LUHN_BASE: Final = 10
_UATP_DIGITS: Final = 15


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
    return any(_is_or_holds_one(found.group()) for found in _CHAIN_IN.finditer(_UNSEEN.sub("", text)))


def is_card_field(name: str) -> bool:
    """Whether a field of this name is for card data."""
    return "".join(filter(str.isalnum, name)).lower() in _NAMES


def refuse_card_data(*texts: str) -> None:
    """Raise RequestError where one of the texts has a card number."""
    if any(map(has_card_number, texts)):
        raise refusal()


def mask_card_numbers(text: str, mask: str) -> str:
    """The text with every chain of digits masked that holds what begins like a scheme's card number."""
    return _CHAIN.sub(lambda found: mask if _holds_one(_groups(found.group())) else found.group(), text)


def _is_or_holds_one(chain: str) -> bool:
    groups = _groups(chain)
    digits = [digit for group in groups for digit in group]
    # Milliseconds since 1970, of which order numbers are made, are 13 digits with a 1 in front; UATP's cards have 15.
    begins_like_one = digits[0] != 1 or len(digits) == _UATP_DIGITS
    return (begins_like_one and _passes_luhn(digits)) or _holds_one(groups)


def _groups(chain: str) -> list[list[int]]:
    # Digits of every script count: `int` knows them as well as the pattern does.
    return [[int(digit) for digit in group] for group in _GROUP.findall(chain)]


def _holds_one(groups: list[list[int]]) -> bool:
    """Whether some groups in a row are one: beside a card number there may be its expiry, its code, or a date."""
    for start, first in enumerate(groups):
        digits: list[int] = []
        for group in groups[start:]:
            digits += group
            if len(digits) >= _DIGITS.stop:
                break
            if first[0] in _FIRST and _passes_luhn(digits):
                return True
    return False


def _passes_luhn(digits: list[int]) -> bool:
    # ISO/IEC 7812-1, annex B.
    if len(digits) not in _DIGITS:
        return False
    backwards = digits[::-1]
    doubled = (sum(divmod(2 * digit, _LUHN_BASE)) for digit in backwards[1::2])
    return (sum(backwards[::2]) + sum(doubled)) % _LUHN_BASE == 0
