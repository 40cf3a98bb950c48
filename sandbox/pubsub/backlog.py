"""What one subscription still has to deliver: messages that are ready, waiting after a failure, or leased.

Law: a message is here until it is acknowledged under a lease that has not run out, grows too old, or is taken away
because it failed too often. Whatever else happens to a lease, the message is delivered again.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sandbox.pubsub.faults import ACK_FAULTS, DELIVERY_FAULTS, FaultKind, FaultPort
from sandbox.pubsub.filters import compiled
from sandbox.pubsub.model import Delivery, Message, Subscription
from sandbox.pubsub.stream import Stream

#: Bytes given out at once; one message may overshoot it.
BATCH_BYTES_MAX: Final = 1_000_000
#: Deadlines that no longer matter are swept out when there are more of them than this and than leases.
_STALE_MAX: Final = 1000


@dataclass(slots=True, eq=False, kw_only=True)
class Entry:
    """A message and how often it has been delivered."""

    message: Message
    deliveries: int = 0
    #: Whether it is ready or waiting. It may be leased at the same time, where a delivery was duplicated.
    queued: bool = False


@dataclass(slots=True, eq=False, kw_only=True)
class _Lease:
    entry: Entry
    expires_at: float
    #: None: it was pulled without a stream.
    stream: Stream | None


class Backlog:
    """One subscription at work. Every method that takes `now` first does what was due until then."""

    def __init__(self, settings: Subscription, faults: FaultPort) -> None:
        """Raises RefusedError for a filter that cannot be read."""
        self.settings = settings
        self.streams: deque[Stream] = deque()
        self._faults = faults
        self._matches = compiled(settings.filter)
        self._numbers = itertools.count(1)
        #: In the order of publishing, as are the acknowledged ones that are kept for seeking back.
        self._live: dict[str, Entry] = {}
        self._acked: dict[str, Message] = {}
        self._ready: deque[Entry] = deque()
        self._waiting: list[tuple[float, int, Entry]] = []
        self._leases: dict[str, _Lease] = {}
        #: May name leases that are gone or were extended: `_leases` has the truth.
        self._deadlines: list[tuple[float, str]] = []
        self._exhausted: list[Entry] = []

    @property
    def has_ready(self) -> bool:
        """Whether a reader with room would get something now."""
        return bool(self._ready)

    @property
    def next_due(self) -> float | None:
        """When time alone will change something."""
        while self._deadlines and self._is_stale(*self._deadlines[0]):
            heapq.heappop(self._deadlines)
        dues = [queue[0][0] for queue in (self._waiting, self._deadlines) if queue]
        return min(dues, default=None)

    def add(self, message: Message, now: float) -> None:
        """A message was published on the topic."""
        self.advance(now)
        if self._matches(message.attributes):
            entry = Entry(message=message)
            self._live[message.id] = entry
            self._enqueue(entry, due=now, now=now)

    def take(self, now: float, *, count_max: int, lease_s: float, stream: Stream | None = None) -> list[Delivery]:
        """Lease what is ready, oldest first, within the stream's limits and its fair share."""
        self.advance(now)
        count_max = min(count_max, self._share(stream))
        taken: list[Delivery] = []
        given = 0
        for _ in range(len(self._ready)):
            if len(taken) >= count_max or given >= BATCH_BYTES_MAX or (stream is not None and stream.room <= 0):
                break
            entry = self._ready.popleft()
            entry.queued = False
            if not self._is_live(entry):
                continue
            fault = self._faults.strike(self.settings.name, DELIVERY_FAULTS)
            if fault is not None and fault.kind is FaultKind.DELIVERY_DELAY:
                self._enqueue(entry, due=now + fault.delay_s, now=now)
                continue
            taken.append(self._lease(entry, expires_at=now + lease_s, stream=stream))
            given += entry.message.size
            if fault is not None:
                self._enqueue(entry, due=now, now=now)
        return taken

    def acknowledge(self, ack_ids: Iterable[str], now: float) -> None:
        """These are done. A lease that has run out or was never given is passed over in silence, as in the service."""
        self.advance(now)
        for ack_id in ack_ids:
            if self._faults.strike(self.settings.name, ACK_FAULTS) is None:
                lease = self._end(ack_id)
                if lease is not None and self._is_live(lease.entry):
                    self._finish(lease.entry)

    def modify(self, ack_ids: Iterable[str], seconds: int, now: float) -> None:
        """Set the deadlines of these to so many seconds from now; with 0 their deliveries have failed."""
        self.advance(now)
        for ack_id in ack_ids:
            if seconds == 0:
                self._fail(ack_id, now)
            elif ack_id in self._leases:
                self._leases[ack_id].expires_at = now + seconds
                self._watch(ack_id, now + seconds)

    def seek(self, time: float, now: float) -> None:
        """What was published before `time` counts as acknowledged, everything else we still have does not."""
        self.advance(now)
        for entry in [entry for entry in self._live.values() if entry.message.published_at < time]:
            self._finish(entry)
        back = [message for message in self._acked.values() if message.published_at >= time]
        for message in back:
            del self._acked[message.id]
            entry = Entry(message=message)
            self._live[message.id] = entry
            self._enqueue(entry, due=now, now=now)
        if back:
            self._live = dict(sorted(self._live.items(), key=lambda item: item[1].message.published_at))

    def advance(self, now: float) -> None:
        """Let time pass: leases run out, waiting ends, what is too old goes."""
        while self._deadlines and self._deadlines[0][0] <= now:
            due, ack_id = heapq.heappop(self._deadlines)
            if not self._is_stale(due, ack_id):
                self._fail(ack_id, due)
        while self._waiting and self._waiting[0][0] <= now:
            self._ready.append(heapq.heappop(self._waiting)[2])
        self._forget_older_than(now - self.settings.retention_s)

    def exhausted(self) -> Sequence[Entry]:
        """Those that failed too often, once: each must go to `remove` or `retry`."""
        found, self._exhausted = self._exhausted, []
        return found

    def remove(self, entry: Entry) -> None:
        """It is somewhere else now."""
        self._live.pop(entry.message.id, None)

    def retry(self, entry: Entry, now: float) -> None:
        """Deliver it again, after the backoff if there is one."""
        policy = self.settings.retry
        self._enqueue(entry, due=now + (policy.backoff_s(entry.deliveries) if policy else 0), now=now)

    def _share(self, stream: Stream | None) -> int:
        """Of what is ready, the part of one stream: the same for all that have room."""
        readers = sum(1 for other in self.streams if other.room > 0) if stream else 1
        return -(-len(self._ready) // max(readers, 1))

    def _lease(self, entry: Entry, *, expires_at: float, stream: Stream | None) -> Delivery:
        entry.deliveries += 1
        ack_id = f"{entry.message.id}-{next(self._numbers)}"
        self._leases[ack_id] = _Lease(entry=entry, expires_at=expires_at, stream=stream)
        self._watch(ack_id, expires_at)
        if stream is not None:
            stream.hold(entry.message.size)
        attempt = entry.deliveries if self.settings.dead_letter else 0
        return Delivery(ack_id=ack_id, message=entry.message, attempt=attempt)

    def _watch(self, ack_id: str, expires_at: float) -> None:
        heapq.heappush(self._deadlines, (expires_at, ack_id))
        if len(self._deadlines) > 2 * len(self._leases) + _STALE_MAX:
            self._deadlines = [(lease.expires_at, key) for key, lease in self._leases.items()]
            heapq.heapify(self._deadlines)

    def _is_stale(self, due: float, ack_id: str) -> bool:
        lease = self._leases.get(ack_id)
        return lease is None or lease.expires_at > due

    def _end(self, ack_id: str) -> _Lease | None:
        lease = self._leases.pop(ack_id, None)
        if lease is not None and lease.stream is not None:
            lease.stream.release(lease.entry.message.size)
        return lease

    def _fail(self, ack_id: str, now: float) -> None:
        lease = self._end(ack_id)
        if lease is None or not self._is_live(lease.entry) or lease.entry.queued:
            return
        policy = self.settings.dead_letter
        if policy is not None and lease.entry.deliveries >= policy.attempts_max:
            self._exhausted.append(lease.entry)
        else:
            self.retry(lease.entry, now)

    def _enqueue(self, entry: Entry, *, due: float, now: float) -> None:
        entry.queued = True
        if due <= now:
            self._ready.append(entry)
        else:
            heapq.heappush(self._waiting, (due, next(self._numbers), entry))

    def _finish(self, entry: Entry) -> None:
        del self._live[entry.message.id]
        if self.settings.retain_acked:
            self._acked[entry.message.id] = entry.message

    def _is_live(self, entry: Entry) -> bool:
        return self._live.get(entry.message.id) is entry

    def _forget_older_than(self, time: float) -> None:
        while self._live and (oldest := next(iter(self._live.values())).message).published_at < time:
            del self._live[oldest.id]
        while self._acked and (first := next(iter(self._acked.values()))).published_at < time:
            del self._acked[first.id]
