"""The reconcile worker's long look back: once a day the PSP's list against commercetools, and what is evident repaired.

A pass finds what is open; this finds what was decided and has changed since, where no webhook told of it. Lists are by
the time at which things were made, so each time it looks back over as long as something may change late. It goes a day
of the past at a time, so that what it keeps in memory is a day's, and in no order that would be the same each time: a
process that never lives long enough for all of them gets to each of them all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import structlog

from ct.compare import Difference
from psp.trace import span_for, within
from workers.reason import reason_of
from workers.reconcile import AwayError
from workers.reconcile_lists import Job, Place, Repair, StoppedError, compare, is_comparable
from workers.rounds import Rounds

if TYPE_CHECKING:
    from ct.compare import Disagreement, Side
    from psp.seams import Draw, NewId
    from workers.reconcile_lists import Leaf
    from workers.work import Work

_DAY: Final = timedelta(days=1)
#: Within this a process begins its first comparison, and goes on with one that did not reach its end: shorter than
#: processes live, so that a deployment a day does not mean a comparison never.
_SOON_S: Final = 3600.0
#: The most lines of a round about single differences, and about what could not be compared. All of them are counted.
_LINES_MAX: Final = 100

_log = structlog.get_logger(__name__)


@dataclass(kw_only=True, slots=True)
class _Window:
    """What is compared from one time to the next."""

    #: Which parts of the past are left, each from and to.
    days: deque[tuple[datetime, datetime]]
    #: When, by the event loop, it is time for another one.
    over_at: float
    #: Of all its days: who was asked about by name has been held against everything that the PSP knows of them.
    asked: set[str] = field(default_factory=set)
    told: set[Disagreement] = field(default_factory=set)


@dataclass(kw_only=True, slots=True)
class _Found:
    """What one round came to."""

    #: Entries of both lists.
    count: int = 0
    #: Differences that are mended, what could not be compared, and the differences that are left.
    settled: int = 0
    failed: int = 0
    differences: Counter[Difference] = field(default_factory=Counter)
    lines: int = 0


class Comparisons(Rounds):
    """Comparisons at intervals."""

    def __init__(
        self,
        *,
        work: Work,
        draw: Draw,
        new_id: NewId,
        every_s: float,
        compared_s: float,
        rested_s: float,
        drain_within_s: float,
    ) -> None:
        """Seconds between two of them, that each looks back, that a Payment must have rested, and to stop in."""
        self._work = work
        self._new_id = new_id
        self._every_s = every_s
        self._compared = timedelta(seconds=compared_s)
        self._rested = timedelta(seconds=rested_s)
        self._window: _Window | None = None
        super().__init__(draw=draw, first_within_s=min(every_s, _SOON_S), drain_within_s=drain_within_s)

    async def _round(self) -> float:
        if not is_comparable(self._work.psp.capabilities):
            _log.info("reconcile.not_compared", reason=f"{self._work.psp.name} gives no list of what it has.")
            return self._every_s
        loop = asyncio.get_running_loop()
        if self._window is None or loop.time() >= self._window.over_at:
            self._window = self._begun(loop.time())
        await self._compare(self._window)
        pause = max(0.0, self._window.over_at - loop.time())
        return min(pause, _SOON_S) if self._window.days else pause

    def _begun(self, at: float) -> _Window:
        now = self._work.clock()
        since = now - self._compared
        days: list[tuple[datetime, datetime]] = []
        while since < now:
            days.append((since, min(since + _DAY, now)))
            since += _DAY
        days.sort(key=lambda _: self._draw())
        return _Window(days=deque(days), over_at=at + self._jittered(self._every_s))

    async def _compare(self, window: _Window) -> None:
        """Go on with the window, and its one outcome line, whatever happens."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        cause = f"reconcile-{self._new_id()}"
        found = _Found()
        reason = ""
        try:
            span = span_for(None, unique=cause)
            with within(span), structlog.contextvars.bound_contextvars(correlation_id=cause):
                while window.days:
                    await self._compare_day(window, cause, found)
                    window.days.popleft()
        except StoppedError:
            reason = "told to stop"
        except Exception as error:  # noqa: BLE001 - whatever it is, there must be another round
            reason = str(error) if isinstance(error, AwayError) else reason_of(self._work, error)
            # If it was this day's fault, it hides no other.
            window.days.rotate(-1)
        log = _log.info if not reason or self._stopping.is_set() else _log.warning
        log(
            "reconcile.comparison",
            command_id=cause,
            reason=reason or None,
            duration_ms=round((loop.time() - began) * 1000),
            count=found.count,
            settled=found.settled,
            failed=found.failed,
            skipped=len(window.days),
            **{difference.value: found.differences[difference] for difference in Difference},
        )

    async def _compare_day(self, window: _Window, cause: str, found: _Found) -> None:
        """Raises what `compare` does."""
        loop = asyncio.get_running_loop()
        since, until = window.days[0]
        job = Job(cause=cause, since=since, until=until, rested=self._rested, repair=Repair.EVIDENT)
        place = Place(asked=window.asked, told=window.told)
        turned_at = loop.time()
        # Closed by us, so that nothing of it runs on when it is left early.
        async with contextlib.aclosing(compare(self._work, job, place, is_stopped=self._stopping.is_set)) as leaves:
            async for leaf in leaves:
                _tell(leaf, found)
                # It rests for as long as the page took: however much there is, it asks for half of one caller's share,
                # and for less where those it asks are slow.
                if await self._stopped_within(loop.time() - turned_at):
                    raise StoppedError
                turned_at = loop.time()


def _tell(leaf: Leaf, found: _Found) -> None:
    """Count, and a line for what only a person can end, or what could not be compared."""
    found.count += leaf.looked_at
    for failure in leaf.failures:
        found.failed += 1
        if _has_line(found):
            _log.warning("reconcile.not_compared", reason=failure)
    for row in leaf.rows:
        one = row.disagreement
        if row.repaired:
            found.settled += 1
            continue
        found.differences[one.difference] += 1
        # What is stuck is the passes' affair, which have a line for what nobody can tell.
        if one.difference is not Difference.STUCK and _has_line(found):
            _log.warning(
                f"reconcile.{one.difference}",
                payment_id=one.payment_id,
                transaction_id=one.transaction_id,
                type=one.kind.value,
                reason=f"commercetools: {_side(one.here)}; the PSP, under {one.psp_reference}: {_side(one.there)}",
            )


def _has_line(found: _Found) -> bool:
    found.lines += 1
    return found.lines <= _LINES_MAX


def _side(side: Side | None) -> str:
    return f"{side.state} {side.amount}" if side else "nothing"
