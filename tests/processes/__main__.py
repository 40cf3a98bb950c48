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
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from support.pubsub_servers import EmulatorMissingError, emulator_server, stand_in_server
from support.stack import TWINS, open_stack

SERVERS = {"stand-in": stand_in_server, "emulator": emulator_server}
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
    serving = SERVERS[server]()
    pubsub = await asyncio.to_thread(serving.__enter__)
    begun, reports, broken = time.monotonic(), [], None
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=_console) as progress:
            bar = progress.add_task("starting", total=seconds)
            async with open_stack(pubsub, TWINS) as stack:
                begun = time.monotonic()
                while not broken and (not reports or time.monotonic() - begun < seconds):
                    progress.update(bar, description=f"round {len(reports) + 1}")
                    # The same weather again by the same seed: round for round.
                    name = f"{seed}-{len(reports) + 1}"
                    try:
                        report = await play(stack, seed=name, seconds=min(ROUND_S, seconds))
                    except (AssertionError, TimeoutError, ExceptionGroup) as error:
                        broken = error
                        break
                    reports.append(report)
                    progress.update(bar, completed=min(time.monotonic() - begun, seconds))
                    progress.console.print(str(report), highlight=False, soft_wrap=True)
                    for one in report.wrong:
                        progress.console.print(f"  WRONG: {one}", style="red", markup=False)
                    if report.wrong:
                        break
    finally:
        await asyncio.to_thread(serving.__exit__, None, None, None)
    for line in traceback.format_exception(broken) if broken else ():
        _console.print(line.rstrip(), markup=False, highlight=False, soft_wrap=True)
    return _sum_up(reports, broken, seed, server, time.monotonic() - begun)


def _sum_up(reports, broken, seed, server, took_s):
    wrong = sum(len(report.wrong) for report in reports) + bool(broken)
    struck = sum((report.struck for report in reports), start=Counter())
    strikes = ", ".join(f"{count} {what}" for what, count in sorted(struck.items())) or "no strikes"
    payments = sum(report.payments for report in reports)
    verdict = f"{wrong} wrong" if wrong else "nothing wrong"
    _console.print(
        f"{verdict}: {len(reports)} rounds in {took_s:.0f} s over the {server}, {payments} Payments; {strikes}. "
        f"Again: make chaos SEED={seed}",
        highlight=False,
        soft_wrap=True,
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    typer.run(chaos)
