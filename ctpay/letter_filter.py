"""Which dead letters a person means: ids, and what is written on them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bus.letters import Letter
    from bus.port import Cause
    from bus.topics import Topic

_AGE: Final = re.compile(r"(\d{1,6})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A letter is meant if it fits everything that is given here."""

    ids: frozenset[str] = frozenset()
    #: Its topic, which has its worker's name.
    worker: Topic | None = None
    #: A part of the reason, in small or large letters.
    reason: str | None = None
    cause: Cause | None = None
    type: str | None = None
    correlation_id: str | None = None
    #: Since its last death.
    older_than: timedelta | None = None
    newer_than: timedelta | None = None

    def means(self, letter: Letter, now: datetime) -> bool:
        """Whether the letter is one of those."""
        age = now - letter.dead_at
        pairs = (
            (self.worker, letter.origin),
            (self.cause, letter.cause),
            (self.type, letter.type),
            (self.correlation_id, letter.correlation_id),
        )
        return (
            (not self.ids or letter.id in self.ids)
            and all(wanted is None or wanted == found for wanted, found in pairs)
            and (self.reason is None or self.reason.casefold() in letter.reason.casefold())
            and (self.older_than is None or age > self.older_than)
            and (self.newer_than is None or age < self.newer_than)
        )


def age(text: str) -> timedelta:
    """`90s`, `30m`, `2h` or `7d`. Raises ValueError, whose text says what is right."""
    found = _AGE.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no age: write 90s, 30m, 2h or 7d.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
