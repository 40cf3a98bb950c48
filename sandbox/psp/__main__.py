"""`python -m sandbox.psp`: a Sandbox Pay in a process of its own. Prints one line when it is ready."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from sandbox.psp.server import serve


def _arguments() -> argparse.Namespace:
    """From the command line; keys by preference from the environment, where other users cannot read them."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.psp", description="A PSP that runs on this machine.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8082, help="0: any free one")
    parser.add_argument("--public-url", help="where browsers find this server, if not at host and port")
    parser.add_argument("--webhook-url", help="where events go; can be set later through the control API")
    parser.add_argument("--allowed-origin", action="append", help="a page that may embed the fields; may be repeated")
    parser.add_argument("--memory", type=Path, metavar="FILE", help="read at the start, written at an orderly end")
    environment = os.environ
    parser.set_defaults(
        secret_key=environment.get("SANDBOX_PSP_SECRET_KEY", "sk_sandbox"),
        publishable_key=environment.get("SANDBOX_PSP_PUBLISHABLE_KEY", "pk_sandbox"),
        webhook_secrets=environment.get(
            "SANDBOX_PSP_WEBHOOK_SECRETS", "whsec_c2FuZGJveC1wc3Atd2ViaG9vay1zZWNyZXQ="
        ).split(),
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
            secret_key=arguments.secret_key,
            publishable_key=arguments.publishable_key,
            webhook_url=arguments.webhook_url,
            webhook_secrets=arguments.webhook_secrets,
            clock=lambda: datetime.now(UTC),
            new_id=lambda: secrets.token_hex(12),
            allowed_origins=arguments.allowed_origin,
            public_url=arguments.public_url,
            memory_file=arguments.memory,
        )
    except OSError as error:
        sys.stderr.write(
            f"Sandbox Pay cannot listen on {arguments.host}:{arguments.port}: {error.strerror}. "
            "Choose another port with --port.\n"
        )
        return 1
    sys.stdout.write(json.dumps({"ready": "psp", "port": running.port, "url": running.url}) + "\n")
    sys.stdout.flush()
    await stop.wait()
    await running.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
