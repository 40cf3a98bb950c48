"""Where everything of one seed is written down, in one order."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from simulation.documents import parsed
from simulation.logs import BusEntry, Call, Crash, Effect, Exchange, Fate, Fault, LogLine, Peer, Version, Wrote

if TYPE_CHECKING:
    from simulation.logs import Document
    from simulation.loop import SimulatedLoop

#: When every seed begins.
START: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)


@dataclass(kw_only=True, slots=True)
class Draft:
    """A call that is under way."""

    n: int
    at: datetime
    process: str
    peer: Peer
    method: str
    path: str
    key: str | None
    body: bytes
    performed_n: int | None = None
    performed_at: datetime | None = None
    status: int | None = None
    reply: bytes = b""
    fate: Fate | None = None
    done_n: int | None = None
    done_at: datetime | None = None
    fault: str | None = None

    def call(self) -> Call:
        return Call(
            n=self.n,
            at=self.at,
            process=self.process,
            peer=self.peer,
            method=self.method,
            path=self.path,
            key=self.key,
            body=self.body,
            document=_parsed(self.body) if self.peer is Peer.PSP else None,
            performed_n=self.performed_n,
            performed_at=self.performed_at,
            status=self.status,
            reply=_parsed(self.reply) if self.peer is Peer.PSP else None,
            fate=self.fate or Fate.GONE,
            done_n=self.done_n,
            done_at=self.done_at,
            fault=self.fault,
        )


@dataclass(kw_only=True, slots=True)
class Recorder:
    """One seed's logs while it runs."""

    loop: SimulatedLoop
    #: Who writes to commercetools at this moment.
    author: str = ""
    effects: list[Effect] = field(default_factory=list)
    calls: list[Draft] = field(default_factory=list)
    payments: list[Version] = field(default_factory=list)
    carts: list[Version] = field(default_factory=list)
    bus: list[BusEntry] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    crashes: list[Crash] = field(default_factory=list)
    wrote: list[Wrote] = field(default_factory=list)
    strangers: set[str] = field(default_factory=set)
    untrue_events: set[str] = field(default_factory=set)
    canaries: set[str] = field(default_factory=set)
    #: What actors did, for the timeline: place, time, text.
    notes: list[tuple[int, datetime, str]] = field(default_factory=list)
    _n: int = 0
    #: The loop's time, and what it is called: many ask in one moment.
    _moment: tuple[float, datetime] = (0.0, START)

    def now(self) -> datetime:
        time = self.loop.now
        if time != self._moment[0]:
            self._moment = (time, START + timedelta(seconds=time))
        return self._moment[1]

    def stamp(self) -> tuple[int, datetime]:
        """The next place in the order, and the time."""
        self._n += 1
        return self._n, self.now()

    def forget(self) -> None:
        """Let go of all logs: the history has them, and the next seed can have their memory when that is gone too."""
        for one in fields(self):
            log = getattr(self, one.name)
            if isinstance(log, list | set):
                log.clear()

    def say(self, text: str) -> None:
        n, at = self.stamp()
        self.notes.append((n, at, text))


def _parsed(body: bytes) -> Document | Any:
    try:
        return parsed(body) if body else None
    except ValueError:
        return None
