"""One round of chaos over each Pub/Sub server, each fresh. `make chaos` plays many."""

from __future__ import annotations

import asyncio
import random
import sys

import pytest
from processes.chaos import play
from support.pubsub_servers import EmulatorMissingError, emulator_server, stand_in_server
from support.stack import TWINS, open_stack

pytestmark = pytest.mark.timeout(300)


#: Google's emulator gives messages to readers that are dead, each for a whole lease: too slow for many kills in a row.
SERVERS = [
    pytest.param(stand_in_server, {}, id="stand-in"),
    pytest.param(emulator_server, {"kills_max": 1}, id="emulator", marks=pytest.mark.emulator),
]


@pytest.mark.parametrize(("server", "weather"), SERVERS)
async def test_killed_paused_and_cut_off_processes_lose_nothing_and_do_nothing_twice(server, weather):
    serving = server()
    try:
        pubsub = await asyncio.to_thread(serving.__enter__)
    except EmulatorMissingError as missing:
        pytest.skip(str(missing))
    seed = str(random.randrange(10**9))
    try:
        async with open_stack(pubsub, TWINS) as stack:
            report = await play(stack, seed=seed, seconds=12, **weather)
    finally:
        sys.stdout.write(f"make chaos SEED={seed}\n")
        await asyncio.to_thread(serving.__exit__, None, None, None)
    sys.stdout.write(f"{report}\n")
    assert report.wrong == []
    assert report.struck["pause"]
    assert report.struck.total() > 5
