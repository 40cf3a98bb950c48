"""What the core keeps: topics, subscriptions and messages, as frozen values.

Times are seconds since 1970 in UTC, durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

MINUTE_S: Final = 60
DAY_S: Final = 24 * 60 * MINUTE_S

#: The topic of a subscription whose topic is gone. Its backlog can still be read.
DELETED_TOPIC: Final = "_deleted-topic_"

#: Doublings beyond this are far above every maximum.
_DOUBLINGS_MAX: Final = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A message as publishers give it."""

    data: bytes = b""
    attributes: Mapping[str, str] = field(default_factory=dict)
    ordering_key: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A message as subscribers get it."""

    id: str
    published_at: float
    data: bytes
    attributes: Mapping[str, str]
    #: Carried along; order is not promised.
    ordering_key: str
    #: Bytes, for flow control.
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """How long a message waits after its delivery failed."""

    backoff_s_min: float = 10
    backoff_s_max: float = 600

    def backoff_s(self, deliveries: int) -> float:
        """Seconds to wait after so many deliveries, all of them failed: doubling from the first on."""
        return min(self.backoff_s_max, self.backoff_s_min * 2.0 ** min(deliveries - 1, _DOUBLINGS_MAX))


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetterPolicy:
    """Where a message goes that failed too often."""

    topic: str
    attempts_max: int = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """Where messages are published."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    #: Stored, and no more.
    retention_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscription:
    """How the messages of a topic are delivered to one kind of reader."""

    name: str
    topic: str
    ack_deadline_s: int = 10
    #: A message older than this is gone, delivered or not.
    retention_s: float = 7 * DAY_S
    #: Whether acknowledged messages are kept for seeking back.
    retain_acked: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    #: Unused for so long, the service deletes the subscription; here it is stored, and no more. None: never.
    ttl_s: float | None = 31 * DAY_S
    #: In the filter language of the service; empty: everything.
    filter: str = ""
    dead_letter: DeadLetterPolicy | None = None
    #: None: again at once.
    retry: RetryPolicy | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One delivery of one message."""

    ack_id: str
    message: Message
    #: 1 for the first. 0 without a dead-letter policy, as in the service.
    attempt: int
