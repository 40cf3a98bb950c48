"""What passes for a card number in a text, and how it is masked. Pure.

Law 14 of the design: card numbers are nowhere. The check is deliberately suspicious: Luhn's sum and the schemes' first
digits, in whatever spelling; UUIDs aside, which are full of digits and name our payments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

#: Groups of digits as people and programs write them, with up to four spaces, dashes, dots or slashes between.
#: Not within a longer word: hashes and opaque tokens are full of digits.
_CHAIN: Final = re.compile(r"(?<!\w)\d+(?:[\s\-./,|\u2010-\u2015\u2212]{1,4}\d+)*(?!\w)")
#: The same with whatever stands between: for what comes in, where a mistake costs one clear refusal and no log line.
#: Possessive, since a text that is made to backtrack holds up everybody: `_chains_in` takes words off the end.
_CHAIN_IN: Final = re.compile(r"(?<!\w)\d++(?:[\W_]{1,8}\d++)*+")
_GROUP: Final = re.compile(r"\d+")
_WORD: Final = re.compile(r"\w")
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
#: Eight digits of a UUID and its next two groups look like a card number once in some thousand UUIDs; so do digits in
#: a row of one that is written without its dashes.
_UUID: Final = re.compile(r"(?<!\w)([0-9A-Fa-f]{8}(?:-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12})(?!\w)")
#: Within a longer word too: for words that somebody else chose, on their way to where they stay.
_CHAIN_ANYWHERE: Final = re.compile(r"\d+(?:[\W_]{1,8}\d+)*")
#: Fewer characters cannot hold a card number.
_LENGTH_MIN: Final = 13
_LUHN_BASE: Final = 10
#: Digits by which a scheme is told.
_PREFIX: Final = 4
#: Those digits -> how many there may be in all.
_LENGTHS: Final = {prefix: lengths for first, last, lengths in _SCHEMES for prefix in range(first, last + 1)}


def has_card_number(text: str) -> bool:
    """Whether something in the text passes for a card number."""
    if len(text) < _LENGTH_MIN or _UUID.fullmatch(text):
        return False
    return any(map(_holds_one, _chains_in(_UNSEEN.sub("", text))))


def hides_card_number(text: str) -> bool:
    """Whether something in the text may be one, glued to letters or not; UUIDs are none. For words that are kept."""
    chains = (found.group() for part in _UUID.split(text)[::2] for found in _CHAIN_ANYWHERE.finditer(part))
    return any(_holds_one(_groups(chain)) for chain in chains)


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


def _chains_in(text: str) -> Iterator[list[list[int]]]:
    """Chains without the groups at their end with which a longer word begins."""
    for found in _CHAIN_IN.finditer(text):
        groups = list(_GROUP.finditer(found.group()))
        while groups and _WORD.match(text, found.start() + groups[-1].end()):
            groups.pop()
        yield [_digits(group.group()) for group in groups]


def _groups(chain: str) -> list[list[int]]:
    return [_digits(group) for group in _GROUP.findall(chain)]


def _digits(group: str) -> list[int]:
    # Digits of every script count: `int` knows them as well as the pattern does.
    return [int(digit) for digit in group]


def _holds_one(groups: list[list[int]]) -> bool:
    """Whether some groups in a row are one: beside a card number there may be its expiry, its code, or a date."""
    digits = [digit for group in groups for digit in group]
    bounds = {0, *accumulate(map(len, groups))}
    return any(
        start + length in bounds and _passes_luhn(digits[start : start + length])
        for start in bounds
        for length in _LENGTHS.get(_number(digits[start : start + _PREFIX]), ())
    )


def _number(digits: list[int]) -> int:
    number = 0
    for digit in digits:
        number = 10 * number + digit
    return number


def _passes_luhn(digits: list[int]) -> bool:
    # ISO/IEC 7812-1, annex B.
    backwards = digits[::-1]
    doubled = (sum(divmod(2 * digit, _LUHN_BASE)) for digit in backwards[1::2])
    return (sum(backwards[::2]) + sum(doubled)) % _LUHN_BASE == 0
