"""How a process lives: it says that it is ready, runs until it is told to stop, and finishes what it has in hand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from typing import Final

#: Set to 1 by a parent that gives us a pipe as standard input: its end is the parent's end, and ours.
STOPS_WITH_PARENT: Final = "CTPAY_STOPS_WITH_PARENT"

#: Sent by a terminal, a container platform, and a terminal that is closed.
_STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def stopping() -> Iterator[asyncio.Event]:
    """An event that is set by the first signal to stop; signals do nothing else meanwhile."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOPPING:
        loop.add_signal_handler(number, stop.set)
    parent = sys.stdin.fileno() if os.environ.get(STOPS_WITH_PARENT) == "1" else None

    def hear_parent() -> None:
        if parent is not None and not os.read(parent, 1024):
            loop.remove_reader(parent)
            stop.set()

    if parent is not None:
        loop.add_reader(parent, hear_parent)
    try:
        yield stop
    finally:
        if parent is not None:
            loop.remove_reader(parent)
        for number in _STOPPING:
            loop.remove_signal_handler(number)


def announce(name: str, **more: object) -> None:
    """Tell whoever started us that we can be used: one JSON line on the standard output."""
    sys.stdout.write(json.dumps({"ready": name, **more}) + "\n")
    sys.stdout.flush()
