"""The street: the way of shoppers, merchants and the PSP to our ingress, whichever door is open.

Our side is the real aiohttp, byte for byte; those outside speak as little HTTP as possible.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from simulation.documents import parsed
from simulation.logs import Exchange, Genuine
from simulation.wire import message

if TYPE_CHECKING:
    from simulation.loop import Life, SimulatedLoop
    from simulation.wire import Wire

#: How long somebody outside waits for our ingress.
PATIENCE_S: Final = 40.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Got:
    """What our ingress answered."""

    status: int
    document: Any
    location: str | None = None


class Incoming(asyncio.Transport):
    """One connection of somebody to our ingress; the ingress's end of it."""

    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self._loop = loop
        self.protocol: Any = None
        self._written = bytearray()
        self._waits: asyncio.Future[Got | None] | None = None
        self.closed = False

    def ask(self, data: bytes, context: Any) -> asyncio.Future[Got | None]:
        """Send a request; what comes back, or None where the connection breaks first."""
        self._waits = self._loop.create_future()
        self._loop.call_soon(self.protocol.data_received, data, context=context)
        return self._waits

    @property
    def is_asked(self) -> bool:
        """Whether it has a request that is not answered yet."""
        return self._waits is not None and not self._waits.done()

    def cut(self) -> None:
        """The other side dies, or we go."""
        self.closed = True
        if self._waits is not None and not self._waits.done():
            self._waits.set_result(None)

    def write(self, data: Any) -> None:
        self._written += data
        got = _response(self._written)
        if got is not None and self._waits is not None and not self._waits.done():
            self._waits.set_result(got)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.cut()
            self._loop.call_soon(self.protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.1", 50000) if name == "peername" else default

    def pause_reading(self) -> None:
        """Nothing is ever too fast here."""

    def resume_reading(self) -> None:
        """Nothing is ever too fast here."""


class Door:
    """One ingress process as others reach it."""

    def __init__(self, *, life: Life, context: Any, server: Callable[[], Any]) -> None:
        self.life = life
        self._context = context
        self._server = server
        self._idle: list[Incoming] = []
        self._all: list[Incoming] = []

    @property
    def is_asked(self) -> bool:
        """Whether somebody waits for its answer."""
        return any(end.is_asked for end in self._all)

    def died(self) -> None:
        for end in self._all:
            end.cut()

    async def ask(self, wire: Wire, data: bytes) -> Got | None:
        """One request; None where no answer came in time."""
        end = next((one for one in self._idle if not one.closed), None)
        if end is None:
            end = Incoming(wire.loop)
            end.protocol = self._context.copy().run(self._server)
            self._context.copy().run(end.protocol.connection_made, end)
            self._all.append(end)
        else:
            self._idle.remove(end)
        got = end.ask(data, self._context)
        if self.life.on_work is not None:
            self.life.on_work()
        done, _ = await asyncio.wait({got}, timeout=PATIENCE_S)
        if not done:
            end.close()
            return None
        if not end.closed:
            self._idle.append(end)
        return got.result()


class Street:
    """The way from shoppers, merchants and the PSP to our ingress: whichever door is open."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.doors: list[Door] = []

    async def ask(
        self,
        actor: str,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        genuine: Genuine | None = None,
    ) -> Got | None:
        """One request to some ingress. None: nobody was there, or no answer came."""
        wire, recorder = self._wire, self._wire.recorder
        await asyncio.sleep(wire.latency())
        open_doors = [door for door in self.doors if door.life.alive]
        if not open_doors:
            return None
        door = wire.dice.choice(open_doors)
        n, at = recorder.stamp()
        lines = [f"{method} {path} HTTP/1.1", "Host: ingress.example", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        got = await door.ask(wire, "\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        done_n, done_at = recorder.stamp()
        recorder.exchanges.append(
            Exchange(
                n=n,
                at=at,
                actor=actor,
                process=door.life.id,
                method=method,
                path=path,
                headers=headers,
                key=headers.get("Idempotency-Key"),
                body=body,
                status=got.status if got else None,
                answer=got.document if got else None,
                done_n=done_n if got else None,
                done_at=done_at if got else None,
                genuine=genuine,
                location=got.location if got else None,
            )
        )
        await asyncio.sleep(wire.latency())
        return got


def _response(written: bytearray) -> Got | None:
    if (whole := message(written)) is None:
        return None
    first, headers, body = whole
    is_json = headers.get("content-type", "").startswith("application/json")
    document = parsed(body) if is_json else None
    return Got(status=int(first.split(" ")[1]), document=document, location=headers.get("location"))
