"""From the official client's threads to the event loop, and back only when the work is done.

Why it exists: the client asks its scheduler to shut down before it flushes acknowledgements. A scheduler that returns
at once loses those of every message still in hand, so this one returns when the last handler has.
"""

from __future__ import annotations

import asyncio
import queue
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any, Final

from google.cloud.pubsub_v1.subscriber.scheduler import Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

#: Seconds that cancelled handlers get to let go of their messages.
_LET_GO_S: Final = 1.0


class LoopScheduler(Scheduler):  # type: ignore[misc] # the client has no types
    """Runs `work(message)` on the loop for every message. `work` acknowledges or returns it on every path."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        work: Callable[[Any], Coroutine[Any, Any, None]],
        drain_within_s: float,
    ) -> None:
        self._loop = loop
        self._work = work
        self._drain_within_s = drain_within_s
        self._queue: queue.Queue[Any] = queue.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def queue(self) -> queue.Queue[Any]:
        """Used by the client for requests to its dispatcher."""
        return self._queue

    @property
    def stopping(self) -> bool:
        """Whether no further message is started. True as soon as the client shuts down, for whatever reason."""
        return self._stopping

    def schedule(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Called by a thread of the client's. The client's own callback is not used: `work` does its part."""
        del callback, kwargs
        self._loop.call_soon_threadsafe(self._start, args[0])

    def shutdown(self, await_msg_callbacks: bool = False) -> list[Any]:  # noqa: FBT001, FBT002 - the client's signature
        """Called by a thread of the client's, which waits: what is in hand is finished, or let go, within the limit.

        Messages that wait for the loop are not started any more; they are returned on the way, so the list is empty.
        """
        del await_msg_callbacks
        self._stopping = True
        drained = asyncio.run_coroutine_threadsafe(self._drain(), self._loop)
        try:
            drained.result(self._drain_within_s + 2 * _LET_GO_S)
        except FutureTimeoutError:
            drained.cancel()
        return []

    def _start(self, message: Any) -> None:
        if self._stopping:
            # The client's dispatcher still runs: it stops after this has returned.
            message.nack()
            return
        task = self._loop.create_task(self._work(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drain(self) -> None:
        # What the client handed over before is ahead of this in the loop's queue: it has met `_stopping`, or is a task.
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=self._drain_within_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_LET_GO_S)
