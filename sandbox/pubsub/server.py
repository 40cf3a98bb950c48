"""Starts and stops the stand-in: a socket, the two services, and the core behind them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import grpc
import grpc.aio

from sandbox.pubsub.admin import Admin
from sandbox.pubsub.bell import Bell
from sandbox.pubsub.broker import Broker
from sandbox.pubsub.faults import FaultPort
from sandbox.pubsub.model import Draft
from sandbox.pubsub.rpc import streaming, unary
from sandbox.pubsub.traffic import Traffic

#: Above the largest publish that is answered with a reason: RESOURCE_EXHAUSTED would be retried by clients.
_REQUEST_BYTES_MAX: Final = 64 * 1024 * 1024
#: Calls still running at the stop are cut after this.
_SHUTDOWN_S: Final = 1.0
_PING_MS_MIN: Final = 5_000

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _REQUEST_BYTES_MAX),
    ("grpc.max_send_message_length", -1),
    # Two servers on one port would each get a part of the calls.
    ("grpc.so_reuseport", 0),
    # The official clients ping every 30 seconds; by default a server hangs up on who does that on an idle stream.
    ("grpc.http2.min_ping_interval_without_data_ms", _PING_MS_MIN),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_ping_strikes", 0),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """A server that is up."""

    port: int
    #: What `PUBSUB_EMULATOR_HOST` is to be.
    host: str
    _bell: Bell
    _server: grpc.aio.Server

    @property
    def broker(self) -> Broker:
        """The core, for stand-ins in the same loop."""
        return self._bell.broker

    def publish(self, topic: str, data: bytes, attributes: Mapping[str, str]) -> str:
        """Publish from the same loop, without the wire; the message's id. Raises RefusedError."""
        return self.broker.publish(topic, [Draft(data=data, attributes=attributes)], self._bell.now())[0]

    async def close(self) -> None:
        """Stop. Clients are told to connect again; all topics, subscriptions and messages are gone."""
        self._bell.close()
        await self._server.stop(_SHUTDOWN_S)


async def serve(
    *,
    host: str,
    port: int,
    clock: Callable[[], float],
    faults: FaultPort | None = None,
    first_message_id: int = 1,
) -> Running:
    """Serve on `host` and `port` (0: any free one).

    `clock` gives seconds since 1970 and never goes back. Start a second server with another `first_message_id` where
    ids must not repeat. Raises OSError where the port is taken.
    """
    _check_free(host, port)
    bell = Bell(clock=clock, faults=faults, first_message_id=first_message_id)
    admin, traffic = Admin(bell), Traffic(bell)
    server = grpc.aio.server(options=_OPTIONS)
    publisher = {name: unary(rpc) for name, rpc in {**admin.publisher(), **traffic.publisher()}.items()}
    subscriber = {name: unary(rpc) for name, rpc in {**admin.subscriber(), **traffic.subscriber()}.items()}
    subscriber["StreamingPull"] = streaming(
        traffic.streaming_pull, request="StreamingPullRequest", response="StreamingPullResponse"
    )
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler("google.pubsub.v1.Publisher", publisher),
            grpc.method_handlers_generic_handler("google.pubsub.v1.Subscriber", subscriber),
        )
    )
    bound = server.add_insecure_port(f"{host}:{port}")
    await server.start()
    return Running(port=bound, host=f"{host}:{bound}", _bell=bell, _server=server)


def _check_free(host: str, port: int) -> None:
    """Raises OSError with the reason; gRPC itself would say no more than that it failed."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind((host, port))
