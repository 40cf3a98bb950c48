"""One round of chaos over each Pub/Sub server, each fresh. `make chaos` plays many."""

from __future__ import annotations

import random
import sys

import pytest
from processes.chaos import play
from processes.servers import stack_over
from processes.watch import watching
from support.pubsub_servers import EmulatorMissingError
from support.stack import TWINS

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("server", ["stand-in", pytest.param("emulator", marks=pytest.mark.emulator)])
async def test_killed_paused_and_cut_off_processes_lose_nothing_and_do_nothing_twice(server):
    seed = str(random.randrange(10**9))
    sys.stdout.write(f"make chaos SEED={seed} SERVER={server}\n")
    try:
        async with stack_over(server, TWINS, watch=watching) as stack:
            report = await play(stack, seed=f"{seed}-1", seconds=8)
    except EmulatorMissingError as missing:
        pytest.skip(str(missing))
    sys.stdout.write(f"{report}\n")
    assert report.wrong == []
    # On a very slow machine there may be time for no more.
    assert {"pause", "kill", "PSP restart"} <= report.struck.keys()
    # Whoever was stopped had something in hand, and went on when another had finished it.
    assert report.shared > 0
