"""A verdict that no defect can wake is asleep: what is wrong in a running product is found in what its processes do.

The defects are those of the simulation. Here the weather is fine, so that the crowd gets what it was promised all the
same, and only a watcher can tell.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from processes.crowd import Purchase, cancelled, captured_and_refunded, captured_twice_at_once
from processes.record import gather, history
from processes.servers import stack_over
from processes.watch import watching
from simulation.invariants import check

pytestmark = pytest.mark.timeout(120)

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("defect", "found"),
    [
        # Only who sees the PSP's requests can tell.
        ("no-key", "S12"),
        # Only who sees who lets go of a message, and when.
        ("ack-first", "S11"),
        # Only who sees the PSP's requests, and knows what stood on the Payment before.
        ("check-then-call", "S4"),
        ("token-written-down", "X3"),
    ],
)
async def test_a_defect_in_running_processes_is_found(defect, found):
    product = ("env", f"PYTHONPATH={TESTS}", sys.executable, "-m", "processes.planted", defect)
    async with stack_over("stand-in", watch=watching, product=product) as stack:
        stories = (captured_and_refunded, captured_twice_at_once, cancelled)
        purchases = [Purchase(stack=stack, name=story.__name__) for story in stories]
        since = len(stack.lines)
        stack.watch.journal.begin()
        await asyncio.gather(*(one.live(story) for story, one in zip(stories, purchases, strict=True)))
        await stack.calm()
        left = await gather(stack, purchases, since=since)
    assert found in {one.name for one in check(history(left))}
