"""What is small enough to try completely: `python -m simulation.exhaustive [--all]`, with `tests` on the path.

Orders: every permutation with repetition of sets of up to five pieces of news about one Payment (`simulation.orders`).
Crashes: at every step of the workers during every operation, once and twice (`simulation.crashes`). Without `--all` an
even sample of what is larger than a test run can afford; the counts say how large it is.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from simulation import processes
from simulation.crashes import ACTS, Drilled, crash_points, crashed, unharmed
from simulation.orders import Found, explore, sets
from simulation.scenes import scenes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from simulation.crashes import CrashAt

#: Sets of news that are tried of one scene that has more than five pieces.
SETS_TRIED: Final = 4
#: Pairs of crashes that are tried of one operation; single crashes are tried at every step.
PAIRS_TRIED: Final = 8
#: So many crashes are one piece of work; each leaves a megabyte or two behind.
_BATCH: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class _Piece:
    """Some crashes of one operation."""

    unharmed: Drilled
    points: Sequence[CrashAt]


@dataclass(kw_only=True, slots=True)
class _Crashes:
    """What all of them gave."""

    steps: list[int]
    runs: int
    wrong: list[str]
    cpu_s: float = 0.0


def orders(*, most: int = SETS_TRIED) -> list[Found]:
    """Every order of the news of every scene."""
    made, psp, clock = asyncio.run(scenes())
    return [explore(one, psp=psp, clock=clock) for scene in made for one in sets(scene, most=most)]


def main(arguments: Sequence[str]) -> int:
    """Print what was tried and what was wrong; 1 where anything was."""
    is_all = "--all" in arguments
    console = Console(highlight=False, soft_wrap=True)
    # Spawned: a child starts from nothing, as the one command that repeats a run does.
    with multiprocessing.get_context("spawn").Pool(len(os.sched_getaffinity(0)), _prepare) as pool:
        ordered = pool.apply_async(_orders, [sys.maxsize if is_all else SETS_TRIED])
        begun = pool.map(unharmed, ACTS)
        pieces = [*_pieces(begun, sys.maxsize if is_all else PAIRS_TRIED)]
        drilled = _drilled(begun, pool.imap_unordered(_crashed, pieces), sum(len(one.points) for one in pieces))
        found, cpu_s = ordered.get()
    console.print(
        f"orders: {len(found)} sets of news about {len({one.scene for one in found})} Payments, "
        f"{sum(one.sequences for one in found):,} sequences proved by {sum(one.deliveries for one in found):,} "
        f"deliveries, {sum(len(one.wrong) for one in found)} wrong ({cpu_s:.1f} s of CPU)"
    )
    console.print(
        f"crashes: {len(begun)} operations of {sum(drilled.steps)} steps; {drilled.runs:,} runs with one crash, two or "
        f"none, of {sum(1 + one + one * one for one in drilled.steps):,} that there are, {len(drilled.wrong)} wrong "
        f"({drilled.cpu_s:.1f} s of CPU)"
    )
    wrong = [text for one in found for text in one.wrong] + drilled.wrong
    for text in wrong:
        console.print(text, markup=False)
    return 1 if wrong else 0


def _prepare() -> None:
    processes.share()
    # What the orders' worker has to tell a person would be told thousands of times.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _orders(most: int) -> tuple[list[Found], float]:
    began = time.process_time()
    return orders(most=most), time.process_time() - began


def _pieces(begun: Sequence[Drilled], pairs: int) -> Iterable[_Piece]:
    for one in begun:
        points = crash_points(one.steps, singles=sys.maxsize, doubles=pairs)
        for start in range(0, len(points), _BATCH):
            yield _Piece(unharmed=one, points=points[start : start + _BATCH])


def _crashed(piece: _Piece) -> tuple[int, list[str], float]:
    """How many were tried, what was wrong, and seconds of CPU."""
    began = time.process_time()
    found = crashed(piece.unharmed, piece.points)
    new = found.wrong[len(piece.unharmed.wrong) :]
    return found.runs - piece.unharmed.runs, new, time.process_time() - began


def _drilled(begun: Sequence[Drilled], done: Iterable[tuple[int, list[str], float]], count: int) -> _Crashes:
    total = _Crashes(
        steps=[one.steps for one in begun],
        runs=sum(one.runs for one in begun),
        wrong=[text for one in begun for text in one.wrong],
    )
    console = Console(stderr=True)
    columns = (
        TextColumn("crashes"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[bad]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("crashes", total=count, bad="")
        for runs, wrong, cpu_s in done:
            total.runs += runs
            total.wrong += wrong
            total.cpu_s += cpu_s
            progress.update(task, advance=runs, bad=f"{len(total.wrong)} wrong" if total.wrong else "")
    return total


if __name__ == "__main__":
    # By its own name, so that the processes that share the work find it.
    from simulation import exhaustive

    sys.exit(exhaustive.main(sys.argv[1:]))
