"""What passes for a card number in a text, and how it is masked. Pure.

Law 14 of the design: card numbers are nowhere. The check is deliberately suspicious: Luhn's sum and the schemes' first
digits, in whatever spelling; UUIDs aside, which are full of digits and name our payments.
"""

from __future__ import annotations

import re
from typing import Final

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
#: The schemes: first four digits from, and to; how many there are in all. From the schemes' own tables of issuers. With
#: Luhn's sum alone, each tenth order number that is made of a date would be a card number.
_SCHEMES: Final[tuple[tuple[int, int, frozenset[int]], ...]] = (
    # UATP.
    (1000, 1999, frozenset({15})),
    # JCB's old ones.
    (2131, 2131, frozenset({15})),
    # Mir.
    (2200, 2204, frozenset({16, 17, 18, 19})),
    # Mastercard.
    (2221, 2720, frozenset({16})),
    (5100, 5599, frozenset({16})),
    # Diners Club.
    (3000, 3059, frozenset({14, 15, 16, 17, 18, 19})),
    (3095, 3095, frozenset({14, 15, 16, 17, 18, 19})),
    (3600, 3699, frozenset({14, 15, 16, 17, 18, 19})),
    (3800, 3999, frozenset({14, 15, 16, 17, 18, 19})),
    # American Express.
    (3400, 3499, frozenset({15})),
    (3700, 3799, frozenset({15})),
    # JCB.
    (3528, 3589, frozenset({16, 17, 18, 19})),
    # Visa.
    (4000, 4999, frozenset({13, 16, 19})),
    # Maestro, Discover, UnionPay, RuPay and others.
    (5000, 5099, frozenset(_DIGITS)),
    (5600, 6999, frozenset(_DIGITS)),
    # UnionPay and RuPay.
    (8100, 8299, frozenset({16, 17, 18, 19})),
    # Troy.
    (9792, 9792, frozenset({16})),
)
#: Eight digits of a UUID and its next two groups look like a card number once in some thousand UUIDs.
_UUID: Final = re.compile(r"(?<!\w)([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})(?!\w)")
#: Within a longer word too: for words that somebody else chose, on their way to where they stay.
_CHAIN_ANYWHERE: Final = re.compile(r"\d+(?:[\W_]{1,8}\d+)*")
#: Fewer characters cannot hold a card number.
_LENGTH_MIN: Final = 13
_LUHN_BASE: Final = 10
#: Digits by which a scheme is told.
_PREFIX: Final = 4


def has_card_number(text: str) -> bool:
    """Whether something in the text passes for a card number."""
    if len(text) < _LENGTH_MIN or _UUID.fullmatch(text):
        return False
    return any(_holds_one(_groups(found.group())) for found in _CHAIN_IN.finditer(_UNSEEN.sub("", text)))


def mask_card_numbers(text: str, mask: str) -> str:
    """The text with every chain of digits masked that holds what begins like a scheme's card number."""
    return _CHAIN.sub(lambda found: _masked(found.group(), mask), text)


def scrub_card_numbers(text: str, mask: str) -> str:
    """The text with everything masked that may be a card number, glued to letters or not; UUIDs stay."""
    # `split` with a group gives the UUIDs at the odd places.
    return "".join(
        part if place % 2 else _CHAIN_ANYWHERE.sub(lambda found: _masked(found.group(), mask), part)
        for place, part in enumerate(_UUID.split(text))
    )


def _masked(chain: str, mask: str) -> str:
    return mask if _holds_one(_groups(chain)) else chain


def _groups(chain: str) -> list[list[int]]:
    # Digits of every script count: `int` knows them as well as the pattern does.
    return [[int(digit) for digit in group] for group in _GROUP.findall(chain)]


def _holds_one(groups: list[list[int]]) -> bool:
    """Whether some groups in a row are one: beside a card number there may be its expiry, its code, or a date."""
    for start in range(len(groups)):
        digits: list[int] = []
        for group in groups[start:]:
            digits += group
            if len(digits) >= _DIGITS.stop:
                break
            if _is_a_schemes(digits) and _passes_luhn(digits):
                return True
    return False


def _is_a_schemes(digits: list[int]) -> bool:
    prefix = int("".join(map(str, digits[:_PREFIX])))
    return any(first <= prefix <= last and len(digits) in lengths for first, last, lengths in _SCHEMES)


def _passes_luhn(digits: list[int]) -> bool:
    # ISO/IEC 7812-1, annex B.
    backwards = digits[::-1]
    doubled = (sum(divmod(2 * digit, _LUHN_BASE)) for digit in backwards[1::2])
    return (sum(backwards[::2]) + sum(doubled)) % _LUHN_BASE == 0
