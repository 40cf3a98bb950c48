"""`python -m sandbox.shop`: the demo shop in a process of its own. Prints one line when it is ready."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import signal
import sys
from datetime import UTC, datetime

from sandbox.shop.server import serve


def _arguments() -> argparse.Namespace:
    """From the command line; the secret from the environment, where other users cannot read it."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.shop", description="A demo shop on this machine.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0: any free one")
    parser.add_argument("--public-url", help="where browsers find this server, if not at host and port")
    parser.add_argument("--commercetools-url", default="http://127.0.0.1:8081")
    parser.add_argument("--project-key", default="sandbox")
    parser.add_argument("--processor-url", default="http://127.0.0.1:8080", help="the connector's ingress")
    parser.add_argument("--psp-url", default="http://127.0.0.1:8082", help="the PSP's fields and dashboard")
    environment = os.environ
    parser.set_defaults(
        client_id=environment.get("SHOP_CLIENT_ID", "merchant"),
        client_secret=environment.get("SHOP_CLIENT_SECRET", "merchant-secret"),
    )
    return parser.parse_args()


async def main() -> int:
    """Run until SIGTERM or SIGINT."""
    arguments = _arguments()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        running = await serve(**vars(arguments), clock=lambda: datetime.now(UTC), new_id=lambda: secrets.token_hex(12))
    except OSError as error:
        sys.stderr.write(
            f"The shop cannot listen on {arguments.host}:{arguments.port}: {error.strerror}. "
            "Choose another port with --port.\n"
        )
        return 1
    sys.stdout.write(json.dumps({"ready": "shop", "port": running.port, "url": running.url}) + "\n")
    sys.stdout.flush()
    await stop.wait()
    await running.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
