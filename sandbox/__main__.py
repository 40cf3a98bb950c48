"""`python -m sandbox`: all stand-ins in one process, for `ctpay run`. Prints one line when all of them are ready.

Everything is told by the environment, in the words that the connector uses, so that one set of variables serves both
sides: who has the secrets, and where everybody listens. Always on 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, Protocol

from sandbox.commercetools import server as commercetools
from sandbox.commercetools.tokens import Client, demo_clients
from sandbox.psp import server as psp
from sandbox.pubsub import server as pubsub
from sandbox.shop import server as shop

_HOST: Final = "127.0.0.1"


class _Running(Protocol):
    async def close(self) -> None: ...


@contextlib.asynccontextmanager
async def _until_the_end(running: _Running) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await running.close()


async def _serve(given: Mapping[str, str], stack: contextlib.AsyncExitStack) -> dict[str, str]:
    """Start everything, each before those that call it; what is served where."""
    project_key, processor_url = given["CTP_PROJECT_KEY"], given["PUBLIC_URL"]
    offset = time.time() - time.monotonic()
    bus = await pubsub.serve(
        host=_HOST,
        port=int(given["PUBSUB_PORT"]),
        # Does not jump when somebody sets the machine's clock.
        clock=lambda: offset + time.monotonic(),
        first_message_id=int(time.time() * 1000),
    )
    await stack.enter_async_context(_until_the_end(bus))
    project = await commercetools.serve(
        host=_HOST,
        port=int(given["COMMERCETOOLS_PORT"]),
        project_key=project_key,
        clients=_clients(given, project_key),
        pubsub_host=bus.host,
        clock=_now,
        new_id=lambda: str(uuid.uuid4()),
    )
    await stack.enter_async_context(_until_the_end(project))
    provider = await psp.serve(
        host=_HOST,
        port=int(given["PSP_PORT"]),
        secret_key=given["SANDBOX_PSP_SECRET_KEY"],
        publishable_key=given["SANDBOX_PSP_PUBLISHABLE_KEY"],
        webhook_url=f"{processor_url}/webhooks/sandbox",
        webhook_secrets=given["SANDBOX_PSP_WEBHOOK_SECRETS"].split(),
        clock=_now,
        new_id=_id,
        allowed_origins=given["ALLOWED_ORIGINS"].split(","),
    )
    await stack.enter_async_context(_until_the_end(provider))
    demo_shop = await shop.serve(
        host=_HOST,
        port=int(given["SHOP_PORT"]),
        commercetools_url=project.url,
        project_key=project_key,
        client_id=given["SHOP_CLIENT_ID"],
        client_secret=given["SHOP_CLIENT_SECRET"],
        processor_url=processor_url,
        psp_url=provider.url,
        clock=_now,
        new_id=_id,
    )
    await stack.enter_async_context(_until_the_end(demo_shop))
    return {"pubsub": bus.host, "commercetools": project.url, "psp": provider.url, "shop": demo_shop.url}


def _now() -> datetime:
    return datetime.now(UTC)


def _id() -> str:
    return secrets.token_hex(12)


def _clients(given: Mapping[str, str], project_key: str) -> list[Client]:
    """The connector's and the merchant's, with the rights that the demo gives them and the secrets of this run."""
    demo = {client.client_id: client for client in demo_clients(project_key)}
    return [
        replace(demo[kind], client_id=given[f"{prefix}_CLIENT_ID"], secret=given[f"{prefix}_CLIENT_SECRET"])
        for kind, prefix in (("demo-client", "CTP"), ("merchant", "SHOP"))
    ]


def _stop_with_parent(stop: asyncio.Event) -> None:
    """Our standard input is a pipe that nobody writes to: its end is the end of whoever started us."""
    loop, parent = asyncio.get_running_loop(), sys.stdin.fileno()

    def hear() -> None:
        if not os.read(parent, 1024):
            loop.remove_reader(parent)
            stop.set()

    loop.add_reader(parent, hear)


async def main() -> int:
    """Run until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if os.environ.get("CTPAY_STOPS_WITH_PARENT") == "1":
        _stop_with_parent(stop)
    async with contextlib.AsyncExitStack() as stack:
        try:
            served = await _serve(os.environ, stack)
        except KeyError as missing:
            sys.stderr.write(f"{missing.args[0]} is not set. Start the stand-ins by `ctpay sandbox`, which sets it.\n")
            return 2
        except OSError as error:
            sys.stderr.write(f"A stand-in cannot listen: {error}. Choose other ports.\n")
            return 1
        sys.stdout.write(json.dumps({"ready": "sandbox", **served}) + "\n")
        sys.stdout.flush()
        await stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
