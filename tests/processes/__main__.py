"""`make chaos`: round after round of chaos on one running stack, until the time is up or something is wrong."""

from __future__ import annotations

import asyncio
import random
import sys
import time
import traceback
from collections import Counter
from typing import Annotated

import typer
from processes.chaos import play
from processes.servers import SERVERS, stack_over
from processes.watch import watching
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from support.pubsub_servers import EmulatorMissingError
from support.stack import TWINS

#: Shoppers come for so many seconds in a round; what they began is then finished and judged.
ROUND_S = 20

_console = Console()


def chaos(
    seconds: Annotated[float, typer.Option(min=1)] = 120,
    seed: Annotated[str, typer.Option()] = "",
    server: Annotated[str, typer.Option(help="stand-in or emulator")] = "stand-in",
) -> None:
    """Exit codes: 0 nothing was wrong, 1 something was, 2 it cannot run here."""
    seed = seed or str(random.randrange(10**9))
    if server not in SERVERS:
        raise typer.BadParameter(f"there is no server {server}: {', '.join(SERVERS)}.")
    try:
        sys.exit(asyncio.run(_rounds(seconds, seed, server)))
    except EmulatorMissingError as missing:
        _console.print(str(missing))
        sys.exit(2)


async def _rounds(seconds, seed, server):
    reports, broken = [], None
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_console) as progress:
        bar = progress.add_task("starting", total=seconds)
        async with stack_over(server, TWINS, watch=watching) as stack:
            begun = time.monotonic()
            while not reports or (not reports[-1].wrong and time.monotonic() - begun < seconds):
                # The same weather again by the same seed, round for round.
                name = f"{seed}-{len(reports) + 1}"
                progress.update(bar, description=f"round {len(reports) + 1}")
                try:
                    reports.append(await play(stack, seed=name, seconds=min(ROUND_S, seconds)))
                except (AssertionError, TimeoutError, ExceptionGroup) as error:
                    broken = error
                    break
                progress.update(bar, completed=min(time.monotonic() - begun, seconds))
                _say(reports[-1])
                for one in reports[-1].wrong:
                    _say(f"  WRONG: {one}")
            took_s = time.monotonic() - begun
    for line in traceback.format_exception(broken) if broken else ():
        _say(line.rstrip())
    return _sum_up(reports, broken, f"make chaos SEED={seed} SERVER={server}", took_s)


def _say(text):
    _console.print(str(text), markup=False, highlight=False, soft_wrap=True)


def _sum_up(reports, broken, again, took_s):
    wrong = sum(len(report.wrong) for report in reports) + bool(broken)
    struck = sum((report.struck for report in reports), start=Counter())
    strikes = ", ".join(f"{count} {what}" for what, count in sorted(struck.items())) or "no strikes"
    payments = sum(report.payments for report in reports)
    verdict = f"{wrong} wrong" if wrong else "nothing wrong"
    _say(f"{verdict}: {len(reports)} rounds in {took_s:.0f} s, {payments} Payments; {strikes}. Again: {again}")
    return 1 if wrong else 0


if __name__ == "__main__":
    typer.run(chaos)
