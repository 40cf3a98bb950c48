"""Waits for a condition, never for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def eventually(
    condition: Callable[[], Awaitable[bool]], *, within_s: float = 10.0, every_s: float = 0.01
) -> None:
    """Return as soon as the condition holds; TimeoutError if it does not within so many seconds."""
    async with asyncio.timeout(within_s):
        while not await condition():  # noqa: ASYNC110 - what is waited for is in another process or has no event
            await asyncio.sleep(every_s)
