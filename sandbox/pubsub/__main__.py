"""`python -m sandbox.pubsub`: the stand-in in a process of its own. Prints one line when it is ready."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable

from sandbox.pubsub.server import serve


def _steady_clock() -> Callable[[], float]:
    """Seconds since 1970, which do not jump when somebody sets the machine's clock."""
    offset = time.time() - time.monotonic()
    return lambda: offset + time.monotonic()


async def main() -> int:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.pubsub", description="Google Pub/Sub on this machine.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8085, help="0: any free one")
    arguments = parser.parse_args()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    clock = _steady_clock()
    try:
        # Ids go on from one run to the next, for those who remember the ones they have seen.
        first = int(clock() * 1000)
        running = await serve(host=arguments.host, port=arguments.port, clock=clock, first_message_id=first)
    except OSError as error:
        sys.stderr.write(
            f"The Pub/Sub stand-in cannot listen on {arguments.host}:{arguments.port}: {error.strerror}. "
            "Choose another port with --port.\n"
        )
        return 1
    sys.stdout.write(json.dumps({"ready": "pubsub", "port": running.port, "host": running.host}) + "\n")
    sys.stdout.flush()
    await stop.wait()
    await running.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
