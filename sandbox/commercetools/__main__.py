"""`python -m sandbox.commercetools`: a project in a process of its own. Prints one line when it is ready."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import uuid
from datetime import UTC, datetime

from sandbox.commercetools.server import serve
from sandbox.commercetools.tokens import demo_clients


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.commercetools", description="A commercetools project that runs on this machine."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8081, help="0: any free one")
    parser.add_argument("--project-key", default="demo")
    parser.add_argument(
        "--pubsub-host",
        default=os.environ.get("PUBSUB_EMULATOR_HOST"),
        help="host:port of the Pub/Sub that gets the messages (PUBSUB_EMULATOR_HOST); none: they go nowhere",
    )
    return parser.parse_args()


async def main() -> int:
    """Run until SIGTERM or SIGINT."""
    arguments = _arguments()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        running = await serve(
            host=arguments.host,
            port=arguments.port,
            project_key=arguments.project_key,
            clients=demo_clients(arguments.project_key),
            pubsub_host=arguments.pubsub_host,
            clock=lambda: datetime.now(UTC),
            new_id=lambda: str(uuid.uuid4()),
        )
    except OSError as error:
        sys.stderr.write(
            f"The commercetools stand-in cannot listen on {arguments.host}:{arguments.port}: {error.strerror}. "
            "Choose another port with --port.\n"
        )
        return 1
    sys.stdout.write(json.dumps({"ready": "commercetools", "port": running.port, "url": running.url}) + "\n")
    sys.stdout.flush()
    await stop.wait()
    await running.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
