"""`ctpay reconcile`: takes up what is stuck, or compares the PSP with commercetools over a span of time.

Exit codes: 0 all is as it must be; 1 it could not be done, or not all of it; 3 differences remain, or a person is
needed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from bus.port import PublishError
from ct.errors import CommercetoolsError
from ct.listing import alive_in, count
from ctpay.reconcile_file import About, ForeignFileError
from ctpay.reconcile_file import Progress as ProgressFile
from ctpay.reconcile_view import counted, row_json, rows_table, steps_table, taken_json
from psp.errors import PspError
from workers.reconcile import AwayError, Pass, Step, looked_through, take_up
from workers.reconcile_lists import Job, Leaf, Phase, Place, Repair, Row, compare, is_comparable

if TYPE_CHECKING:
    from workers.reconcile import Taken
    from workers.work import Work

#: What ends a run, with a text that tells a person what to do.
_ENDS: Final = (CommercetoolsError, PspError, PublishError, AwayError, ForeignFileError, OSError)
#: For a file or a pipe: lines are not cut.
_WIDTH: Final = 240
_FAILED: Final = 1
_DIFFERS: Final = 3

#: Where the two lists are, for the progress bar.
_TITLES: Final = {Phase.PSP: "the PSP's list", Phase.COMMERCETOOLS: "commercetools"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What the command line asks for."""

    #: None: only what is stuck is taken up.
    since: datetime | None
    #: None: now.
    until: datetime | None
    repair: Repair
    rested: timedelta
    #: Where to keep how far it got; None: nowhere.
    file: Path | None
    as_json: bool


async def reconcile(work: Work, wanted: Wanted, new_id: Callable[[], str]) -> int:
    """Do it, show it, and give the exit code."""
    try:
        if wanted.since is not None:
            if is_comparable(work.psp.capabilities):
                return await _compare(work, wanted, wanted.since, new_id())
            _tell(f"{work.psp.name} gives no list of what it has. Without --from, what is stuck is taken up.")
            return _FAILED
        return await _take_up(work, wanted, new_id())
    except _ENDS as error:
        _tell(f"Reconciliation stopped: {work.psp.scrub(str(error))}")
        return _FAILED
    except asyncio.CancelledError:
        # Told to stop: what was found is shown already, and it is not all there is.
        _tell("Reconciliation was stopped.")
        return _FAILED


async def _take_up(work: Work, wanted: Wanted, run_id: str) -> int:
    steps: list[Taken] = []
    this = Pass(cause=f"reconcile-{run_id}", rested=wanted.rested, since_last=None)
    try:
        with _bar() as bar:
            task = bar.add_task("what is stuck", total=await count(work.ledger, looked_through(work, this)))
            looked_at = partial(bar.advance, task)
            async with aclosing(take_up(work, this, on_looked_at=looked_at)) as found:
                async for taken in found:
                    steps.append(taken)  # noqa: PERF401 - also what came before an error is shown
    finally:
        # Also what was done before an end that came too early.
        if wanted.as_json:
            _lines([*map(taken_json, steps), json.dumps({"steps": len(steps)})])
        else:
            told = [one for one in steps if one.step is not Step.SKIPPED]
            _show(steps_table(told) if told else None, f"Stuck: {counted([one.step for one in steps])}.")
    if any(one.step in (Step.AWAY, Step.SKIPPED, Step.FAILED) for one in steps):
        return _FAILED
    return _DIFFERS if any(one.step is Step.UNKNOWN for one in steps) else 0


async def _compare(work: Work, wanted: Wanted, since: datetime, run_id: str) -> int:
    until = wanted.until or work.clock()
    about = About(
        project_key=work.project_key,
        psp=work.psp.name,
        since=since,
        until=until,
        repair=wanted.repair,
        rested=wanted.rested,
    )
    file = ProgressFile(wanted.file) if wanted.file else None
    about, leaves = _opened(file, about, is_until_given=wanted.until is not None) if file else (about, [])
    place = Place()
    for leaf in leaves:
        place.turn(leaf)
    job = Job(
        cause=f"reconcile-{run_id}", since=about.since, until=about.until, rested=wanted.rested, repair=wanted.repair
    )
    try:
        with _bar() as bar:
            total = await count(work.ledger, alive_in(since=about.since, until=about.until))
            tasks = {phase: bar.add_task(title, total=None) for phase, title in _TITLES.items()}
            bar.update(tasks[Phase.COMMERCETOOLS], total=total)
            for leaf in leaves:
                bar.advance(tasks[leaf.phase], leaf.looked_at)
            async with aclosing(compare(work, job, place)) as found:
                async for leaf in found:
                    leaves.append(leaf)
                    if file:
                        file.turn(leaf)
                    bar.advance(tasks[leaf.phase], leaf.looked_at)
    finally:
        _report(leaves, about, wanted, is_over=place.is_over)
    if file:
        file.end()
    return _exit_code(leaves)


def _opened(file: ProgressFile, about: About, *, is_until_given: bool) -> tuple[About, list[Leaf]]:
    """What to go on with. Raises ForeignFileError, OSError."""
    found = file.read()
    if found is None:
        file.begin(about, [])
        return about, []
    earlier, leaves = found
    if about != (earlier if is_until_given else replace(earlier, until=about.until)):
        raise ForeignFileError("The file is of another comparison. Name another file, or remove it to begin anew.")
    # Written anew, without a last line that may have been cut off.
    file.begin(earlier, leaves)
    return earlier, leaves


def _report(leaves: list[Leaf], about: About, wanted: Wanted, *, is_over: bool) -> None:
    rows = [row for leaf in leaves for row in leaf.rows]
    failures = [failure for leaf in leaves for failure in leaf.failures]
    seen = {phase: sum(leaf.looked_at for leaf in leaves if leaf.phase is phase) for phase in Phase}
    for failure in failures:
        _tell(f"Not compared: {failure}")
    if not is_over and wanted.file:
        _tell("Run the same command again to go on where it stopped.")
    if wanted.as_json:
        summary = {
            "from": about.since.isoformat(),
            "to": about.until.isoformat(),
            "complete": is_over,
            "psp_entries": seen[Phase.PSP],
            "payments": seen[Phase.COMMERCETOOLS],
            "differences": len(rows),
            "repaired": sum(row.repaired for row in rows),
            "not_compared": len(failures),
        }
        _lines([*map(row_json, rows), json.dumps(summary)])
        return
    left = [row for row in rows if not row.repaired]
    span = f"{about.since:%Y-%m-%d %H:%M} to {about.until:%Y-%m-%d %H:%M %Z}"
    what = f"{seen[Phase.PSP]} entries of the PSP and {seen[Phase.COMMERCETOOLS]} Payments"
    found = counted([row.disagreement.difference for row in left])
    mended = f"; repaired: {len(rows) - len(left)}" if wanted.repair is Repair.EVIDENT else ""
    unfinished = "" if is_over else " Not finished."
    _show(rows_table(rows) if rows else None, f"{span}: {what}. Differences: {found}{mended}.{unfinished}")


def _exit_code(leaves: list[Leaf]) -> int:
    if any(leaf.failures for leaf in leaves):
        return _FAILED
    rows: list[Row] = [row for leaf in leaves for row in leaf.rows]
    return _DIFFERS if any(not row.repaired for row in rows) else 0


def _bar() -> Progress:
    """On stderr, and only for a person who watches."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _show(table: object | None, line: str) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    if table is not None:
        console.print(table)
    console.print(line, soft_wrap=True)


def _lines(lines: list[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
