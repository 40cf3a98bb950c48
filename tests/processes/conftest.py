"""One running stack for each Pub/Sub server."""

from __future__ import annotations

import pytest
import pytest_asyncio
from processes.servers import stack_over
from support.pubsub_servers import EmulatorMissingError


@pytest_asyncio.fixture(
    scope="session", loop_scope="session", params=["stand-in", pytest.param("emulator", marks=pytest.mark.emulator)]
)
async def running(request):
    try:
        async with stack_over(request.param) as stack:
            yield stack
    except EmulatorMissingError as missing:
        pytest.skip(str(missing))


@pytest_asyncio.fixture(loop_scope="session")
async def stack(running):
    await running.calm()
    return running
