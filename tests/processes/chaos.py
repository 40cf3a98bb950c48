"""Chaos: the product as real processes, a crowd that pays, and everything around it failing. Then nothing may be wrong.

A round is a crowd in bad weather, then calm, then the verdict. What happens in a round is drawn from its seed; when it
meets which request is up to the machine, so a seed repeats the weather and not the accident.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from processes.crowd import throng
from processes.record import gather
from processes.verdict import everything_wrong
from processes.weather import Weather

#: Purchases under way at a time.
AT_ONCE = 10
LOOK_S = 0.1


@dataclass(kw_only=True)
class Report:
    """What a round has seen."""

    seed: str
    purchases: int = 0
    payments: int = 0
    #: Messages that more than one process has had in hand.
    shared: int = 0
    struck: Counter = field(default_factory=Counter)
    wrong: list = field(default_factory=list)

    def __str__(self):
        strikes = ", ".join(f"{count} {what}" for what, count in sorted(self.struck.items()))
        return f"seed {self.seed}: {self.purchases} purchases, {self.payments} Payments, {self.shared} messages met twice; {strikes}"


#: Where the whole log goes when something is wrong.
LOG = Path(__file__).parents[2] / "build" / "chaos.jsonl"


async def play(stack, *, seed, seconds):
    """One round; shoppers come for so many seconds. Raises what a shopper met who did not get what she was promised."""
    report = Report(seed=seed)
    try:
        await _play(stack, report, seconds=seconds)
    except BaseException:
        _keep(stack.lines)
        raise
    if report.wrong:
        _keep(stack.lines)
    return report


def _keep(lines):
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text("".join(f"{json.dumps(one)}\n" for one in lines))


async def _play(stack, report, *, seconds):
    seed = report.seed
    weather = Weather(stack, random.Random(seed))
    stack.look_s = LOOK_S
    since = len(stack.lines)
    stack.watch.journal.begin()
    crowd = asyncio.ensure_future(throng(stack, seed, seconds=seconds, at_once=AT_ONCE))
    try:
        await weather.storm(crowd)
    finally:
        report.struck = weather.struck
        crowd.cancel()
    purchases = await crowd
    report.purchases = len(purchases)
    await stack.calm()
    # The calm brings the last events and the last messages; they must change nothing.
    ends = {payment: rows for one in purchases for payment, rows in one.ends.items()}
    report.payments = len(ends)
    await stack.until_rows(ends)
    report.shared = _met_twice(stack.finished_all(since=since))
    report.wrong = everything_wrong(await gather(stack, purchases, since=since))


def _met_twice(lines):
    processes = defaultdict(set)
    for one in lines:
        processes[one["topic"], one["message_id"]].add(one["process"])
    return sum(len(names) > 1 for names in processes.values())
