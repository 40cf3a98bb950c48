"""Texts for people: whether one reads like one, without a second copy of its words."""

from __future__ import annotations

import re

_BEGINNING = re.compile(r"[A-Z`]|commercetools\b")
_SHOUTED = re.compile(r"\b[A-Z]{2,} [A-Z]{2,}\b")


def reads_well(text: object) -> bool:
    """Whole sentences: each begins with a capital, or with a name that has none, and the last one has its end."""
    sentences = re.split(r"(?<=[.?]) ", str(text))
    return (
        all(map(_BEGINNING.match, sentences)) and sentences[-1].endswith((".", "?")) and not _SHOUTED.search(str(text))
    )
