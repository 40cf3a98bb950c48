"""An operator at a command line: reconciliation is run by hand, and what stayed unknown ended by a person's word."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from simulation import processes
from simulation.logs import Crash
from simulation.record import START

from ct.resolution import Resolution
from ctpay.wiring import open_work
from workers.reconcile import Pass, take_up
from workers.reconcile_lists import Job, Place, Repair, compare
from workers.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, Self

    from simulation.loop import Life
    from simulation.processes import Site

    from psp.facts import State
    from workers.work import Work

_Done = TypeVar("_Done")
#: What somebody runs.
Command: TypeAlias = "Callable[[Work], Coroutine[Any, Any, None]]"
#: Virtual seconds after which whoever sees that a command has died runs it again.
_AGAIN_S: Final = 30.0


class Operator:
    """Present until the end of the block, in one process. Where that dies in a command, the command is run again."""

    def __init__(self, site: Site, *, name: str) -> None:
        self._site = site
        self._name = name
        self._numbers = itertools.count()
        self._rested = timedelta(seconds=processes.settings().common.limits.reconcile_rested_s)

    async def __aenter__(self) -> Self:
        await self._begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._do(self._open.aclose())
        self._gone(self._life)

    async def take_up(self) -> None:
        """One pass over what is stuck."""
        await self._run(self._take_up)

    async def compare(self) -> None:
        """One comparison of the PSP's list with commercetools; what is evident is repaired."""
        await self._run(self._compare)

    async def resolve(self, payment_id: str, transaction_id: str, state: State) -> None:
        """Say what became of a transaction."""
        await self._run(partial(self._resolve, payment_id=payment_id, transaction_id=transaction_id, state=state))

    async def _begin(self) -> None:
        site = self._site
        self._life = processes.Life(id=f"{self._name}#{next(self._numbers)}")
        self._life.on_death = self._died
        self._context = site.loop.inside(self._life)
        self._death: asyncio.Future[None] = site.loop.create_future()
        self._open = contextlib.AsyncExitStack()
        work = open_work(processes.settings().common, processes.seams(site, self._life, skew_s=0.0))
        self._work = await self._do(self._open.enter_async_context(work))

    async def _run(self, command: Command) -> None:
        while not await self._survives(command):
            await asyncio.sleep(_AGAIN_S)
            await self._begin()

    async def _survives(self, command: Command) -> bool:
        """Whether the process lived to the end of it."""
        running = self._site.loop.create_task(self._command(command), context=self._context)
        await asyncio.wait((running, self._death), return_when=asyncio.FIRST_COMPLETED)
        if self._death.done():
            return False
        running.result()
        return True

    async def _command(self, command: Command) -> None:
        """In the process: whoever counts its steps does so here."""
        await command(self._work)

    async def _do(self, job: Coroutine[Any, Any, _Done]) -> _Done:
        """In the process."""
        done: _Done = await self._site.loop.create_task(job, context=self._context)
        return done

    def _died(self, life: Life) -> None:
        n, at = self._site.recorder.stamp()
        self._site.recorder.crashes.append(Crash(n=n, at=at, process=life.id, orderly=False))
        self._gone(life)
        self._death.set_result(None)

    def _gone(self, life: Life) -> None:
        life.alive = False
        self._site.wire.died(life)

    async def _take_up(self, work: Work) -> None:
        site = self._site
        this = Pass(cause=f"reconcile-{site.new_id()}", rested=self._rested, since_last=None)
        async for taken in take_up(work, this):
            site.recorder.say(f"reconcile: {taken.step} {taken.reason}")

    async def _compare(self, work: Work) -> None:
        site = self._site
        job = Job(
            cause=f"reconcile-{site.new_id()}",
            since=START,
            until=site.recorder.now(),
            rested=self._rested,
            repair=Repair.EVIDENT,
        )
        async for leaf in compare(work, job, Place()):
            for row in leaf.rows:
                site.recorder.say(f"reconcile finds {row}")
            for failure in leaf.failures:
                site.recorder.say(f"reconcile cannot compare: {failure}")

    async def _resolve(self, work: Work, *, payment_id: str, transaction_id: str, state: State) -> None:
        site = self._site
        word = Resolution(
            transaction_id=transaction_id,
            state=state,
            evidence="As the PSP's statement says.",
            by="Ada",
            at=site.recorder.now(),
            cause=f"resolve-{site.new_id()}",
        )
        ended = await resolve(work.for_request(word.cause), payment_id, word)
        site.recorder.say(f"resolve: {ended.end} {ended.state}")
