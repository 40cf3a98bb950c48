"""How a process lives: it says that it is ready, runs until it is told to stop, and finishes what it has in hand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Final

#: Set to 1 by a parent that gives us a pipe as standard input: its end is the parent's end, and ours.
STOPS_WITH_PARENT: Final = "CTPAY_STOPS_WITH_PARENT"

#: Sent by a terminal, a container platform, and a terminal that is closed.
_STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def stopping(*, within_s: float | None = None) -> Iterator[asyncio.Event]:
    """An event that is set by the first signal to stop, or by the parent's end; further signals do nothing.

    `within_s` after it the system ends the process, however it hangs; what is not acknowledged comes again.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def begin() -> None:
        if within_s is not None and not stop.is_set():
            # Not a timer of the loop: the threads of the bus's client may hold the interpreter after the loop's end.
            signal.alarm(math.ceil(within_s))
        stop.set()

    with contextlib.ExitStack() as stack:
        for number in _STOPPING:
            loop.add_signal_handler(number, begin)
            stack.callback(loop.remove_signal_handler, number)
        if os.environ.get(STOPS_WITH_PARENT) == "1":
            _hear_parent(loop, begin)
            stack.callback(loop.remove_reader, sys.stdin.fileno())
        yield stop


def _hear_parent(loop: asyncio.AbstractEventLoop, begin: Callable[[], None]) -> None:
    parent = sys.stdin.fileno()

    def hear() -> None:
        if not os.read(parent, 1024):
            loop.remove_reader(parent)
            begin()

    loop.add_reader(parent, hear)


def announce(name: str, **more: object) -> None:
    """Tell whoever started us that we can be used: one JSON line on the standard output."""
    sys.stdout.write(json.dumps({"ready": name, **more}) + "\n")
    sys.stdout.flush()
