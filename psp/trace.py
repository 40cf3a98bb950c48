"""Which trace the running task works for: W3C Trace Context (https://www.w3.org/TR/trace-context/), version 00.

Each request and each message is a span: it takes the caller's trace up or begins one, and everything that it calls or
publishes carries it on. Nothing is exported from here: the log lines have the ids.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

#: Of a request and of a message alike.
TRACEPARENT: Final = "traceparent"

_TRACEPARENT: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})", re.ASCII)
#: What the standard gives a meaning: sampled, and random trace id. Other bits are not to be passed on.
_FLAGS: Final = 0b11


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A place in a trace."""

    trace_id: str
    span_id: str
    flags: int = 0

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


def parse(text: str | None) -> Span | None:
    """The caller's span; None where there is none that can be read."""
    found = _TRACEPARENT.fullmatch(text or "")
    return found and Span(trace_id=found[1], span_id=found[2], flags=int(found[3], 16) & _FLAGS)


def span_for(traceparent: str | None, *, unique: str) -> Span:
    """A new span in the caller's trace, or in a new one.

    Its ids are made of `unique`, which nobody else may give: so this needs no randomness of its own.
    """
    drawn = hashlib.sha256(unique.encode()).hexdigest()
    parent = parse(traceparent) or Span(trace_id=drawn[:32], span_id="")
    return Span(trace_id=parent.trace_id, span_id=drawn[32:48], flags=parent.flags)


_current: Final[ContextVar[Span | None]] = ContextVar("span", default=None)


@contextmanager
def within(span: Span) -> Iterator[None]:
    """The running task, and the tasks that it starts, work for this span until the end of the block."""
    before = _current.set(span)
    try:
        yield
    except GeneratorExit:
        # Nobody ended this task: it is collected, in the context of whoever does so, where nothing was set.
        raise
    except BaseException:
        _current.reset(before)
        raise
    else:
        _current.reset(before)


def current() -> Span | None:
    """What the running task works for; None: nothing that has begun a trace."""
    return _current.get()


def carried() -> dict[str, str]:
    """What a call and a message bear, so that whoever gets it works for the same trace."""
    span = current()
    return {TRACEPARENT: span.traceparent} if span else {}
