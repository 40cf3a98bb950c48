"""What is small enough to try completely: `python -m simulation.exhaustive [--all] [PART ...]`, with `tests` on the path.

Orders: every permutation with repetition of sets of up to five pieces of news about one Payment (`simulation.orders`).
Crashes: at every step of the workers, and of the ingresses, during every operation, once and twice
(`simulation.crashes`). Without `--all` an even sample of what is larger than a test run can afford; the counts say how
large it is. A part is `orders` or a name among `VICTIMS`; all of them where none is named.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from simulation import processes
from simulation.crashes import ACTS, VICTIMS, Drilled, crashed, evenly, unharmed
from simulation.orders import Found, explore, sets
from simulation.scenes import scenes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from multiprocessing.pool import Pool

    from simulation.crashes import CrashAt, Victims

#: Sets of news that are tried of one scene that has more than five pieces.
SETS_TRIED: Final = 4
#: Pairs of crashes that are tried of one operation; single crashes are tried at every step.
PAIRS_TRIED: Final = 8
#: So many crashes are one piece of work; each leaves a megabyte or two behind.
_BATCH: Final = 100


def orders(*, most: int = SETS_TRIED) -> list[Found]:
    """Every order of the news of every scene."""
    made, psp, clock = asyncio.run(scenes())
    return [explore(one, psp=psp, clock=clock) for scene in made for one in sets(scene, most=most)]


def main(arguments: Sequence[str]) -> int:
    """Print what was tried and what was wrong; 1 where anything was."""
    is_all = "--all" in arguments
    parts = [one for one in arguments if one != "--all"] or ["orders", *VICTIMS]
    console = Console(highlight=False, soft_wrap=True)
    wrong: list[str] = []
    # Spawned: a child starts from nothing, as the one command that repeats a run does.
    with multiprocessing.get_context("spawn").Pool(len(os.sched_getaffinity(0)), _prepare) as pool:
        ordered = pool.apply_async(_orders, [sys.maxsize if is_all else SETS_TRIED]) if "orders" in parts else None
        for part in parts:
            if part == "orders":
                continue
            once, twice = _crashes(pool, VICTIMS[part], sys.maxsize if is_all else PAIRS_TRIED)
            console.print(_told(part, once, twice))
            wrong += [text for one in twice for text in one.wrong]
        if ordered is not None:
            found, cpu_s = ordered.get()
            console.print(
                f"orders: {len(found)} sets of news about {len({one.scene for one in found})} Payments, "
                f"{sum(one.sequences for one in found):,} sequences proved by "
                f"{sum(one.deliveries for one in found):,} deliveries, {sum(len(one.wrong) for one in found)} wrong "
                f"({cpu_s:.1f} s of CPU)"
            )
            wrong += [text for one in found for text in one.wrong]
    for text in wrong:
        console.print(text, markup=False)
    return 1 if wrong else 0


def _told(part: str, once: Sequence[Drilled], twice: Sequence[Drilled]) -> str:
    singles, doubles = (sum(len(getattr(one, which)) for one in once) for which in ("singles", "doubles"))
    return (
        f"crashes of {part}: {len(once)} operations of {singles:,} steps; {sum(one.runs for one in twice):,} runs with "
        f"one crash, two or none, of {len(once) + singles + doubles:,} that there are, "
        f"{sum(len(one.wrong) for one in twice)} wrong ({sum(one.cpu_s for one in twice):.1f} s of CPU)"
    )


def _prepare() -> None:
    processes.share()
    # What the orders' worker has to tell a person would be told thousands of times.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _orders(most: int) -> tuple[list[Found], float]:
    began = time.process_time()
    return orders(most=most), time.process_time() - began


def _crashes(pool: Pool, victims: Victims, pairs: int) -> tuple[list[Drilled], list[Drilled]]:
    """What every single crash gave, and that with so many pairs of each operation."""
    begun = pool.map(partial(unharmed, victims=victims), ACTS)
    once = _drilled(pool, [(one, one.singles) for one in begun])
    most = pairs if victims.pairs_max is None else min(pairs, victims.pairs_max)
    return once, _drilled(pool, [(one, evenly(one.doubles, most)) for one in once])


def _drilled(pool: Pool, todo: Sequence[tuple[Drilled, Sequence[CrashAt]]]) -> list[Drilled]:
    """Each operation, crashed at its points too."""
    found = {one.act: one for one, _ in todo}
    pieces = [
        (Drilled(act=one.act, victims=one.victims, steps=one.steps), points[start : start + _BATCH])
        for one, points in todo
        for start in range(0, len(points), _BATCH)
    ]
    for piece in _shown(pool.imap_unordered(_crashed, pieces), sum(len(points) for _, points in pieces)):
        found[piece.act] = found[piece.act].with_more(piece)
    return list(found.values())


def _crashed(piece: tuple[Drilled, Sequence[CrashAt]]) -> Drilled:
    return crashed(*piece)


def _shown(done: Iterable[Drilled], count: int) -> Iterable[Drilled]:
    """The same, and a bar where somebody looks on."""
    console = Console(stderr=True)
    columns = (
        TextColumn("crashes"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[bad]}"),
    )
    wrong = 0
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("crashes", total=count, bad="")
        for one in done:
            wrong += len(one.wrong)
            progress.update(task, advance=one.runs, bad=f"{wrong} wrong" if wrong else "")
            yield one


if __name__ == "__main__":
    # By its own name, so that the processes that share the work find it.
    from simulation import exhaustive

    sys.exit(exhaustive.main(sys.argv[1:]))
