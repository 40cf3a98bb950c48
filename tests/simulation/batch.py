"""Batches of seeds: run, checked and counted, in as many processes as there are cores."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import pickle
import sys
import time
import traceback
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from simulation import breaks, processes, seed
from simulation.faults import WIRE
from simulation.invariants import check
from simulation.logs import Peer
from simulation.loop import collect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from simulation.logs import History

Came = TypeVar("Came")
#: So many seeds are one piece of work; each leaves about half a megabyte behind.
_BATCH: Final = 200


@dataclass(kw_only=True, slots=True)
class Result:
    """What came of a batch of seeds, or of all."""

    seeds: int = 0
    cpu_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    #: Those of the wire by kind and peer: the PSP is asked so much less often that it could be left out by chance.
    wire: Counter[str] = field(default_factory=Counter)
    violations: dict[int, list[str]] = field(default_factory=dict)
    unsettled: list[int] = field(default_factory=list)
    #: Virtual seconds from the last fault to the last change.
    convergence_s: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, other: Result) -> None:
        self.seeds += other.seeds
        self.cpu_s += other.cpu_s
        self.faults += other.faults
        self.wire += other.wire
        self.violations |= other.violations
        self.unsettled += other.unsettled
        self.convergence_s += other.convergence_s
        self.counts += other.counts

    @property
    def good(self) -> bool:
        return not self.violations and not self.unsettled


def prepare(defect: str | None) -> None:
    """Once in each worker process: what is shared between seeds, and no collection in the middle of one."""
    processes.share()
    if defect is not None:
        from simulation import defects  # noqa: PLC0415 # a run without one is the product as it ships

        defects.plant(defect)
    # What an abandoned frame says when it is collected, after its seed, concerns nobody.
    sys.unraisablehook = lambda _: None
    warnings.simplefilter("ignore", RuntimeWarning)
    # Asyncio notes each task for whoever asks for all of them. Nobody does here.
    if (noted := getattr(asyncio.tasks, "_all_tasks", None)) is not None:
        noted.add = bool
    # What breaks this one breaks others, which are counted.
    judged(0)
    collect()
    gc.freeze()
    gc.disable()


def batch(seeds: Sequence[int]) -> Result:
    """Run these seeds in a child."""
    return apart(count, seeds)


def apart(run: Callable[[Sequence[int]], Came], seeds: Sequence[int]) -> Came:
    """What comes of it in a child that takes with it what seeds leave behind: to collect that costs a fifth of a seed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _tell(run, seeds, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    if not told:
        raise ChildProcessError(f"Seeds {seeds[0]} to {seeds[-1]} gave no result. What is above says why.")
    came: Came = pickle.loads(told)
    return came


def _tell(run: Callable[[Sequence[int]], object], seeds: Sequence[int], writer: int) -> NoReturn:
    """Run them, tell what came of it, and be gone."""
    try:
        told = pickle.dumps(run(seeds))
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(told)
    except BaseException:  # noqa: BLE001 # told here, and by the missing result
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(0)


def count(seeds: Sequence[int]) -> Result:
    """Run these seeds here, and collect nothing."""
    result = Result()
    began = time.process_time()
    for number in seeds:
        _one(number, result)
    result.cpu_s = time.process_time() - began
    return result


def judged(number: int, *, until: int | None = None) -> tuple[History | None, list[str]]:
    """The history of a seed, and what is wrong with it; None: it broke, or the checker did."""
    try:
        history = seed.run(number, until=until)
        return history, [str(one) for one in check(history)]
    except breaks.BREAKS as error:
        return None, [breaks.told(error)]


def _one(number: int, result: Result) -> None:
    result.seeds += 1
    history, wrong = judged(number)
    if wrong:
        result.violations[number] = wrong
    if history is None:
        return
    result.faults.update(fault.kind for fault in history.faults)
    result.wire.update(at(fault.kind, Peer(fault.on.split()[0])) for fault in history.faults if fault.kind in WIRE)
    if not history.settled:
        result.unsettled.append(number)
    result.convergence_s.append(max(0.0, (history.converged_at - history.faults_end).total_seconds()))
    result.counts.update(
        effects=len(history.effects),
        calls=len(history.calls),
        versions=len(history.payments),
        messages=len(history.bus),
        exchanges=len(history.exchanges),
        crashes=sum(not crash.orderly for crash in history.crashes),
    )


def at(kind: str, peer: Peer) -> str:
    """The name of a fault of the wire on the way to one peer."""
    return f"{kind} at {peer.value}"


def spread(first: int, count: int, *, defect: str | None) -> Iterator[Result]:
    """The results of all seeds, batch by batch, as they come."""
    batches = [range(start, min(start + _BATCH, first + count)) for start in range(first, first + count, _BATCH)]
    cores = min(len(os.sched_getaffinity(0)), len(batches))
    if cores <= 1:
        prepare(defect)
        yield from map(batch, batches)
        return
    # Spawned: a child starts from nothing, as the one command that repeats a seed does.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores, mp_context=context, initializer=prepare, initargs=(defect,)) as pool:
        for done in as_completed([pool.submit(batch, one) for one in batches]):
            yield done.result()
