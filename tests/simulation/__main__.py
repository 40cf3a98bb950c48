"""`make simulate`: any number of seeds on all cores; one line at the end, and exit code 1 where something was violated."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from simulation import breaks, seed, timeline
from simulation.batch import Result, at, judged, prepare, spread
from simulation.faults import WIRE, FaultKind
from simulation.invariants import check
from simulation.logs import Peer
from simulation.loop import collect

if TYPE_CHECKING:
    from collections.abc import Iterable

#: From so many on, a kind of fault that never struck fails the run.
_ALL_KINDS_FROM: Final = 2000
#: Failing seeds that are told in full. To try every prefix of one takes seconds, and whoever mends some runs again.
_TOLD_MAX: Final = 10
#: Lines that are told of each of them.
_LINES_MAX: Final = 3
#: More than any seed takes.
_STEPS_MAX: Final = 500


def run_all(first: int, count: int, *, defect: str | None, quiet: bool) -> Result:
    """All seeds, on all cores."""
    total = Result()
    console = Console(stderr=True)
    columns = (
        TextColumn("seeds"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[bad]}"),
    )
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task("seeds", total=count, bad="")
        for result in spread(first, count, defect=defect):
            total.add(result)
            bad = len(_failing(total))
            progress.update(task, advance=result.seeds, bad=f"{bad} failed" if bad else "")
    return total


def shortest(number: int) -> int | None:
    """With how many steps of actors and faults, from the first on, the seed fails first. None: with none that was tried.

    Each number is tried: more steps may make good what fewer have broken, so there is no halving.
    """
    return next((until for until in range(_STEPS_MAX) if _fails(number, until)), None)


def _fails(number: int, until: int) -> bool:
    history, wrong = judged(number, until=until)
    collect()
    return bool(wrong) or history is None or not history.settled


def replays(total: Result, *, defect: str | None) -> dict[int, str]:
    """Failing seed -> the command that repeats it: of the first ones their shortest failing prefix, else the whole."""
    failing = _failing(total)
    if not failing:
        return {}
    prepare(defect)
    made = made_on()
    return {
        number: _command(number, until=shortest(number) if place < _TOLD_MAX else None, defect=defect, made=made)
        for place, number in enumerate(failing)
    }


def made_on() -> str | None:
    """The commit that is run, and whether anything was changed since: a seed is another history on another commit. None: nobody knows."""
    command = ("git", "describe", "--always", "--dirty", "--exclude=*")
    try:
        asked = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return asked.stdout.strip() or None


def _failing(total: Result) -> list[int]:
    return sorted({*total.violations, *total.unsettled})


def _command(number: int, *, until: int | None, defect: str | None, made: str | None) -> str:
    """For a shell, to which the commit is a comment."""
    options = {"--until": until, "--defect": defect}
    more = [f"{name} {value}" for name, value in options.items() if value is not None]
    told = [] if made is None else [f" # on commit {made}"]
    return " ".join(["PYTHONPATH=tests .venv/bin/python -m simulation --seed", str(number), *more, "--verbose", *told])


def replay(number: int, *, until: int | None, defect: str | None, verbose: bool) -> int:
    """One seed, with everything that happened in it."""
    prepare(defect)
    out = Console(highlight=False, soft_wrap=True)
    try:
        history, recorder = seed.run_recorded(number, until=until)
        for line in timeline.lines(history, recorder) if verbose else ():
            out.print(line, markup=False)
        found = check(history)
    except breaks.BREAKS as error:
        out.print(traceback.format_exc(), markup=False)
        out.print(f"VIOLATION {breaks.told(error)}", markup=False)
        return 1
    for one in found:
        out.print(f"VIOLATION {one}", markup=False)
    if not history.settled:
        out.print("NOT SETTLED: something still moves at the time limit.")
    out.print(f"seed {number}: {len(history.faults)} faults, {len(found)} violations, {len(history.effects)} effects")
    return 1 if found or not history.settled else 0


def report(total: Result, *, elapsed_s: float, first: int, defect: str | None) -> int:
    """Tell how it went. The exit code."""
    out = Console(highlight=False, soft_wrap=True)
    table = Table("fault", "struck", title="Faults by kind")
    for kind in FaultKind:
        table.add_row(kind.value, str(total.faults[kind.value]))
        for peer in Peer if kind in WIRE else ():
            table.add_row(f"  at {peer.value}", str(total.wire[at(kind, peer)]))
    out.print(table)
    missed = never_struck(total)
    _tell_failures(out, total, defect)
    waits = sorted(total.convergence_s) or [0.0]
    p50, p99, most = waits[len(waits) // 2], waits[min(len(waits) - 1, len(waits) * 99 // 100)], waits[-1]
    out.print(f"converged after the last fault (virtual time): p50 {p50:.1f} s, p99 {p99:.1f} s, max {most:.1f} s")
    out.print(f"CPU per seed {1000 * total.cpu_s / total.seeds:.1f} ms, {elapsed_s:.0f} s in all")
    if is_short(total):
        out.print(f"These kinds of fault never struck: {', '.join(missed)}")
    failed = len(_failing(total))
    violations = sum(map(len, total.violations.values())) + len(total.unsettled)
    last = first + total.seeds - 1
    kinds = sum(total.faults[kind.value] > 0 for kind in FaultKind)
    out.print(
        f"{total.seeds} seeds ({first} to {last}), {total.faults.total()} faults of {kinds} kinds,"
        f" {violations} violations in {failed} seeds"
    )
    return exit_code(total)


def never_struck(total: Result) -> list[str]:
    """Kinds of fault that the run says nothing about, and peers that one of the wire's never struck."""
    missed = [kind.value for kind in FaultKind if not total.faults[kind.value]]
    struck = (kind for kind in FaultKind if kind in WIRE and kind.value not in missed)
    return missed + [name for kind in struck for peer in Peer if not total.wire[name := at(kind, peer)]]


def is_short(total: Result) -> bool:
    """Whether it was long enough for every kind to strike, and one did not."""
    return bool(never_struck(total)) and total.seeds >= _ALL_KINDS_FROM


def exit_code(total: Result) -> int:
    """1 where a promise was broken, or a kind of fault was not tried."""
    return 0 if total.good and not is_short(total) else 1


def _tell_failures(out: Console, total: Result, defect: str | None) -> None:
    names = Counter(line.split(":")[0] for lines in total.violations.values() for line in lines)
    if not total.good:
        out.print(f"violations by name: {dict(names)}, not settled: {len(total.unsettled)}")
    for place, (number, command) in enumerate(replays(total, defect=defect).items()):
        told = total.violations.get(number, ["did not come to rest"])
        for line in told[:_LINES_MAX] if place < _TOLD_MAX else ():
            out.print(f"  seed {number}: {line}", markup=False)
        out.print(f"    replay: {command}", markup=False)


def as_json(total: Result, *, defect: str | None = None) -> str:
    waits = sorted(total.convergence_s) or [0.0]
    return json.dumps(
        {
            "seeds": total.seeds,
            "faults": dict(total.faults),
            "wire": dict(total.wire),
            "never_struck": never_struck(total),
            "violations": total.violations,
            "unsettled": total.unsettled,
            "replay": replays(total, defect=defect),
            "convergence_s": {
                "p50": waits[len(waits) // 2],
                "p99": waits[min(len(waits) - 1, len(waits) * 99 // 100)],
                "max": waits[-1],
            },
            "cpu_ms_per_seed": round(1000 * total.cpu_s / total.seeds, 2),
            "counts": dict(total.counts),
        }
    )


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many (default: 2000)")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--seed", type=int, help="replay this one")
    parser.add_argument("--until", type=int, help="of a replay: so many steps and faults, and no more")
    parser.add_argument("--verbose", action="store_true", help="of a replay: everything that happened")
    parser.add_argument("--defect", help="with this defect planted in the product")
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    given = parser.parse_args(None if arguments is None else list(arguments))
    if given.seed is not None:
        return replay(given.seed, until=given.until, defect=given.defect, verbose=given.verbose)
    began = time.monotonic()
    total = run_all(given.first, max(1, given.seeds), defect=given.defect, quiet=given.json)
    if given.json:
        print(as_json(total, defect=given.defect))  # noqa: T201 # what was asked for
        return exit_code(total)
    return report(total, elapsed_s=time.monotonic() - began, first=given.first, defect=given.defect)


if __name__ == "__main__":
    sys.exit(main())
