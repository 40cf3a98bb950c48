"""One running stack for each Pub/Sub server: the stand-in, and Google's emulator, fresh."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio
from support.pubsub_servers import EmulatorMissingError, emulator_server, stand_in_server
from support.stack import open_stack

SERVERS = {"stand-in": stand_in_server, "emulator": emulator_server}


@pytest_asyncio.fixture(
    scope="session", loop_scope="session", params=["stand-in", pytest.param("emulator", marks=pytest.mark.emulator)]
)
async def running(request):
    server = SERVERS[request.param]()
    try:
        pubsub = await asyncio.to_thread(server.__enter__)
    except EmulatorMissingError as missing:
        pytest.skip(str(missing))
    try:
        async with open_stack(pubsub) as stack:
            yield stack
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)


@pytest_asyncio.fixture(loop_scope="session")
async def stack(running):
    await running.calm()
    return running
