"""The product's clock, ids, random numbers and threads: made here, and handed down from here."""

from __future__ import annotations

import asyncio
import random
import threading
import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import aiohttp

from bus.port import Publisher, Subscriber
from ctpay.settings import Common
from psp.seams import Clock, Draw, NewId


@dataclass(frozen=True, kw_only=True, slots=True)
class Seams:
    """Everything that the composition root takes from outside: whoever replaces these five replaces the world."""

    clock: Clock
    new_id: NewId
    draw: Draw
    #: Makes connections to whom HTTP is spoken with; given the most connections to one host.
    connector: Callable[[int], aiohttp.BaseConnector]
    #: Both ends of the bus, until the end of the block.
    bus: Callable[[Common], AbstractAsyncContextManager[tuple[Publisher, Subscriber]]]


#: The jitter of retries; nothing secret hangs on it.
draw: Final[Draw] = random.random


def now() -> datetime:
    return datetime.now(UTC)


def new_id() -> str:
    return str(uuid.uuid4())


async def aside(work: Callable[[], object]) -> None:
    """Run in a thread that neither the loop nor the interpreter waits for; return when it is over."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()

    def run() -> None:
        try:
            work()
        finally:
            # The loop may have ended long before.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(over.set)

    threading.Thread(target=run, name="aside", daemon=True).start()
    await over.wait()
