"""How a process is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from ctpay.lifecycle import stopping


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_to_stop_is_heard_and_no_more_is_heard_afterwards(number):
    before = signal.getsignal(number)
    with stopping() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stop.wait(), 5)
        # Who is impatient ends nothing by it.
        os.kill(os.getpid(), number)
    # The loop leaves the system's own reaction behind, or Python's.
    assert signal.getsignal(number) in {before, signal.SIG_DFL, signal.default_int_handler}
