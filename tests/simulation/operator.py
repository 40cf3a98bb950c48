"""An operator at a command line: one process, in which reconciliation is run by hand."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from simulation import processes
from simulation.record import START

from ctpay.wiring import open_work
from workers.reconcile import Pass, take_up
from workers.reconcile_lists import Job, Place, Repair, compare

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any, Self

    from simulation.processes import Site

    from workers.work import Work

_Done = TypeVar("_Done")


class Operator:
    """Present until the end of the block. The process itself is never killed."""

    def __init__(self, site: Site, *, name: str) -> None:
        self._site = site
        self._life = processes.Life(id=f"{name}#0")
        self._context = site.loop.inside(self._life)
        self._rested = timedelta(seconds=processes.settings().common.limits.reconcile_rested_s)
        self._open = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        work = open_work(processes.settings().common, processes.seams(self._site, self._life, skew_s=0.0))
        self._work = await self._do(self._open.enter_async_context(work))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._do(self._open.aclose())
        self._life.alive = False
        self._site.wire.died(self._life)

    async def take_up(self) -> None:
        """One pass over what is stuck."""
        await self._do(self._take_up(self._work))

    async def compare(self) -> None:
        """One comparison of the PSP's list with commercetools; what is evident is repaired."""
        await self._do(self._compare(self._work))

    async def _do(self, job: Coroutine[Any, Any, _Done]) -> _Done:
        """In the process."""
        done: _Done = await self._site.loop.create_task(job, context=self._context)
        return done

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
