"""`ctpay dead-letters`: the commands. What they do is in `ctpay.letters`.

Exit codes: 0 done; 1 the bus refused, a letter is not there or cannot be replayed; 2 arguments that cannot be used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from bus.port import Cause
from bus.topics import Topic
from ctpay import logs
from ctpay.letter_filter import Wanted, age
from ctpay.run import until_told_to_stop
from ctpay.settings import load

if TYPE_CHECKING:
    from ctpay.letters import Desk

app: Final = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Messages that wait for a person: poison, refusals, and what did not heal in 31 days. "
    "Those of an outage replay by themselves and are not among them.",
)

_AGE = "For example 30m, 2h or 7d."
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids, as `list` shows them.")]
Worker = Annotated[Topic | None, typer.Option(help="Of this worker.", show_choices=False, metavar="NAME")]
Reason = Annotated[str | None, typer.Option(help="With this in the reason.")]
ByCause = Annotated[Cause | None, typer.Option(help="poison, refused or given-up.", metavar="CAUSE")]
Type = Annotated[str | None, typer.Option("--type", help="Of this message type, for example RefundPayment.")]
Correlation = Annotated[str | None, typer.Option(help="Of this one request.")]
Older = Annotated[str | None, typer.Option(help=f"Dead for longer. {_AGE}")]
Newer = Annotated[str | None, typer.Option(help=f"Dead for less. {_AGE}")]
All = Annotated[bool, typer.Option("--all", help="All of them, where neither ids nor filters are given.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell which.")]
Rate = Annotated[float, typer.Option(min=0.01, max=1000, help="Letters in a second.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="The most letters at once.")]
Wait = Annotated[float, typer.Option(min=0.1, max=60, help="Seconds without a further letter that mean: no more.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON lines instead of text.")]


@app.command("list")
def list_(
    *,
    worker: Worker = None,
    reason: Reason = None,
    cause: ByCause = None,
    type_: Type = None,
    correlation_id: Correlation = None,
    older_than: Older = None,
    newer_than: Newer = None,
    limit: Limit = 1000,
    wait: Wait = 3.0,
    json: AsJson = False,
) -> None:
    """List them. Nothing of a body is shown. While it runs, nobody else sees the same letters.

    Example: [bold]ctpay dead-letters list --worker refund --newer-than 2d[/bold]
    """
    wanted = _wanted(
        ids=None,
        worker=worker,
        reason=reason,
        cause=cause,
        type_=type_,
        correlation_id=correlation_id,
        older_than=older_than,
        newer_than=newer_than,
    )
    _run(lambda desk: desk.listing(wanted), limit=limit, wait=wait, as_json=json)


@app.command()
def show(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids, as `list` shows them.")],
    *,
    wait: Wait = 3.0,
    json: AsJson = False,
) -> None:
    """Show all of a letter that is not secret: tokens, shoppers' data and unreadable bytes stay hidden.

    Example: [bold]ctpay dead-letters show 4711[/bold]
    """
    wanted = Wanted(ids=frozenset(ids))
    _run(lambda desk: desk.show(wanted), limit=len(ids), wait=wait, as_json=json)


@app.command()
def replay(
    ids: Ids = None,
    *,
    worker: Worker = None,
    reason: Reason = None,
    cause: ByCause = None,
    type_: Type = None,
    correlation_id: Correlation = None,
    older_than: Older = None,
    newer_than: Newer = None,
    everything: All = False,
    dry_run: DryRun = False,
    rate: Rate = 10,
    limit: Limit = 1000,
    wait: Wait = 3.0,
    json: AsJson = False,
) -> None:
    """Send letters to their topics again, as they were. Harmless however often: the law makes a repetition one effect.

    Example: [bold]ctpay dead-letters replay --worker webhook --reason "unknown event" --dry-run[/bold]
    """
    wanted = _wanted(
        ids=ids,
        worker=worker,
        reason=reason,
        cause=cause,
        type_=type_,
        correlation_id=correlation_id,
        older_than=older_than,
        newer_than=newer_than,
    )
    _refuse_all_unless(everything, wanted)
    per_s = None if dry_run else rate
    _run(lambda desk: desk.replay(wanted, per_s=per_s), limit=limit, wait=wait, as_json=json)


@app.command()
def drop(
    ids: Ids = None,
    *,
    worker: Worker = None,
    reason: Reason = None,
    cause: ByCause = None,
    type_: Type = None,
    correlation_id: Correlation = None,
    older_than: Older = None,
    newer_than: Newer = None,
    everything: All = False,
    yes: Annotated[bool, typer.Option("--yes", help="Really. Without it this is a dry run.")] = False,
    dry_run: DryRun = False,
    rate: Rate = 10,
    limit: Limit = 1000,
    wait: Wait = 3.0,
    json: AsJson = False,
) -> None:
    """Remove letters for ever; the logs keep which. Only with --yes.

    Example: [bold]ctpay dead-letters drop --cause poison --older-than 7d --yes[/bold]
    """
    wanted = _wanted(
        ids=ids,
        worker=worker,
        reason=reason,
        cause=cause,
        type_=type_,
        correlation_id=correlation_id,
        older_than=older_than,
        newer_than=newer_than,
    )
    _refuse_all_unless(everything, wanted)
    per_s = rate if yes and not dry_run else None
    _run(lambda desk: desk.drop(wanted, per_s=per_s), limit=limit, wait=wait, as_json=json)


def _wanted(
    *,
    ids: list[str] | None,
    worker: Topic | None,
    reason: str | None,
    cause: Cause | None,
    type_: str | None,
    correlation_id: str | None,
    older_than: str | None,
    newer_than: str | None,
) -> Wanted:
    given: dict[str, list[str] | list[str | None]] = {
        "[ID]...": ids or [],
        "--reason": [reason],
        "--type": [type_],
        "--correlation-id": [correlation_id],
        "--older-than": [older_than],
        "--newer-than": [newer_than],
    }
    if empty := [name for name, texts in given.items() if "" in texts]:
        # An unset variable of a script: it would mean every letter, or be left out in silence.
        raise typer.BadParameter("it is empty: say what it is, or leave it out.", param_hint=", ".join(empty))
    try:
        return Wanted(
            ids=frozenset(ids or ()),
            worker=worker,
            reason=reason,
            cause=cause,
            type=type_,
            correlation_id=correlation_id,
            older_than=None if older_than is None else age(older_than),
            newer_than=None if newer_than is None else age(newer_than),
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--older-than, --newer-than") from None


def _refuse_all_unless(everything: bool, wanted: Wanted) -> None:  # noqa: FBT001 - the option itself
    if wanted == Wanted() and not everything:
        raise typer.BadParameter("say which: ids, filters, or --all.", param_hint="[ID]...")


def _run(work: Callable[[Desk], Awaitable[int]], *, limit: int, wait: float, as_json: bool) -> NoReturn:
    from ctpay.letters import at_desk  # noqa: PLC0415 - no other command needs the bus's client, which loads slowly

    settings = load()
    logs.configure(settings.logs, secrets=settings.secrets())
    working = partial(at_desk, settings, work, count_max=limit, wait_s=wait, as_json=as_json)
    raise typer.Exit(asyncio.run(until_told_to_stop(working)))
