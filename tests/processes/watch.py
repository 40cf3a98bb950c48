"""A watcher in every doorway of the product's processes. They notice nothing of it but their addresses."""

from __future__ import annotations

import contextlib
from contextlib import asynccontextmanager

from processes.bus_door import bus_door
from processes.journal import Journal
from processes.wire_door import wire_door
from simulation.logs import Peer


class Watch:
    """Gives each process that starts doorways of its own."""

    def __init__(self, journal, pubsub, front, back, stack):
        self.journal = journal
        #: The address of our ingress, for all who ask it.
        self.front = front
        self._back = back
        self._pubsub = pubsub
        #: Closes the doorways in the end.
        self._stack = stack
        #: Name of a part -> what closes the doorway of its process to Pub/Sub.
        self._open = {}

    async def bus(self, name):
        """A way to Pub/Sub for somebody outside."""
        return await self._stack.enter_async_context(bus_door(self.journal, self._pubsub, name))

    async def begin(self, name):
        """The name of the process that is now started as this part, and its environment."""
        await self._close(name)
        process = self.journal.born(name)
        self._open[name] = contextlib.AsyncExitStack()
        self._stack.push_async_callback(self._open[name].aclose)
        at = {peer: f"{self._back}/{process}/{peer.value}" for peer in Peer}
        return process, {
            "CTP_AUTH_URL": at[Peer.COMMERCETOOLS],
            "CTP_API_URL": at[Peer.COMMERCETOOLS],
            "CTP_SESSION_URL": at[Peer.COMMERCETOOLS],
            "SANDBOX_PSP_URL": at[Peer.PSP],
            "PUBSUB_EMULATOR_HOST": await self._open[name].enter_async_context(
                bus_door(self.journal, self._pubsub, process)
            ),
        }

    async def _close(self, name):
        if name in self._open:
            await self._open.pop(name).aclose()


@asynccontextmanager
async def watching(environment):
    """In the doorways of a product with this environment."""
    journal = Journal()
    pubsub = environment["PUBSUB_EMULATOR_HOST"]
    origins = {
        Peer.COMMERCETOOLS: environment["CTP_API_URL"],
        Peer.PSP: environment["SANDBOX_PSP_URL"],
        None: environment["PUBLIC_URL"],
    }
    async with contextlib.AsyncExitStack() as stack:
        front, back = await stack.enter_async_context(wire_door(journal, origins))
        yield Watch(journal, pubsub, front, back, stack)
