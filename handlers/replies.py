"""The waiting room: requests that wait for the result of the command they published.

Best effort by design. A result that comes too late, twice, for another instance or for nobody is dropped: the state is
in commercetools, and the status route reads it there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from bus.messages import MalformedMessageError, NewerMessageError, OperationResult, decode
from bus.port import DONE, Delivery, Ending, dead, ignored
from psp.outcome import Standing

_Seat: TypeAlias = asyncio.Future[Standing | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Expectation:
    """A place in the waiting room."""

    _seat: _Seat

    async def within(self, seconds: float) -> Standing | None:
        """The result, at once if it is there already; None when it does not come in time."""
        if not self._seat.done():
            await asyncio.wait({self._seat}, timeout=seconds)
        return self._seat.result() if self._seat.done() else None


class Replies:
    """The waiting room of one ingress instance."""

    def __init__(self, *, instance: str, waiting_max: int = 10_000) -> None:
        self._instance = instance
        self._waiting_max = waiting_max
        #: Each seat with its request's hash, in the order of coming: who came first is told first.
        self._seats: dict[str, dict[_Seat, str | None]] = {}
        self._taken = 0
        self._closed = False

    @contextlib.contextmanager
    def expect(self, command_id: str, *, request_hash: str | None = None) -> Iterator[Expectation]:
        """Wait for a command's result. Enter before publishing it, or the result may be faster.

        Another request under the same idempotency key has the same command id, and gets its own answer by its hash.
        In a full or closed room nobody waits: the answer is the one for no result in time.
        """
        seat: _Seat = asyncio.get_running_loop().create_future()
        if self._closed or self._taken >= self._waiting_max:
            seat.set_result(None)
            yield Expectation(_seat=seat)
            return
        self._taken += 1
        self._seats.setdefault(command_id, {})[seat] = request_hash
        try:
            yield Expectation(_seat=seat)
        finally:
            self._taken -= 1
            seats = self._seats[command_id]
            del seats[seat]
            if not seats:
                del self._seats[command_id]

    async def handle(self, delivery: Delivery) -> Ending:
        """Give a result to everybody who waits for it. The handler for `Subscriber.consume_replies`."""
        # Attributes first: the emulator ignores filters, and another instance's results are no business of ours.
        if delivery.attributes.get("reply_to", self._instance) != self._instance:
            return ignored("the result is another instance's")
        try:
            result = decode(delivery.data)
        except NewerMessageError as error:
            # Whoever waits asks again, and what became of the command is on the Payment.
            return ignored(str(error))
        except MalformedMessageError as error:
            return dead(str(error))
        if not isinstance(result, OperationResult):
            return dead(f"{result.type} is not an OperationResult")
        if result.reply_to != self._instance:
            return ignored("the result is another instance's")
        seats = self._seats.get(result.command_id, {})
        # A worker of an older version does not tell the hash.
        waiting = [seat for seat, hashed in seats.items() if result.request_hash in (None, hashed) and not seat.done()]
        for seat in waiting:
            seat.set_result(result.standing)
        return DONE if waiting else ignored("nobody waits for the result any more")

    def close(self) -> None:
        """Let everybody go without a result, and make nobody wait from now on: the process is about to stop."""
        self._closed = True
        for seats in self._seats.values():
            for seat in seats:
                if not seat.done():
                    seat.set_result(None)
