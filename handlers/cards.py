"""No card data enters: what looks like a card number, or is named like card data, is refused wherever it stands.

Law 14 of the design. The check is deliberately suspicious; a value that is refused by mistake costs one clear 400.
"""

from __future__ import annotations

from typing import Final

from handlers.errors import Fault, RequestError
from psp.card_numbers import has_card_number

#: Names of fields, without case and separators, in which only card data travels.
_NAMES: Final = frozenset({"pan", "cardnumber", "cvc", "cvc2", "cvv", "cvv2", "cardcvc", "cardcvv", "securitycode"})


def refusal() -> RequestError:
    """The answer, which says nothing of where and what."""
    return RequestError(
        Fault(
            code="InvalidOperation",
            message="The request holds what looks like card data. Send the token of the PSP's hosted fields instead.",
        )
    )


def is_card_field(name: str) -> bool:
    """Whether a field of this name is for card data."""
    return "".join(filter(str.isalnum, name)).lower() in _NAMES


def refuse_card_data(*texts: str) -> None:
    """Raise RequestError where one of the texts has a card number."""
    if any(map(has_card_number, texts)):
        raise refusal()
