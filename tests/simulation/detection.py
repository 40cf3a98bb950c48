"""How often a seed finds each planted defect: `make detect`, or `python -m simulation.detection [--seeds N] [--json]`."""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import multiprocessing
import os
import signal
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.progress import Progress
from simulation import processes
from simulation.batch import apart, prepare
from simulation.crashes import ACTS, play, quiet
from simulation.defects import BY_ACT, BY_SEED, DEFECTS, planted
from simulation.invariants import check
from simulation.loop import StalledError
from simulation.seed import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulation.logs import History

#: One in a thousand is missed.
_MISSED: Final = 0.001
#: Seconds of CPU: some defects keep a run busy for ever, and that is noticed too.
_RUN_S: Final = 5.0
#: So many seeds are one piece of work, whose process takes with it what an endless run has piled up.
_BATCH: Final = 10


class EndlessError(KeyboardInterrupt):
    """A run that does not end. Any other kind of error would end one task of it, and the run would go on."""


@dataclass(kw_only=True, slots=True)
class Detection:
    """One defect and what became of it."""

    name: str
    seeds: int = 0
    caught: int = 0
    #: The first seeds that caught it.
    by: list[int] = field(default_factory=list)
    invariants: Counter[str] = field(default_factory=Counter)
    #: What its own operation, or the seed that is known to catch it, finds broken.
    own: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.caught / self.seeds if self.seeds else 0.0

    @property
    def needed(self) -> int | None:
        """Seeds after which it is missed once in a thousand times; None: it was never caught."""
        if not 0 < self.rate < 1:
            return 1 if self.rate else None
        return math.ceil(math.log(_MISSED) / math.log(1 - self.rate))


def catches(name: str, seed: int | None) -> list[str]:
    """The invariants that this seed finds broken with the defect in the product; None: its own operation, not a seed."""
    with quiet():
        return _broken(name, seed)


def _broken(name: str, seed: int | None) -> list[str]:
    """The same, and nothing is collected."""
    with planted(name):
        before = signal.signal(signal.SIGVTALRM, _endless)
        # Once more after the same time, should somebody have swallowed it: a parser does.
        signal.setitimer(signal.ITIMER_VIRTUAL, _RUN_S, _RUN_S)
        try:
            history = _history_of_act(name) if seed is None else run(seed)
            return sorted({one.name for one in check(history)})
        except (EndlessError, StalledError):
            return ["endless"]
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)
            asyncio.set_event_loop(None)


def _history_of_act(name: str) -> History:
    act, crash_at = BY_ACT[name]
    return play(ACTS[act], crash_at)[0]


def _endless(*_: object) -> None:
    raise EndlessError


def measure(task: tuple[str, Sequence[int]]) -> Detection:
    """One defect over some seeds."""
    name, seeds = task
    return apart(partial(_measured, name), seeds)


def _measured(name: str, seeds: Sequence[int]) -> Detection:
    found = Detection(name=name)
    for seed in seeds:
        found.seeds += 1
        broken = _broken(name, seed)
        if broken:
            found.caught += 1
            found.by.append(seed)
            found.invariants.update(broken)
    return found


def measure_all(names: Sequence[str], *, first: int, seeds: int) -> dict[str, Detection]:
    """All of them on all cores."""
    total = {name: Detection(name=name) for name in names}
    tasks = [
        (name, range(start, min(start + _BATCH, first + seeds)))
        for name in names
        for start in range(first, first + seeds, _BATCH)
    ]
    console = Console(stderr=True)
    cores = len(os.sched_getaffinity(0))
    with (
        Progress(console=console, disable=not console.is_terminal) as progress,
        multiprocessing.get_context("spawn").Pool(cores, prepare, (None,)) as pool,
    ):
        bar = progress.add_task("defects", total=len(tasks))
        for found in pool.imap_unordered(measure, tasks):
            one = total[found.name]
            one.seeds += found.seeds
            one.caught += found.caught
            one.by = sorted(one.by + found.by)[:5]
            one.invariants += found.invariants
            progress.advance(bar)
    return total


def main(arguments: Sequence[str] | None = None) -> int:
    """1 where a defect is caught neither by a seed, nor by its operation, nor by the seed that is known to."""
    parser = argparse.ArgumentParser(prog="python -m simulation.detection", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many for each defect (default: 200)")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--defect", action="append", choices=sorted(DEFECTS), help="only this one; repeat for more")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    total = measure_all(given.defect or list(DEFECTS), first=given.first, seeds=given.seeds)
    processes.share()
    for one in total.values():
        one.own = catches(one.name, BY_SEED.get(one.name))
    if given.json:
        sys.stdout.write(json.dumps([_as_json(one) for one in total.values()], indent=1) + "\n")
    else:
        sys.stdout.writelines(f"| {' | '.join(row)} |\n" for row in (*_HEAD, *map(_row, total.values())))
    missed = [one.name for one in total.values() if not one.caught and not one.own]
    for name in missed:
        sys.stderr.write(f"Nothing catches {name}.\n")
    return 1 if missed else 0


_HEAD: Final = (
    (
        "defect",
        "what it is",
        "found by",
        "for 99.9 %",
        "broken, the most frequent first",
        "its own operation, or its known seed",
    ),
    ("---",) * 6,
)


def _row(one: Detection) -> tuple[str, ...]:
    own = BY_ACT[one.name][0] if one.name in BY_ACT else f"seed {BY_SEED[one.name]}"
    return (
        f"`{one.name}`",
        DEFECTS[one.name].what,
        f"{one.caught} of {one.seeds}",
        "-" if one.needed is None else f"{one.needed:,}",
        " ".join(name for name, _ in one.invariants.most_common(4)),
        f"{own}: {' '.join(one.own) or 'not caught'}",
    )


def _as_json(one: Detection) -> dict[str, Any]:
    # `asdict` makes a Counter of a Counter's items.
    return asdict(one) | {
        "invariants": dict(one.invariants),
        "rate": one.rate,
        "needed": one.needed,
        "what": DEFECTS[one.name].what,
    }


if __name__ == "__main__":
    # By its own name, so that the processes that share the work find it.
    from simulation import detection

    sys.exit(detection.main())
