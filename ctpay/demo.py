"""`ctpay demo`: plays the stories over a running stack and says what happened, for people or line by line as JSON.

Every byte crosses real HTTP and real gRPC. It fails if a final Payment differs from what its story must give.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from rich.console import Console
from rich.table import Table

from ctpay.stage import PATIENCE_S, Addresses, Stage, StoryError, open_stage
from ctpay.stories import STORIES, Rows, Story, Telling

if TYPE_CHECKING:
    from collections.abc import Callable

    from psp.seams import NewId

_CALL_S: Final = aiohttp.ClientTimeout(total=PATIENCE_S)


async def play(addresses: Addresses, *, new_id: NewId, voice: Voice) -> int:
    """Play every story. The number of stories that did not end as they must."""
    failed = 0
    async with aiohttp.ClientSession(timeout=_CALL_S) as http:
        stage = await open_stage(http, addresses, new_id)
        for story in STORIES:
            voice.begin(story)
            fault, payments = await _tell(stage, story, voice)
            voice.end(story, payments, fault)
            failed += fault is not None
    voice.close(len(STORIES), failed)
    return failed


async def _tell(stage: Stage, story: Story, voice: Voice) -> tuple[str | None, list[dict[str, Any]]]:
    telling = Telling(stage=stage, say=voice.say)
    try:
        await story.play(telling)
        payments = [one for checkout in telling.checkouts for one in await stage.payments_of(checkout)]
    except (StoryError, aiohttp.ClientError, TimeoutError, KeyError) as error:
        return f"{type(error).__name__}: {error}", []
    seen = rows_of(payments)
    if sorted(seen) == sorted(story.ends_with):
        return None, payments
    return f"must end with {sorted(story.ends_with)}, and ends with {sorted(seen)}", payments


def rows_of(payments: list[dict[str, Any]]) -> Rows:
    """Type, state and minor units of every transaction."""
    return tuple(
        (one["type"], one["state"], one["amount"]["centAmount"])
        for payment in payments
        for one in payment["transactions"]
    )


class Voice:
    """How the stories are told; this one to people."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def begin(self, story: Story) -> None:
        self._console.print(f"\n[bold]{story.name}[/bold]")

    def say(self, step: str) -> None:
        self._console.print(f"  [dim]│[/dim] {step}", highlight=False)

    def end(self, _story: Story, payments: list[dict[str, Any]], fault: str | None) -> None:
        for payment in payments:
            self._console.print(_table(payment))
        self._console.print("  [green]✓ as it must be[/green]" if fault is None else f"  [red]✗ {fault}[/red]")

    def close(self, told: int, failed: int) -> None:
        colour = "red" if failed else "green"
        self._console.print(f"\n[{colour}]{told - failed} of {told} stories ended as they must.[/{colour}]")


class JsonVoice(Voice):
    """One JSON object a line, for machines."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._story = ""

    def begin(self, story: Story) -> None:
        self._story = story.name

    def say(self, step: str) -> None:
        self._line(event="step", story=self._story, step=step)

    def end(self, story: Story, payments: list[dict[str, Any]], fault: str | None) -> None:
        self._line(event="story", story=story.name, passed=fault is None, fault=fault, transactions=rows_of(payments))

    def close(self, told: int, failed: int) -> None:
        self._line(event="demo", stories=told, failed=failed)

    def _line(self, **fields: object) -> None:
        self._write(json.dumps(fields))


def _table(payment: dict[str, Any]) -> Table:
    table = Table(
        "transaction", "state", "amount", "PSP reference", title=f"Payment {payment['id']}", title_justify="left"
    )
    for one in payment["transactions"]:
        amount = f"{one['amount']['centAmount'] / 100:.2f} {one['amount']['currencyCode']}"
        table.add_row(one["type"], one["state"], amount, one.get("interactionId", ""))
    return table
