"""A loop whose time costs nothing: it does not wait, it moves its time on. For what needs no socket and no thread."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

Came = TypeVar("Came")


class Leaping(selectors.SelectSelector):
    """Instead of waiting, it moves the time on."""

    now = 1000.0

    def select(self, timeout=None):
        self.now += timeout or 0
        return super().select(0)


def virtually(story: Callable[[Callable[[], datetime]], Awaitable[Came]]) -> Came:
    """Run it on a loop whose time costs nothing; the clock that it is given is the loop's."""
    leaping = Leaping()
    loop = asyncio.SelectorEventLoop(leaping)
    loop.time = lambda: leaping.now
    try:
        return loop.run_until_complete(story(lambda: datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=leaping.now)))
    finally:
        loop.close()
