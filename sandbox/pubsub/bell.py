"""Wakes whoever waits for messages: when there are some, and when time brings some. Nothing here polls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sandbox.pubsub.broker import Broker
from sandbox.pubsub.faults import FaultPort
from sandbox.pubsub.stream import Stream


class Bell:
    """The broker on this event loop: its listener and its alarm clock."""

    def __init__(self, *, clock: Callable[[], float], faults: FaultPort | None, first_message_id: int) -> None:
        """`clock` gives seconds since 1970 and never goes back."""
        self.broker = Broker(changed=self._changed, faults=faults, first_message_id=first_message_id)
        #: Set once the server is about to stop; then everybody is woken.
        self.closing = False
        self._clock = clock
        self._streams: dict[Stream, asyncio.Event] = {}
        self._pulls: dict[asyncio.Event, str] = {}
        self._alarms: dict[str, asyncio.TimerHandle] = {}

    def now(self) -> float:
        """Seconds since 1970."""
        return self._clock()

    @contextmanager
    def stream(self, stream: Stream) -> Iterator[asyncio.Event]:
        """While a stream is open: the event that something may be there for it."""
        self._streams[stream] = event = asyncio.Event()
        try:
            self.broker.open_stream(stream)
            yield event
        finally:
            self.broker.close_stream(stream)
            del self._streams[stream]

    @contextmanager
    def pull(self, subscription: str) -> Iterator[asyncio.Event]:
        """While somebody waits who has no stream."""
        event = asyncio.Event()
        self._pulls[event] = subscription
        try:
            yield event
        finally:
            del self._pulls[event]

    def close(self) -> None:
        """Wake everybody for the last time."""
        self.closing = True
        for alarm in self._alarms.values():
            alarm.cancel()
        for event in (*self._streams.values(), *self._pulls):
            event.set()

    def _changed(self, subscription: str) -> None:
        gone = self.broker.is_gone(subscription)
        for stream in list(self._streams) if gone else self.broker.hungry(subscription):
            if stream.subscription == subscription:
                self._streams[stream].set()
        if gone or self.broker.has_ready(subscription):
            for event, wanted in self._pulls.items():
                if wanted == subscription:
                    event.set()
        self._set_alarm(subscription)

    def _set_alarm(self, subscription: str) -> None:
        due = self.broker.next_due(subscription)
        alarm = self._alarms.get(subscription)
        if due is None or self.closing:
            return
        wait_s = max(due - self._clock(), 0)
        loop = asyncio.get_running_loop()
        # One that rings early only looks and is set again; only a late one would be wrong.
        if alarm is None or alarm.when() > loop.time() + wait_s:
            if alarm is not None:
                alarm.cancel()
            self._alarms[subscription] = loop.call_later(wait_s, self._ring, subscription)

    def _ring(self, subscription: str) -> None:
        del self._alarms[subscription]
        if not self.broker.is_gone(subscription):
            self.broker.advance(subscription, self._clock())
