"""Everything on one machine: starts the stand-ins and the connector as processes, and stops them in order.

The order matters: the stand-ins first and last, the connector in between, the ingress stopped before the workers, so
that nothing new comes in while the rest is finished.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final

from ctpay import local
from ctpay.child import Child, ChildError
from ctpay.lifecycle import stopping
from ctpay.ports import HOST, Ports

#: For a slow machine with a cold disk.
READY_S_MAX: Final = 60.0
#: More than a process takes by itself at the most, `DRAIN_S` and five seconds to close, for every `DRAIN_S` up to a
#: real connector's 25: one that is killed first does not say how it would have ended. Here it is 5 unless set.
STOP_S_MAX: Final = 40.0

_CTPAY: Final = (sys.executable, "-m", "ctpay")
#: Served by one process: what is outside the product in production.
_STAND_INS: Final = (sys.executable, "-m", "sandbox")

Hear = Callable[[str, str], None]


@contextlib.asynccontextmanager
async def everything(environment: Mapping[str, str], hear: Hear) -> AsyncIterator[list[Child]]:
    """All processes, ready; stopped at the end of the block. Raises ChildError where one does not start."""
    children: list[Child] = []
    async with contextlib.AsyncExitStack() as stack:

        async def start(name: str, *arguments: str) -> Child:
            child = await Child.start(name, arguments, environment, hear)
            # Each is stopped, in the opposite order, whatever becomes of the others.
            stack.push_async_callback(child.stop, within_s=STOP_S_MAX)
            children.append(child)
            return child

        outside = await start("sandbox", *_STAND_INS)
        await outside.ready(within_s=READY_S_MAX)
        await _set_up(environment, hear)
        # Both at once: each takes a second to import.
        connector = [await start("workers", *_CTPAY, "worker", "all"), await start("ingress", *_CTPAY, "ingress")]
        await asyncio.gather(*(child.ready(within_s=READY_S_MAX) for child in connector))
        yield children


async def _set_up(environment: Mapping[str, str], hear: Hear) -> None:
    child = await Child.start("setup", (*_CTPAY, "setup", "--json"), environment, hear)
    try:
        if await asyncio.wait_for(child.result(), READY_S_MAX) != 0:
            raise ChildError(await child.ended())
    finally:
        await child.stop(within_s=1)


async def until_told_to_stop(work: Callable[[], Awaitable[int]], *, stopped: int = 1) -> int:
    """The exit code of the work, or `stopped` where a person stopped it; either way after it has cleaned up.

    `stopped` is 0 for what runs until it is stopped, or is only watched. Whoever starts anything else wants it done,
    and has to hear that it may not be.
    """
    with stopping() as stop:
        working = asyncio.ensure_future(work())
        told = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({working, told}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                working.cancel()
            await asyncio.wait({working})
            if not working.cancelled():
                return working.result()
            if stopped:
                sys.stderr.write("Stopped before its end.\n")
            return stopped
        finally:
            told.cancel()


async def first_death(children: list[Child]) -> str:
    """Wait until one of the children ends, which none should by itself; how it ended."""
    endings = [asyncio.ensure_future(child.ended()) for child in children]
    try:
        done, _ = await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        for ending in endings:
            ending.cancel()


async def stand_ins(ports: Ports, hear: Hear, write: Callable[[str], None]) -> int:
    """`ctpay sandbox`: the stand-ins alone, after writing the variables that point a connector at them."""
    environment = local.environment(ports, {})
    child = await Child.start("sandbox", _STAND_INS, {**os.environ, **environment}, hear)
    try:
        await child.ready(within_s=READY_S_MAX)
        for name, value in environment.items():
            write(f"{name}={value}")
        raise ChildError(await child.ended())
    finally:
        await child.stop(within_s=STOP_S_MAX)


async def shop(ports: Ports, hear: Hear, say: Callable[[str], None]) -> int:
    """`ctpay run`: all of it, until a person stops it. Raises ChildError where a process dies by itself."""
    say("Starting the stand-ins, the connector and the shop ...")
    async with everything(local.environment(ports, os.environ), hear) as children:
        say(f"\nThe shop is open: http://{HOST}:{ports.shop}\n\nCtrl-C stops everything.\n")
        try:
            raise ChildError(await first_death(children))
        finally:
            say("Stopping ...")
