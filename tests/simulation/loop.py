"""An event loop on virtual time, with processes in it that can be killed.

Law: the loop never changes asyncio's own order; it is first in, first out, as always. Time moves only when nothing is
left to do at this moment. A process is a context variable: what runs in its context belongs to it, and once it is dead
none of its handles runs any more. What it left behind (frames that wait, `finally` blocks) is kept until the seed is
over, so that nothing of it is ever run.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import heapq
import inspect
import selectors
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web_app

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class StalledError(Exception):
    """Nothing is left that could ever happen, and somebody still waits."""


#: More steps than any seed needs: two who wake each other for ever are found out.
_STEPS_MAX: Final = 1_000_000


class Life:
    """The life of a process: one incarnation of it."""

    __slots__ = ("alive", "dies_at", "id", "on_death", "on_work", "steps")

    def __init__(self, *, id: str) -> None:  # noqa: A002 # it is one
        self.id = id
        self.alive = True
        #: Steps taken: a step is what runs from one await to the next.
        self.steps = 0
        #: The step before which it dies; 0: none.
        self.dies_at = 0
        self.on_death: Callable[[Life], None] | None = None
        #: Called when it gets a message or a request.
        self.on_work: Callable[[], None] | None = None


#: Whose code runs. None: somebody outside the product.
PROCESS: ContextVar[Life | None] = ContextVar("simulation_process", default=None)


class _NoSelector(selectors.BaseSelector):
    """Nothing outside this process ever speaks to a simulated loop."""

    def register(self, fileobj: Any, events: int, data: Any = None) -> Any:
        raise NotImplementedError

    def unregister(self, fileobj: Any) -> Any:
        raise NotImplementedError

    def select(self, timeout: float | None = None) -> list[Any]:
        return []

    def get_map(self) -> Mapping[Any, Any]:
        return {}


class _Step(list[Any]):
    """What is to be done: when, its number, callback, arguments, context.

    A list, since a seed makes a thousand of them: it is made and ordered without a line of Python.
    """

    __slots__ = ()

    def cancel(self) -> None:
        self[_CALLBACK] = None

    def cancelled(self) -> bool:
        return self[_CALLBACK] is None

    def when(self) -> float:
        return self[0]  # type: ignore[no-any-return]


#: Where a step has its callback; None there: it is cancelled.
_CALLBACK: Final = 2


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Virtual time from zero, in seconds."""

    def __init__(self) -> None:
        super().__init__(_NoSelector())
        #: Seconds since the seed began.
        self.now = 0.0
        self._steps = 0
        self._timers = 0
        #: Handles and tasks of the dead: kept, so that their frames are not closed.
        self.graveyard: list[object] = []
        self.complaints: list[str] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        """What is due at the same time happens in the order in which it was asked for."""
        self._timers += 1
        timer = _Step((when, self._timers, callback, args, contextvars.copy_context() if context is None else context))
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        return timer

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
        step = _Step((0.0, 0, callback, args, contextvars.copy_context() if context is None else context))
        self._ready.append(step)  # type: ignore[attr-defined]
        return step

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        """There is one thread. Asyncio asks so for the end of a generator that was left early."""
        return self.call_soon(callback, *args, context=context)

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None) -> Any:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        # A task that waits in the context of the dead is garbage to everybody else.
        self.graveyard.append(task)
        return task

    #: Every future and every task asks. It is False, and costs no line of Python.
    get_debug = staticmethod(bool)  # type: ignore[assignment]

    def outside(self) -> contextvars.Context:
        """A context that belongs to no process."""
        context = contextvars.copy_context()
        context.run(PROCESS.set, None)
        return context

    def inside(self, life: Life) -> contextvars.Context:
        """The context of a process: what begins in it ends with it."""
        context = self.outside()
        context.run(PROCESS.set, life)
        return context

    def bury(self) -> None:
        """The seed is over: what is left may be collected, and must not run."""
        for task in self.graveyard:
            if isinstance(task, asyncio.Task) and not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                _never_begins(task.get_coro())
        self.__class__ = _Buried
        self.graveyard.clear()
        self._ready.clear()  # type: ignore[attr-defined]
        self._scheduled.clear()  # type: ignore[attr-defined]
        self.close()

    def _make_self_pipe(self) -> None:
        """No signals and no threads here."""
        self._ssock = self._csock = None

    def _close_self_pipe(self) -> None:
        """There is none."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.complaints.append(f"{context.get('message')}: {type(error).__name__}: {error}")

    def _run_once(self) -> None:
        """Once and again, until it is told to stop: asyncio asks after each call, and a seed makes a thousand."""
        ready, scheduled, process = self._ready, self._scheduled, PROCESS  # type: ignore[attr-defined]
        while not self._stopping:  # type: ignore[attr-defined]
            if not ready:
                self._let_time_pass()
            now = self.now
            while scheduled and scheduled[0][0] <= now:
                ready.append(heapq.heappop(scheduled))
            count = len(ready)
            self._steps += count
            if self._steps > _STEPS_MAX:
                raise StalledError("It goes round and round.")
            for _ in range(count):
                step = ready.popleft()
                _, _, callback, args, context = step
                if callback is None:
                    continue
                life = context.get(process)
                if life is not None:
                    if not life.alive:
                        self.graveyard.append(step)
                        continue
                    life.steps += 1
                    if life.steps == life.dies_at and life.on_death is not None:
                        life.on_death(life)
                        if not life.alive:
                            self.graveyard.append(step)
                            continue
                try:
                    context.run(callback, *args)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:  # noqa: BLE001 # as asyncio does: it is told, and the loop goes on
                    self.call_exception_handler({"message": "Exception in callback", "exception": error})

    def _let_time_pass(self) -> None:
        """Until the next step is due."""
        scheduled = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0][_CALLBACK] is None:
            heapq.heappop(scheduled)
        if not scheduled:
            raise StalledError("Nothing is left to happen. Whoever still waits waits for ever.")
        self.now = max(self.now, scheduled[0][0])


class _Buried(SimulatedLoop):
    """A loop whose seed is over. A frame that is collected may ask it for something in its `finally`."""

    def call_at(self, *_: object, **__: object) -> _Step:
        return _Step((0.0, 0, None, (), None))

    call_soon = call_at

    def create_task(self, coro: Any, **_: object) -> Any:
        _never_begins(coro)
        never = self.create_future()
        never.cancel()
        return never


def _never_begins(coro: Any) -> None:
    """Say so of a coroutine that nobody has begun: else Python complains that it was forgotten."""
    if inspect.iscoroutine(coro) and inspect.getcoroutinestate(coro) == inspect.CORO_CREATED:
        coro.close()


def collect() -> None:
    """Collect all that seeds have left behind, to the last frame."""
    # aiohttp remembers applications, and with them everything that they hold.
    web_app._cached_build_middleware.cache_clear()
    while gc.collect():
        pass
