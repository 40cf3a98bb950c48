"""One reader that holds a stream open, and how much it may hold at once."""

from __future__ import annotations

import sys


class Stream:
    """Flow control of one stream: what it holds is counted until it is acknowledged, given back or overdue."""

    def __init__(self, *, subscription: str, lease_s: int, messages_max: int = 0, bytes_max: int = 0) -> None:
        """`lease_s` is the deadline of what it gets. A limit of 0 or less: none."""
        self.subscription = subscription
        self.lease_s = lease_s
        self._messages_max = messages_max if messages_max > 0 else sys.maxsize
        self._bytes_max = bytes_max if bytes_max > 0 else sys.maxsize
        self._messages = 0
        self._bytes = 0

    @property
    def room(self) -> int:
        """How many messages it may get. One may overshoot the bytes, or a message above the limit would never come."""
        return self._messages_max - self._messages if self._bytes < self._bytes_max else 0

    def hold(self, size: int) -> None:
        """A message of so many bytes is on its way to it."""
        self._messages += 1
        self._bytes += size

    def release(self, size: int) -> None:
        """It has done with a message."""
        self._messages -= 1
        self._bytes -= size
