"""What was learnt from commercetools and may be believed for a while: bounded, single-flight, refreshed ahead of time.

Law: whoever is known does not wait. While an entry is believed it is answered at once; when it is no longer fresh, one
call renews it behind the answer. If commercetools cannot be reached then, the entry is believed to its end.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from ct.errors import UnavailableError

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept(Generic[Value]):
    """A value and how long to believe it, counted from the moment it was asked for."""

    value: Value
    #: After this it is renewed behind the answer.
    fresh_s: float
    #: After this it is not believed any more. Zero or less: never kept.
    for_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry(Generic[Value]):
    value: Value
    #: Times of the loop's clock.
    renew_at: float
    ends_at: float


class Cache(Generic[Value]):
    """Values by key. Keys of secret things are hashes of them."""

    def __init__(self, *, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[str, _Entry[Value]] = OrderedDict()
        self._flights: dict[str, asyncio.Task[Value]] = {}

    async def get(self, key: str, load: Callable[[], Awaitable[Kept[Value]]]) -> Value:
        """The value that is believed, or else what `load` gives, called once for all who wait.

        A waiter that gives up does not take the call from the others. Raises what `load` raises.
        """
        now = asyncio.get_running_loop().time()
        entry = self._entries.get(key)
        if entry is None or now >= entry.ends_at:
            return await asyncio.shield(self._flight(key, load))
        self._entries.move_to_end(key)
        if now >= entry.renew_at:
            self._flight(key, load)
        return entry.value

    async def renew(self, key: str, load: Callable[[], Awaitable[Kept[Value]]]) -> Value:
        """What `load` gives now, called once for all who wait. What is believed stays so until it is known.

        Raises what `load` raises.
        """
        return await asyncio.shield(self._flight(key, load))

    def forget(self, key: str, is_it: Callable[[Value], bool]) -> None:
        """Believe this value no more. Another one, learnt meanwhile, stays."""
        entry = self._entries.get(key)
        if entry is not None and is_it(entry.value):
            del self._entries[key]

    def _flight(self, key: str, load: Callable[[], Awaitable[Kept[Value]]]) -> asyncio.Task[Value]:
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.get_running_loop().create_task(self._learn(key, load))
            self._flights[key] = flight
            flight.add_done_callback(partial(self._landed, key))
        return flight

    def _landed(self, key: str, flight: asyncio.Task[Value]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # Marks it as seen: behind an answer nobody waits for it.

    async def _learn(self, key: str, load: Callable[[], Awaitable[Kept[Value]]]) -> Value:
        asked_at = asyncio.get_running_loop().time()
        try:
            kept = await load()
        except UnavailableError:
            raise
        except Exception:
            self._entries.pop(key, None)
            raise
        if kept.for_s > 0:
            self._entries[key] = _Entry(
                value=kept.value, renew_at=asked_at + kept.fresh_s, ends_at=asked_at + kept.for_s
            )
            self._entries.move_to_end(key)
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)
        return kept.value
