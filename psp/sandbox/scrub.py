"""Masks what is secret at Sandbox Pay in a text on its way to a log or to commercetools."""

from __future__ import annotations

import re
from typing import Final

from psp.card_numbers import scrub_card_numbers

#: Secret keys, webhook secrets, tokens, and what stands in an Authorization header: each stands for money.
_SECRETS: Final = re.compile(r"\b(sk|tok|pm)_[A-Za-z0-9_]+|\bwhsec_[A-Za-z0-9+/=]+|\b(?:Basic|Bearer) +\S+")
#: A card's security code, where it is called so.
_CODE: Final = re.compile(r"\b(cv[cv]2?|security code)(\W{0,4})\d{3,4}\b", re.IGNORECASE)


def scrub(text: str) -> str:
    """The text with everything that looks secret masked; rather too much than too little."""
    return _CODE.sub(r"\1\2[code]", scrub_card_numbers(_SECRETS.sub("[secret]", text), "[card]"))
