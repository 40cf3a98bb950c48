"""What is small enough to try completely: `python -m simulation.exhaustive [--all]`, with `tests` on the path.

Orders: every permutation with repetition of sets of up to five pieces of news about one Payment (`simulation.orders`).
Without `--all` an even sample of what is larger than a test run can afford; the counts say how large it is.
"""

from __future__ import annotations

import asyncio
import sys
import time

from rich.console import Console
from simulation.orders import Found, explore, sets
from simulation.scenes import scenes

#: Sets of news that are tried of one scene that has more than five pieces.
SETS_TRIED = 4


def orders(*, most: int = SETS_TRIED) -> list[Found]:
    """Every order of the news of every scene."""
    made, psp, clock = asyncio.run(scenes())
    return [explore(one, psp=psp, clock=clock) for scene in made for one in sets(scene, most=most)]


def main(arguments: list[str]) -> int:
    """Print what was tried and what was wrong; 1 where anything was."""
    began = time.process_time()
    found = orders(most=sys.maxsize if "--all" in arguments else SETS_TRIED)
    wrong = [text for one in found for text in one.wrong]
    console = Console(highlight=False, soft_wrap=True)
    for text in wrong:
        console.print(text, markup=False)
    console.print(
        f"orders: {len(found)} sets of news about {len({one.scene for one in found})} Payments, "
        f"{sum(one.sequences for one in found):,} sequences proved by {sum(one.deliveries for one in found):,} "
        f"deliveries, {len(wrong)} wrong ({time.process_time() - began:.1f} s of CPU)"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
