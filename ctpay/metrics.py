"""What a monitor reads: counts of this process in the text format of Prometheus.

Law: a metric is read off what the process keeps anyway, when somebody asks. Nothing is counted twice or kept globally.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from bus.port import Cause

#: With its version and charset, as a `Content-Type` header.
CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4


class _Letters(Collector):
    def __init__(self, letters: Mapping[tuple[str, Cause], int]) -> None:
        self._letters = letters

    def collect(self) -> Iterable[CounterMetricFamily]:
        family = CounterMetricFamily(
            "ctpay_dead_letters_for_a_person",
            "Dead letters, those found at the start too, that nothing but a person can end: ctpay dead-letters list.",
            labels=("worker", "cause"),
        )
        for (worker, cause), count in self._letters.items():
            family.add_metric((worker, cause.value), count)
        yield family


def exposition(letters: Mapping[tuple[str, Cause], int]) -> bytes:
    """Worker and cause -> dead letters for a person, as Prometheus scrapes them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Letters(letters))
    return generate_latest(registry)
