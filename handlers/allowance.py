"""How often somebody may call: token buckets, one for each caller, in memory that is bounded.

Of each ingress instance: whoever needs one limit for all of them sets it in front.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

from psp.seams import Clock


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """How often."""

    #: Requests a second, in the long run.
    per_s: float
    #: Requests at once, after a rest.
    burst: int


@dataclass(kw_only=True, slots=True)
class _Bucket:
    #: What was left at `at`.
    left: float
    #: Seconds since 1970.
    at: float


class Allowance:
    """Buckets by caller. Names of callers are hashes or ids, nothing secret."""

    def __init__(self, *, rate: Rate, clock: Clock, size: int) -> None:
        """`size`: of how many callers it knows; of more, those that were quiet the longest are forgotten."""
        self._rate = rate
        self._clock = clock
        self._size = size
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: str) -> int | None:
        """Take one request out of the caller's bucket: None, or in how many whole seconds there will be one."""
        now = self._clock().timestamp()
        bucket = self._buckets.setdefault(caller, _Bucket(left=self._rate.burst, at=now))
        self._buckets.move_to_end(caller)
        while len(self._buckets) > self._size:
            self._buckets.popitem(last=False)
        # A clock that is set back gives nothing and takes nothing.
        passed = max(0.0, now - bucket.at)
        bucket.left = min(self._rate.burst, bucket.left + passed * self._rate.per_s)
        bucket.at = now
        if bucket.left < 1:
            return math.ceil((1 - bucket.left) / self._rate.per_s)
        bucket.left -= 1
        return None
