"""Starts the shop."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import aiohttp
from aiohttp import web

from sandbox.shop import desk, site
from sandbox.shop.merchant import Addresses, Credentials, Merchant

#: Bytes. The pages send very little.
BODY_BYTES_MAX: Final = 16 * 1024
#: Seconds. Requests still running at the stop are cut after this.
SHUTDOWN_S: Final = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """A shop that is up."""

    port: int
    #: Without a slash at the end.
    url: str
    _runner: web.AppRunner

    async def close(self) -> None:
        await self._runner.cleanup()


async def serve(
    *,
    host: str,
    port: int,
    commercetools_url: str,
    project_key: str,
    client_id: str,
    client_secret: str,
    processor_url: str,
    psp_url: str,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
    public_url: str | None = None,
) -> Running:
    """Serve on `host` and `port` (0: any free one).

    The credentials are those of the merchant's own API client, with `manage_project`. `processor_url` and `psp_url` are
    where browsers find the connector and the PSP. `public_url` is where they find us, if not at host and port. Raises
    OSError where the port is taken.
    """
    listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    port = listening.getsockname()[1]
    url = (public_url or f"http://{host}:{port}").rstrip("/")
    app = web.Application(middlewares=[desk.errors_as_json, desk.own_pages_only], client_max_size=BODY_BYTES_MAX)
    app.add_routes([*desk.routes(), *site.routes()])
    addresses = Addresses(
        commercetools=commercetools_url.rstrip("/"), project_key=project_key, processor=processor_url.rstrip("/")
    )
    credentials = Credentials(client_id=client_id, client_secret=client_secret)

    async def with_merchant(app: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as session:
            app[desk.DESK] = desk.Desk(
                merchant=Merchant(session=session, addresses=addresses, credentials=credentials),
                processor_url=addresses.processor,
                psp_url=psp_url.rstrip("/"),
                url=url,
                clock=clock,
                new_id=new_id,
            )
            yield

    app.cleanup_ctx.append(with_merchant)
    # No access log: the pages poll, and a person reads the terminal.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    return Running(port=port, url=url, _runner=runner)
