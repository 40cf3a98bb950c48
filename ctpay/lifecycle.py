"""How a process lives: it says that it is ready, runs until it is told to stop, and finishes what it has in hand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Iterator

#: Sent by a terminal, a container platform, and a terminal that is closed.
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def stopping() -> Iterator[asyncio.Event]:
    """An event that is set by the first signal to stop; signals do nothing else meanwhile."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOPPING:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in _STOPPING:
            loop.remove_signal_handler(number)


def announce(name: str, **more: object) -> None:
    """Tell whoever started us that we can be used: one JSON line on the standard output."""
    sys.stdout.write(json.dumps({"ready": name, **more}) + "\n")
    sys.stdout.flush()
