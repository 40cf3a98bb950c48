"""How many dead letters one process knows of, by worker and cause. Pure; no I/O.

Law: a letter for a person counts once and for good, since nobody tells this process what a person does with it. One
that waits for its own replay counts for as long as it comes again and again: until its turn has come here, or, where it
has come in a twin process, until it has not been seen for longer than Pub/Sub holds it back.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from bus.port import Cause
from bus.topics import POLICIES, Topic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bus.letters import Letter

#: The worker whose message it was, and the cause of its death.
Kind: TypeAlias = tuple[str, Cause]

#: A letter that has not come for so long waits no more: it would have come within the backoff. Pub/Sub keeps to that
#: roughly, hence half as long again.
SEEN_WITHIN: Final = timedelta(seconds=1.5 * POLICIES[Topic.DEAD_LETTERS].backoff_s_max)

#: Letters that are remembered of each sort, so that memory has an end. No more than these are told of: what is not
#: remembered would be counted again whenever it is found.
_REMEMBERED_MAX: Final = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class _Seen:
    kind: Kind
    at: datetime


class Tally:
    """What one process knows of dead letters."""

    def __init__(self) -> None:
        self._for_person: Counter[Kind] = Counter()
        #: The ids of those.
        self._counted: set[str] = set()
        #: Id -> a letter that waits; the one that came last is the last.
        self._waiting: dict[str, _Seen] = {}

    def count_for_person(self, letter: Letter) -> int:
        """Count it if it has not been; how many there are of its kind."""
        kind = _kind(letter)
        if letter.id not in self._counted and len(self._counted) < _REMEMBERED_MAX:
            self._for_person[kind] += 1
            self._counted.add(letter.id)
        return self._for_person[kind]

    def see_waiting(self, letter: Letter, now: datetime) -> None:
        """It is there at this moment, and no person's yet."""
        self.forget_waiting(letter)
        self._waiting[letter.id] = _Seen(kind=_kind(letter), at=now)
        if len(self._waiting) > _REMEMBERED_MAX:
            del self._waiting[next(iter(self._waiting))]

    def forget_waiting(self, letter: Letter) -> None:
        """It waits no more."""
        self._waiting.pop(letter.id, None)

    def for_person(self) -> Mapping[Kind, int]:
        """How many were found for a person, or have come since."""
        return self._for_person

    def waiting(self, now: datetime) -> Mapping[Kind, int]:
        """How many wait at this moment. What has not come for too long is forgotten."""
        self._waiting = {id_: seen for id_, seen in self._waiting.items() if now - seen.at <= SEEN_WITHIN}
        return Counter(seen.kind for seen in self._waiting.values())


def _kind(letter: Letter) -> Kind:
    return (letter.origin.value if letter.origin else "unknown", letter.cause)
