"""The product's clock, ids and random numbers: made here, and handed down from here."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
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
