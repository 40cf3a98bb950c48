"""Something that is done again and again, on the event loop's time, until it is drained.

Several processes may each do it; what is done has to bear that. Between two things of a round it can be stopped at any
time, and what a killed round leaves behind is what the next one finds.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from psp.seams import Draw

#: Of the time between two rounds, the part that is left to chance, so that many processes do not walk in step.
_JITTER: Final = 0.5


class Rounds(abc.ABC):
    """Rounds at intervals; a `bus.port.Consumption`, so that they are watched and drained like every other worker."""

    def __init__(self, *, draw: Draw, first_within_s: float, drain_within_s: float) -> None:
        """Seconds within which the first round begins, and that the last one may take to end."""
        self._draw = draw
        self._drain_within_s = drain_within_s
        self._stopping = asyncio.Event()
        # Anywhere in this time: processes that start together must not go together.
        self._task = asyncio.create_task(self._run(draw() * first_within_s))

    @abc.abstractmethod
    async def _round(self) -> float:
        """One round, whatever happens in it, and the seconds until the next one."""

    @property
    def healthy(self) -> bool:
        """Whether there will be another round."""
        return not self._task.done()

    async def drain(self) -> None:
        """Finish the Payment in hand, within the configured time, and begin no other."""
        self._stopping.set()
        _, running = await asyncio.wait({self._task}, timeout=self._drain_within_s)
        if running:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self, pause: float) -> None:
        while not await self._stopped_within(pause):
            pause = await self._round()

    async def _stopped_within(self, pause: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), pause)
        return self._stopping.is_set()

    def _jittered(self, pause: float) -> float:
        return pause * (1 - _JITTER / 2 + _JITTER * self._draw())
