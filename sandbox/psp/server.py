"""Starts and stops a Sandbox Pay: a socket, the routes, and what runs beside them."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from sandbox.psp import control, courier, memory, site, wire
from sandbox.psp.house import HOUSE, House, build
from sandbox.psp.model import Terms
from sandbox.psp.outbox import check_secrets

log = logging.getLogger(__name__)

BODY_BYTES_MAX: Final = 64 * 1024
#: Requests still running at the stop are cut after this.
SHUTDOWN_S: Final = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """A server that is up."""

    house: House
    port: int
    #: Without a slash at the end.
    url: str
    #: Where it writes down what it knows; None: nowhere.
    memory_file: Path | None
    _runner: web.AppRunner

    async def close(self) -> None:
        """Stop. Replies that are held back are given up; without a memory file, all is lost with the process."""
        self.house.closing.set()
        await self._runner.cleanup()
        if self.memory_file is not None:
            memory.keep(self.house, self.memory_file)


async def serve(
    *,
    host: str,
    port: int,
    secret_key: str,
    publishable_key: str,
    webhook_url: str | None,
    webhook_secrets: Sequence[str],
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
    terms: Terms | None = None,
    allowed_origins: Sequence[str] | None = None,
    public_url: str | None = None,
    connector: aiohttp.BaseConnector | None = None,
    memory_file: Path | None = None,
) -> Running:
    """Serve on `host` and `port` (0: any free one).

    `public_url` is where browsers find us, if not at host and port. `allowed_origins` None: any page on this
    machine may embed the fields. `connector` carries the webhooks; it is ours to close. `memory_file` is read at
    the start and written at the end. Raises OSError where the port is taken, and ValueError for a webhook secret that
    is not `whsec_` and base64.
    """
    check_secrets(webhook_secrets)
    listening = _listen(host, port)
    port = listening.getsockname()[1]
    url = (public_url or f"http://{host}:{port}").rstrip("/")
    house = build(
        secret_key=secret_key,
        publishable_key=publishable_key,
        allowed_origins=allowed_origins,
        webhook_url=webhook_url,
        webhook_secrets=webhook_secrets,
        base_url=url,
        clock=clock,
        new_id=new_id,
        terms=terms or Terms(),
    )
    if memory_file is not None:
        memory.recall(house, memory_file)
    # No access log: the paths say nothing that the request log does not.
    runner = web.AppRunner(application(house, connector=connector), access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    return Running(house=house, port=port, url=url, memory_file=memory_file, _runner=runner)


def application(house: House, *, connector: aiohttp.BaseConnector | None = None) -> web.Application:
    """The routes of a house, with its courier as a part of their life."""
    app = web.Application(
        middlewares=[wire.errors_as_json, control.own_pages_only, wire.api], client_max_size=BODY_BYTES_MAX
    )
    app[HOUSE] = house
    app.add_routes([*wire.routes(), *control.routes(), *site.routes()])

    async def with_courier(_: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(connector=connector) as session:
            task = asyncio.create_task(courier.run(house, session))
            task.add_done_callback(_report_end)
            yield
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    app.cleanup_ctx.append(with_courier)
    return app


def _report_end(task: asyncio.Task[None]) -> None:
    """The courier runs for ever: when it ends by itself, that is a bug, and must not pass in silence."""
    if not task.cancelled() and task.exception() is not None:
        log.error("courier.died: no webhook leaves any more", exc_info=task.exception())


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket, so that the port is known before anything is built on it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    return listening
