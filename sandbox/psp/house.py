"""One running Sandbox Pay: its core and what the shells need beside it, put together in one place."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from aiohttp import web

from sandbox.psp.bank import Bank
from sandbox.psp.books import Books
from sandbox.psp.desk import Desk
from sandbox.psp.keys import Keys
from sandbox.psp.model import Terms
from sandbox.psp.outbox import Outbox
from sandbox.psp.world import World

REQUESTS_KEPT: Final = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class House:
    """The parts of one merchant's PSP."""

    secret_key: str
    publishable_key: str
    #: Pages that may embed the card fields; None: any page on this machine.
    allowed_origins: frozenset[str] | None
    #: Where browsers find us, without a slash at the end.
    base_url: str
    clock: Callable[[], datetime]
    terms: Terms
    books: Books
    bank: Bank
    world: World
    desk: Desk
    keys: Keys
    outbox: Outbox
    #: What was asked of `/v1`, the newest last. Never a card number.
    requests: deque[Mapping[str, object]] = field(default_factory=lambda: deque(maxlen=REQUESTS_KEPT))
    #: Set when something may have become due.
    stir: asyncio.Event = field(default_factory=asyncio.Event)
    #: Set when the server stops: replies that are held back are given up.
    closing: asyncio.Event = field(default_factory=asyncio.Event)


HOUSE: Final = web.AppKey("house", House)


def build(
    *,
    secret_key: str,
    publishable_key: str,
    allowed_origins: Sequence[str] | None,
    webhook_url: str | None,
    webhook_secrets: Sequence[str],
    base_url: str,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
    terms: Terms,
) -> House:
    outbox = Outbox(url=webhook_url, secrets=webhook_secrets)
    books = Books(terms=terms, new_id=new_id, publish=outbox.publish, base_url=base_url)
    bank = Bank(books)
    keys = Keys(lifetime=timedelta(seconds=terms.key_lifetime_s))
    return House(
        secret_key=secret_key,
        publishable_key=publishable_key,
        allowed_origins=frozenset(allowed_origins) if allowed_origins is not None else None,
        base_url=base_url,
        clock=clock,
        terms=terms,
        books=books,
        bank=bank,
        world=World(books),
        desk=Desk(books=books, bank=bank, keys=keys),
        keys=keys,
        outbox=outbox,
    )
