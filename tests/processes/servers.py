"""A running stack over either Pub/Sub server: the stand-in, or Google's emulator, fresh."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass

from support.pubsub_servers import emulator_server, stand_in_server
from support.stack import BACKOFF_S_MAX, CONNECTOR, CTPAY, open_stack


@dataclass(frozen=True, kw_only=True)
class Server:
    """A Pub/Sub server, and how much it can stand."""

    start: object
    #: Seconds; None: no retry policy.
    backoff_s_max: float | None
    #: How often the readers of one subscription may be killed.
    kills_max: int


#: Google's emulator takes turns with all readers that there ever were, and gives a message to a dead one for a whole
#: lease: a few dead ones make it wait for minutes. With a retry policy it was seen to do so with a single one.
SERVERS = {
    "stand-in": Server(start=stand_in_server, backoff_s_max=BACKOFF_S_MAX, kills_max=1_000_000),
    "emulator": Server(start=emulator_server, backoff_s_max=None, kills_max=1),
}


@asynccontextmanager
async def stack_over(name, processes=CONNECTOR, *, watch=None, product=CTPAY):
    """The stack over the server of this name, and in its doorways what `watch` opens. Raises EmulatorMissingError."""
    server = SERVERS[name]
    serving = server.start()
    # In a thread, since it waits.
    pubsub = await asyncio.to_thread(serving.__enter__)
    try:
        async with open_stack(
            pubsub, processes, backoff_s_max=server.backoff_s_max, watch=watch, product=product
        ) as stack:
            stack.kills_max = server.kills_max
            yield stack
    finally:
        await asyncio.to_thread(serving.__exit__, None, None, None)
