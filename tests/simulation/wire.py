"""The wire in memory: what our processes ask of others. `simulation.street` is the way in the other direction.

Our side is the real aiohttp, byte for byte. The other side is as little HTTP as possible. Latencies and faults are
chosen here by the seed, and whatever is under way when a process dies goes its way without it.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

import aiohttp
from simulation.faults import FaultKind
from simulation.logs import Fate, Peer, entry
from simulation.loop import PROCESS, Life
from simulation.record import Draft

if TYPE_CHECKING:
    from aiohttp import ClientRequest, ClientTimeout
    from aiohttp.client_proto import ResponseHandler
    from simulation.faults import Bad
    from simulation.loop import SimulatedLoop
    from simulation.record import Recorder

#: Host in the settings -> who answers there.
PEERS: Final = {"psp.example": Peer.PSP, "commercetools.example": Peer.COMMERCETOOLS}

_HOUR_S: Final = 3600.0
#: How long the PSP knows a key.
_KEYS_LIFE_S: Final = 24 * _HOUR_S
#: From this status on nothing has happened.
_REFUSED: Final = 300
_FOR_EVER_S: Final = 24 * 365 * _HOUR_S

#: What anybody outside looks at.
_HEADERS: Final = re.compile(
    r"\r\n(authorization|content-length|content-type|idempotency-key|location): *([^\r]*)", re.IGNORECASE
)
_PHRASES: Final = {status.value: status.phrase.encode() for status in HTTPStatus}
_BEFORE: Final = (
    FaultKind.WIRE_REQUEST_LOST,
    FaultKind.WIRE_RESET_BEFORE,
    FaultKind.WIRE_REQUEST_LATE,
    FaultKind.WIRE_STRANGER,
)
#: What Kubernetes' own gateway says, for one.
_STRANGER: Final = (
    b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 21\r\n\r\ndefault backend - 404"
)
_AFTER: Final = (FaultKind.WIRE_REPLY_LOST, FaultKind.WIRE_RESET_AFTER, FaultKind.WIRE_REPLY_LATE)
_KILLS: Final = {
    Peer.PSP: FaultKind.PROCESS_KILLED_AFTER_EFFECT,
    Peer.COMMERCETOOLS: FaultKind.PROCESS_KILLED_AFTER_WRITE,
}


@entry
class Request:
    """One request as it arrives at a stand-in."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


#: Status, body, headers: the stand-in calls it once, now or later.
Respond = Callable[[int, bytes, Mapping[str, str]], None]


class Server(Protocol):
    """A stand-in behind the wire."""

    def serve(self, request: Request, draft: Draft, respond: Respond) -> None: ...


class Wire:
    """All connections of one seed."""

    def __init__(self, *, loop: SimulatedLoop, recorder: Recorder, bad: Bad, dice: random.Random) -> None:
        self.loop = loop
        self.recorder = recorder
        self.bad = bad
        self.dice = dice
        self.outside = loop.outside()
        self.servers: dict[Peer, Server] = {}
        #: Kills a process: set by whoever runs them.
        self.kill: Callable[[Life, float], None] = lambda _life, _late_s: None
        self.ends: dict[Life, list[Outgoing]] = {}
        self.under_way = 0
        #: What a gateway answers in a peer's place, for as long as it stands here: (peer, method).
        self.gateway: frozenset[tuple[Peer, str]] = frozenset()
        #: Whether a process has work in hand: set by whoever runs them.
        self.is_at_work: Callable[[Life], bool] = lambda _life: True
        #: Who is to go away, once. Drawn, since the PSP is asked so seldom that it would hardly ever be the one.
        self._leaves = dice.choice(tuple(Peer)) if bad.on(FaultKind.WIRE_OUTAGE) else None
        self._outage_until = dict.fromkeys(Peer, -1.0)

    def latency(self) -> float:
        """Seconds one way: mostly milliseconds, seldom seconds."""
        draw = self.dice.random()
        return 0.002 + draw * 0.05 if draw < 0.9 else draw * 1.5

    def later(self, after_s: float, callback: Callable[..., None], *args: object) -> None:
        """In nobody's context: it happens whoever dies."""
        self.loop.call_later(after_s, callback, *args, context=self.outside)

    def away(self, life: Life, peer: Peer) -> bool:
        """Whether nobody there can be reached by this process, which is about to ask."""
        if self._is_out(peer):
            return True
        if peer is not self._leaves or not self.is_at_work(life) or not self.bad.draws(FaultKind.WIRE_OUTAGE):
            return False
        self._leaves = None
        lasts_s = self.dice.choice((30.0, 300.0, 300.0, 900.0, 900.0, 4000.0))
        self._outage_until[peer] = self.loop.time() + lasts_s
        self.bad.note(FaultKind.WIRE_OUTAGE, f"{peer} {lasts_s} s, met by {life.id}")
        self.bad.lasts(lasts_s)
        return True

    def _is_out(self, peer: Peer) -> bool:
        return self.loop.time() < self._outage_until[peer]

    def connect(self, life: Life, peer: Peer, protocol: ResponseHandler) -> None:
        """Raises ConnectionRefusedError."""
        if self.away(life, peer) or self.bad.strikes(FaultKind.WIRE_REFUSED, peer):
            raise ConnectionRefusedError("The simulated peer refuses.")
        end = Outgoing(self, life, peer, protocol)
        self.ends.setdefault(life, []).append(end)
        protocol.connection_made(end)

    def died(self, life: Life) -> None:
        """Nobody hears what arrives for this process from now on."""
        for end in self.ends.pop(life, []):
            end.over(Fate.DIED)

    def sent(self, end: Outgoing, request: Request) -> Draft:
        """A whole request has left a process."""
        n, at = self.recorder.stamp()
        target = f"{request.path}?{request.query}" if request.query else request.path
        draft = Draft(
            n=n,
            at=at,
            process=end.life.id,
            peer=end.peer,
            method=request.method,
            path=target,
            key=request.headers.get("idempotency-key"),
            body=request.body,
        )
        self.recorder.calls.append(draft)
        if self.away(end.life, end.peer):
            # The connection was open before: it is found out now that it is of no use.
            self._cut(end, draft)
            return draft
        what = f"{end.peer} {request.method} {request.path}"
        is_strange = (end.peer, request.method) in self.gateway
        fault = FaultKind.WIRE_STRANGER if is_strange else self.bad.first(_BEFORE, what)
        draft.fault = fault
        wait_s = self.latency()
        match fault:
            case FaultKind.WIRE_REQUEST_LOST:
                return draft
            case FaultKind.WIRE_RESET_BEFORE:
                self.later(wait_s, end.reset)
                return draft
            case FaultKind.WIRE_STRANGER:
                self.later(wait_s, end.deliver, _STRANGER)
                return draft
            case FaultKind.WIRE_REQUEST_LATE:
                wait_s += self.dice.choice((3.0, 15.0, 60.0, 400.0))
        self.under_way += 1
        self.later(wait_s, self._arrived, end, request, draft)
        return draft

    def _cut(self, end: Outgoing, draft: Draft) -> None:
        """Nobody is there to be asked, and who asks hears so."""
        draft.fault = draft.fault or FaultKind.WIRE_OUTAGE
        self.later(self.latency(), end.reset)

    def _arrived(self, end: Outgoing, request: Request, draft: Draft) -> None:
        if self._is_out(end.peer):
            self.under_way -= 1
            self._cut(end, draft)
            return
        draft.performed_n, draft.performed_at = self.recorder.stamp()
        self.recorder.author = end.life.id

        def respond(status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.under_way -= 1
            self._replied(end, draft, status, body, headers)

        self.servers[end.peer].serve(request, draft, respond)

    def _replied(self, end: Outgoing, draft: Draft, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        draft.status, draft.reply = status, body
        what = f"{end.peer} {draft.method} {draft.path}"
        wait_s = self.latency()
        if end.is_closing():
            return
        if draft.method == "POST" and "/oauth/" not in draft.path and status < _REFUSED:
            # A message can come again to a worker alone.
            is_workers = end.peer is Peer.PSP and end.life.id.startswith("workers")
            if is_workers and self.bad.draws(FaultKind.PSP_KEY_EXPIRED):
                late_s = self.dice.uniform(22, 80) * _HOUR_S
                if late_s > _KEYS_LIFE_S:
                    draft.fault = draft.fault or FaultKind.PSP_KEY_EXPIRED
                    self.bad.note(FaultKind.PSP_KEY_EXPIRED, what)
                self.kill(end.life, late_s)
                return
            if self.bad.strikes(_KILLS[end.peer], what):
                draft.fault = draft.fault or _KILLS[end.peer]
                self.kill(end.life, 0.0)
                return
        match self.bad.first(_AFTER, what):
            case FaultKind.WIRE_REPLY_LOST:
                draft.fault = draft.fault or FaultKind.WIRE_REPLY_LOST
                return
            case FaultKind.WIRE_RESET_AFTER:
                draft.fault = draft.fault or FaultKind.WIRE_RESET_AFTER
                self.later(wait_s, end.reset)
                return
            case FaultKind.WIRE_REPLY_LATE:
                draft.fault = draft.fault or FaultKind.WIRE_REPLY_LATE
                wait_s += self.dice.choice((1.0, 9.0, 30.0))
        head = b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % (
            status,
            _PHRASES.get(status, b"Other"),
            len(body),
        )
        more = b"".join(b"%s: %s\r\n" % (name.encode(), value.encode()) for name, value in headers.items())
        self.later(wait_s, end.deliver, head + more + b"\r\n" + body)


class Outgoing(asyncio.Transport):
    """One connection of one of our processes to somebody else; our end of it."""

    def __init__(self, wire: Wire, life: Life, peer: Peer, protocol: ResponseHandler) -> None:
        super().__init__()
        self._wire = wire
        self.life = life
        self.peer = peer
        self._protocol = protocol
        self._written = bytearray()
        self._draft: Draft | None = None
        self._closed = False

    # What aiohttp does.

    def write(self, data: Any) -> None:
        self._written += data
        request = _request(self._written)
        if request is not None:
            self._draft = self._wire.sent(self, request)

    def is_closing(self) -> bool:
        return self._closed

    def close(self) -> None:
        if not self._closed:
            self.over(Fate.GONE)
            self._wire.loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None:
        """Nothing is ever too fast here."""

    def resume_reading(self) -> None:
        """Nothing is ever too fast here."""

    # What the world does.

    def deliver(self, data: bytes) -> None:
        if self._closed or self._draft is None:
            return
        self._finish(Fate.ANSWERED)
        self._protocol.data_received(data)

    def reset(self) -> None:
        if not self._closed:
            self.over(Fate.RESET)
            self._protocol.connection_lost(ConnectionResetError("The simulated connection broke."))

    def over(self, fate: Fate) -> None:
        """Nothing comes through any more."""
        self._closed = True
        self._finish(fate)

    def _finish(self, fate: Fate) -> None:
        draft, self._draft = self._draft, None
        if draft is not None:
            draft.fate = fate
            draft.done_n, draft.done_at = self._wire.recorder.stamp()


class Connector(aiohttp.BaseConnector):
    """What the composition root takes in place of TCP."""

    def __init__(self, wire: Wire, life: Life, *, limit_per_host: int) -> None:
        # aiohttp looks for idle connections by our clock and tells idle ones by the real one: it never finds any, and a
        # third of all timers are for it. A life that is to end at a step counts these steps as well.
        idle_s = _HOUR_S if life.dies_at else _FOR_EVER_S
        super().__init__(limit=0, limit_per_host=limit_per_host, keepalive_timeout=idle_s)
        self._wire = wire

    async def _create_connection(
        self,
        req: ClientRequest,
        traces: Any,
        timeout: ClientTimeout,  # noqa: ASYNC109 # aiohttp's own signature
    ) -> ResponseHandler:
        life = PROCESS.get()
        assert life is not None, "only processes connect"
        protocol: ResponseHandler = self._factory()
        try:
            self._wire.connect(life, PEERS[req.url.host or ""], protocol)
        except OSError as error:
            raise aiohttp.ClientConnectorError(req.connection_key, error) from error
        return protocol


def message(written: bytearray) -> tuple[str, dict[str, str], bytes] | None:
    """First line, headers that matter and body of the HTTP message in these bytes, which are then empty.

    None: some of it is to come.
    """
    end = written.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = written[:end].decode("latin-1")
    headers = {name.lower(): value for name, value in _HEADERS.findall(head)}
    length = int(headers.get("content-length", "0"))
    if len(written) < end + 4 + length:
        return None
    body = bytes(written[end + 4 : end + 4 + length])
    written.clear()
    return head.partition("\r\n")[0], headers, body


def _request(written: bytearray) -> Request | None:
    if (whole := message(written)) is None:
        return None
    first, headers, body = whole
    method, target, _ = first.split(" ")
    path, _, query = target.partition("?")
    return Request(method=method, path=path, query=query, headers=headers, body=body)
