"""What is small enough to try completely: `python -m simulation.exhaustive [--all]`, with `tests` on the path.

Orders: every permutation with repetition of sets of up to five pieces of news about one Payment (`simulation.orders`).
Crashes: at every step of the workers during every operation, once and twice (`simulation.crashes`). Without `--all` an
even sample of what is larger than a test run can afford; the counts say how large it is.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Final

from rich.console import Console
from simulation import processes
from simulation.crashes import ACTS, Drilled, drill
from simulation.orders import Found, explore, sets
from simulation.scenes import scenes

#: Sets of news that are tried of one scene that has more than five pieces.
SETS_TRIED: Final = 4
#: Pairs of crashes that are tried of one operation; single crashes are tried at every step.
PAIRS_TRIED: Final = 8


def orders(*, most: int = SETS_TRIED) -> list[Found]:
    """Every order of the news of every scene."""
    made, psp, clock = asyncio.run(scenes())
    return [explore(one, psp=psp, clock=clock) for scene in made for one in sets(scene, most=most)]


def crashes(*, singles: int = sys.maxsize, pairs: int = PAIRS_TRIED) -> list[Drilled]:
    """Every operation, crashed."""
    return [drill(name, singles=singles, doubles=pairs) for name in ACTS]


def main(arguments: list[str]) -> int:
    """Print what was tried and what was wrong; 1 where anything was."""
    processes.share()
    is_all = "--all" in arguments
    console = Console(highlight=False, soft_wrap=True)
    began = time.process_time()
    found = orders(most=sys.maxsize if is_all else SETS_TRIED)
    console.print(
        f"orders: {len(found)} sets of news about {len({one.scene for one in found})} Payments, "
        f"{sum(one.sequences for one in found):,} sequences proved by {sum(one.deliveries for one in found):,} "
        f"deliveries, {_count(found)} wrong ({time.process_time() - began:.1f} s of CPU)"
    )
    began = time.process_time()
    drilled = crashes(pairs=sys.maxsize if is_all else PAIRS_TRIED)
    steps = [one.steps for one in drilled]
    console.print(
        f"crashes: {len(drilled)} operations of {sum(steps)} steps; {sum(one.runs for one in drilled):,} runs with one "
        f"crash or two, of {sum(steps) + sum(one * one for one in steps):,} that there are, {_count(drilled)} wrong "
        f"({time.process_time() - began:.1f} s of CPU)"
    )
    wrong = [text for one in (*found, *drilled) for text in one.wrong]
    for text in wrong:
        console.print(text, markup=False)
    return 1 if wrong else 0


def _count(found: list[Found] | list[Drilled]) -> int:
    return sum(len(one.wrong) for one in found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
