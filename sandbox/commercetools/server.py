"""Starts and stops a project: a socket, the routes, the courier."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aiohttp import web

from sandbox.commercetools import control, wire
from sandbox.commercetools.core import Core
from sandbox.commercetools.courier import Bus, Courier, NoBus
from sandbox.commercetools.deliveries import PAYLOAD_BYTES_MAX
from sandbox.commercetools.front import Front
from sandbox.commercetools.signing import Signer
from sandbox.commercetools.tokens import LIFETIME_S, Client
from sandbox.commercetools.wire import HOUSE, House

BODY_BYTES_MAX: Final = 1024 * 1024
#: Requests still running at the stop are cut after this.
SHUTDOWN_S: Final = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """A server that is up."""

    house: House
    port: int
    #: Without a slash at the end. API, authentication and sessions are all there.
    url: str
    _runner: web.AppRunner

    @property
    def core(self) -> Core:
        return self.house.front.core

    async def close(self) -> None:
        """Stop. Deliveries that wait are lost with the process."""
        self.house.closing.set()
        await self._runner.cleanup()
        await self.house.courier.close()


async def serve(
    *,
    host: str,
    port: int,
    project_key: str,
    clients: Sequence[Client],
    pubsub_host: str | None,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
    token_lifetime_s: int = LIFETIME_S,
    payload_bytes_max: int = PAYLOAD_BYTES_MAX,
    bus: Bus | None = None,
) -> Running:
    """Serve on `host` and `port` (0: any free one).

    `pubsub_host` None, and no `bus`: subscriptions can be made, and what they would deliver goes nowhere. Raises
    OSError where the port is taken.
    """
    listening = _listen(host, port)
    port = listening.getsockname()[1]
    core = Core(project_key=project_key, new_id=new_id, payload_bytes_max=payload_bytes_max)
    house = House(
        front=Front(core, clients, new_id=new_id, token_lifetime_s=token_lifetime_s),
        courier=Courier(core, bus or _bus(pubsub_host)),
        signer=Signer(),
        clock=clock,
    )
    # No access log: the request log is the control API's.
    runner = web.AppRunner(application(house), access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    return Running(house=house, port=port, url=f"http://{host}:{port}", _runner=runner)


def application(house: House) -> web.Application:
    """The routes of a house. Its courier is closed by whoever made it."""
    app = web.Application(middlewares=[control.no_browsers], client_max_size=BODY_BYTES_MAX)
    app[HOUSE] = house
    app.add_routes([*control.routes(), *wire.routes()])
    return app


def _bus(pubsub_host: str | None) -> Bus:
    if pubsub_host is None:
        return NoBus()
    # Half a second and tens of megabytes, which those without a bus need not pay.
    from sandbox.commercetools.pubsub import PubSubBus  # noqa: PLC0415

    return PubSubBus(pubsub_host)


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
