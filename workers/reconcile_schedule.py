"""The reconcile worker's clock: a pass over what is stuck every so often, with jitter.

Several processes may each run one; that costs look-ups and does no harm.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from psp.trace import span_for, within
from workers.reason import reason_of
from workers.reconcile import AwayError, Pass, Step, Taken, take_up
from workers.rounds import Rounds

if TYPE_CHECKING:
    from psp.seams import Draw, NewId
    from workers.work import Work

#: The worker's name on the command line.
NAME: Final = "reconcile"

_log = structlog.get_logger(__name__)


class Schedule(Rounds):
    """Passes at intervals."""

    def __init__(
        self, *, work: Work, draw: Draw, new_id: NewId, every_s: float, rested_s: float, drain_within_s: float
    ) -> None:
        """Seconds between two passes, that a Payment must have rested, and that the last pass may take to end."""
        self._work = work
        self._new_id = new_id
        self._every_s = every_s
        self._rested = timedelta(seconds=rested_s)
        #: When the last whole pass began; None: there was none.
        self._before: float | None = None
        #: Of the pass before: see `Pass`.
        self._skipped: frozenset[str] = frozenset()
        self._in_vain: frozenset[str] = frozenset()
        super().__init__(draw=draw, first_within_s=every_s, drain_within_s=drain_within_s)

    async def _round(self) -> float:
        began = asyncio.get_running_loop().time()
        this = Pass(
            cause=f"reconcile-{self._new_id()}",
            rested=self._rested,
            since_last=None if self._before is None else timedelta(seconds=began - self._before),
            skipped=self._skipped,
            in_vain=self._in_vain,
        )
        if await self._pass(this):
            self._before = began
        return self._jittered(self._every_s)

    async def _pass(self, this: Pass) -> bool:
        """One pass and its one outcome line, whatever happens; whether it saw the end of the list."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        steps: Counter[Step] = Counter()
        missed: dict[Step, set[str]] = {Step.SKIPPED: set(), Step.AWAY: set()}
        reason = ""
        is_whole = False
        try:
            span = span_for(None, unique=this.cause)
            with within(span), structlog.contextvars.bound_contextvars(correlation_id=this.cause):
                # Closed by us, so that nothing of it runs on when it is left early.
                async with contextlib.aclosing(take_up(self._work, this)) as found:
                    async for taken in found:
                        steps[taken.step] += 1
                        if taken.step in missed:
                            missed[taken.step].add(taken.payment_id)
                        tell(taken)
                        if self._stopping.is_set():
                            reason = "told to stop"
                            break
                    else:
                        is_whole = True
        except AwayError as away:
            reason = str(away)
            is_whole = True
        except Exception as error:  # noqa: BLE001 - whatever it is, there must be another pass
            reason = reason_of(self._work, error)
        log = _log.info if not reason or self._stopping.is_set() else _log.warning
        log(
            "reconcile.pass",
            command_id=this.cause,
            reason=reason or None,
            duration_ms=round((loop.time() - began) * 1000),
            **{step.value: steps[step] for step in Step},
        )
        self._skipped = frozenset(missed[Step.SKIPPED])
        self._in_vain = frozenset(missed[Step.AWAY])
        return is_whole


def tell(taken: Taken) -> None:
    """A log line for what a person must see; nothing for the rest, which the outcome line counts."""
    if taken.step not in (Step.UNKNOWN, Step.FAILED):
        return
    _log.warning(
        f"reconcile.{taken.step}",
        payment_id=taken.payment_id,
        transaction_id=taken.transaction.id if taken.transaction else None,
        reason=taken.reason,
    )
