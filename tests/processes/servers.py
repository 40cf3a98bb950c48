"""A running stack over either Pub/Sub server: the stand-in, or Google's emulator, fresh."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from support.pubsub_servers import emulator_server, stand_in_server
from support.stack import BACKOFF_S_MAX, CONNECTOR, open_stack

#: Name -> how it is started, and the longest pause between redeliveries. With a retry policy Google's emulator gives
#: messages to readers that are dead, again and again, each time for a whole lease; without one it does not.
SERVERS = {"stand-in": (stand_in_server, BACKOFF_S_MAX), "emulator": (emulator_server, None)}


@asynccontextmanager
async def stack_over(name, processes=CONNECTOR):
    """The stack over the server of this name. Raises EmulatorMissingError."""
    start, backoff_s_max = SERVERS[name]
    server = start()
    # In a thread, since it waits.
    pubsub = await asyncio.to_thread(server.__enter__)
    try:
        async with open_stack(pubsub, processes, backoff_s_max=backoff_s_max) as stack:
            yield stack
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)
