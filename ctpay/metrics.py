"""What a monitor reads: counts and times of this process in the text format of Prometheus.

Law: a metric is read off what the process says or keeps anyway: requests and messages off the one outcome line that
each has, whatever LOG_LEVEL lets through, and dead letters off what their worker knows. Nothing is counted twice or
kept globally, and no label has a value that somebody outside could make up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from bus.messages import TOPICS
from bus.port import Verdict
from workers.tally import Kind

#: With its version and charset, as a `Content-Type` header.
CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

#: The outcome lines: of a request, and of a message by its verdict.
_REQUEST: Final = "request.done"
_MESSAGES: Final = {f"message.{verdict}": verdict for verdict in Verdict}

#: What callers and publishers may put there is anything.
_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_TYPES: Final = frozenset(message.__name__ for message in TOPICS)
_OTHER: Final = "other"

#: Asked whenever a monitor asks.
_Letters: TypeAlias = Callable[[], Mapping[Kind, int]]

#: Seconds: from an answer out of memory to all tries of a call together.
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The counts of one process, and a structlog processor that takes them from its outcome lines."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "ctpay_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._request_s = Histogram(
            "ctpay_request_duration_seconds",
            "From a request's arrival to its answer, the wait for a result included.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._messages = Counter(
            "ctpay_messages", "Deliveries of messages ended.", ("topic", "type", "verdict"), registry=self._registry
        )
        self._message_s = Histogram(
            "ctpay_message_duration_seconds",
            "From a message's delivery to its end, the wait for a place included.",
            ("topic", "type"),
            buckets=_BUCKETS,
            registry=self._registry,
        )

    def __call__(self, _logger: object, _method: str, line: structlog.types.EventDict) -> structlog.types.EventDict:
        """Count the line if it is an outcome; it goes on as it came."""
        event = line.get("event", "")
        if event == _REQUEST:
            method, route = _known(line["method"], _METHODS), line["route"]
            self._requests.labels(method, route, line["status"]).inc()
            self._request_s.labels(method, route).observe(line["duration_ms"] / 1000)
        elif verdict := _MESSAGES.get(event):
            topic, kind = line["topic"], _known(line["type"], _TYPES)
            self._messages.labels(topic, kind, verdict).inc()
            self._message_s.labels(topic, kind).observe(line["duration_ms"] / 1000)
        return line

    def tell_letters(self, *, for_person: _Letters, waiting: _Letters) -> None:
        """Tell from now on how many dead letters are known of in here, by worker and cause."""
        self._registry.register(_DeadLetters(for_person=for_person, waiting=waiting))

    def exposition(self) -> bytes:
        """Everything, as Prometheus scrapes it."""
        return generate_latest(self._registry)


class _DeadLetters(Collector):
    def __init__(self, *, for_person: _Letters, waiting: _Letters) -> None:
        self._for_person = for_person
        self._waiting = waiting

    def collect(self) -> Iterable[Metric]:
        labels = ("worker", "cause")
        found = CounterMetricFamily(
            "ctpay_dead_letters_for_a_person",
            "Dead letters, those found there too, that nothing but a person can end: ctpay dead-letters list.",
            labels=labels,
        )
        for (worker, cause), count in self._for_person().items():
            found.add_metric((worker, cause.value), count)
        waiting = GaugeMetricFamily(
            "ctpay_dead_letters_waiting", "Dead letters that wait for their own replay at this moment.", labels=labels
        )
        for (worker, cause), count in self._waiting().items():
            waiting.add_metric((worker, cause.value), count)
        return found, waiting


def _known(value: str | None, values: frozenset[str]) -> str:
    return value if value in values else _OTHER
