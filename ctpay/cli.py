"""The command line. Exit codes: 0 done, 1 failed, 2 settings or arguments that cannot be used; `reconcile` has 3 too.

Imports of the product stand in the commands, so that each process loads what it needs and no more: the set-up's SDK
alone takes more memory than a worker.
"""

from __future__ import annotations

import asyncio
import enum
import os
import sys
from collections.abc import Coroutine
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console

from bus.port import NoCredentialsError
from ctpay import dead_letters, local, logs, ports
from ctpay.child import ChildError
from ctpay.console import Loudness, Screen, Terminal
from ctpay.ports import PortError
from ctpay.run import everything, shop, stand_ins, until_told_to_stop
from ctpay.seams import new_id
from ctpay.settings import SettingsError, load, load_ingress

#: Whatever else a year is, it is a slip of the finger.
_YEARS: Final = range(2000, 2200)
#: Errors whose text is all that a person needs, and the exit code.
_TOLD: Final[dict[type[Exception], int]] = {SettingsError: 2, PortError: 2, ChildError: 1, NoCredentialsError: 1}

Show = Annotated[Loudness, typer.Option(help="How much of the logs to show.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON lines instead of a table.")]

app: Final = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="ctpay connects commercetools with payment service providers.",
)
app.add_typer(dead_letters.app, name="dead-letters")


def main() -> None:
    """The command `ctpay`."""
    try:
        app(prog_name="ctpay")
    except tuple(_TOLD) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(_TOLD[type(error)])
    except BrokenPipeError:
        # Whoever read our output has had enough. The interpreter would try to write the rest once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _finish(work: Coroutine[Any, Any, int]) -> NoReturn:
    raise typer.Exit(asyncio.run(work))


@app.command()
def run(*, show: Show = Loudness.OUTCOMES) -> None:
    """Pay in a demo shop on this machine: stand-ins, connector and shop, until Ctrl-C.

    Example: [bold]SHOP_PORT=9000 ctpay run --show everything[/bold]
    """
    console = Terminal(highlight=False)
    usable = ports.chosen(os.environ)
    _finish(until_told_to_stop(lambda: shop(usable, Screen(console, show).hear, console.print), stopped=0))


@app.command()
def demo(*, json: AsJson = False, show: Show = Loudness.TROUBLES) -> None:
    """Play the payment stories without a browser, on free ports, and print what happened.

    Ends with 1 where a Payment is not what its story must give. Example: [bold]ctpay demo --json[/bold]
    """
    from ctpay.demo import JsonVoice, Voice, play
    from ctpay.stage import Addresses

    environment = local.environment(ports.free(), os.environ)
    addresses = Addresses(
        processor_url=environment["PUBLIC_URL"],
        commercetools_url=environment["CTP_API_URL"],
        session_url=environment["CTP_SESSION_URL"],
        auth_url=environment["CTP_AUTH_URL"],
        psp_url=environment["SANDBOX_PSP_URL"],
        project_key=environment["CTP_PROJECT_KEY"],
        merchant_id=environment["SHOP_CLIENT_ID"],
        merchant_secret=environment["SHOP_CLIENT_SECRET"],
    )
    voice = JsonVoice(partial(print, flush=True)) if json else Voice(Console())
    # The timeline is the result; what the processes have to say goes beside it.
    screen = Screen(Terminal(stderr=True, highlight=False), show)

    async def work() -> int:
        async with everything(environment, screen.hear):
            return 1 if await play(addresses, new_id=new_id, voice=voice) else 0

    _finish(until_told_to_stop(work, stopped=0))


@app.command()
def ingress() -> None:
    """Take requests and webhooks in, and publish them. Needs PUBLIC_URL among its settings.

    Example: [bold]PORT=8080 ctpay ingress[/bold]
    """
    from ctpay.metrics import Metrics
    from ctpay.processes import ingress as process

    settings, metrics = load_ingress(), Metrics()
    logs.configure(settings.common.logs, secrets=settings.common.secrets(), watch=metrics)
    _finish(process(settings, metrics))


@app.command()
def worker(
    name: Annotated[
        str,
        typer.Argument(
            help="authorize, capture, cancel, refund, methods, webhook, commercetools, dead-letters, reconcile, or all"
        ),
    ],
) -> None:
    """Take messages and do the work; any number of each may run anywhere.

    Example: [bold]WORKER_PORT=8090 ctpay worker capture[/bold]
    """
    from ctpay.metrics import Metrics
    from ctpay.processes import workers as process
    from workers.reconcile_schedule import NAME as RECONCILE
    from workers.runtime import WORKERS

    known = (*WORKERS, RECONCILE)
    if name != "all" and name not in known:
        raise typer.BadParameter(f"there is no worker {name}: {', '.join(known)}, or all.", param_hint="NAME")
    settings, metrics = load(), Metrics()
    logs.configure(settings.logs, secrets=settings.secrets(), watch=metrics)
    _finish(process(settings, known if name == "all" else (name,), metrics))


@app.command()
def sandbox() -> None:
    """Run the stand-ins alone (Pub/Sub, commercetools, a PSP, the shop), and print the settings for a connector.

    Example: [bold]ctpay sandbox > local.env[/bold], then elsewhere [bold]set -a; . ./local.env; ctpay ingress[/bold]
    """
    usable = ports.chosen(os.environ)
    screen = Screen(Terminal(stderr=True, highlight=False), Loudness.EVERYTHING)
    serving = partial(stand_ins, usable, screen.hear, partial(print, flush=True))
    _finish(until_told_to_stop(serving, stopped=0))


@app.command()
def setup(*, json: AsJson = False) -> None:
    """Make what is missing: topics and subscriptions, the custom types, commercetools' Subscription. Safe to repeat.

    Example: [bold]ctpay setup --json[/bold]
    """
    from ctpay.setup import set_up_everything

    settings = load()
    logs.configure(settings.logs, secrets=settings.secrets())
    _finish(set_up_everything(settings, as_json=json))


@app.command()
def reconcile(
    *,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Compare from this time on: 2026-03-01[T12:00], UTC.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Up to this time; else up to now.")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Write what the PSP's own facts prove.")] = False,
    older_than: Annotated[str, typer.Option(metavar="AGE", help="Leave alone what changed within this.")] = "10m",
    file: Annotated[
        Path | None, typer.Option("--progress", help="Keep here how far it got, and go on from there next time.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Take up what nobody works on any more; with --from, compare the PSP with commercetools both ways.

    Without --from: settles by look-up, publishes lost commands again, closes what was never sent. With it, nothing is
    written unless --repair is given. Safe to repeat and beside the workers. Ends with 3 where differences remain.

    Example: [bold]ctpay reconcile --from 2026-03-01 --to 2026-03-02 --progress march.jsonl --json[/bold]
    """
    from ctpay.letter_filter import age
    from ctpay.reconcile import Wanted
    from ctpay.reconcile import reconcile as work
    from ctpay.wiring import open_work
    from workers.reconcile_lists import Repair

    if since is None and (until, repair, file) != (None, False, None):
        raise typer.BadParameter("they go with --from.", param_hint="--to, --repair, --progress")
    try:
        wanted = Wanted(
            since=_time(since),
            until=_time(until),
            repair=Repair.EVIDENT if repair else Repair.NOTHING,
            rested=age(older_than),
            file=file,
            as_json=json,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--from, --to, --older-than") from None
    if wanted.since is not None and wanted.until is not None and wanted.until <= wanted.since:
        raise typer.BadParameter("it has to be later than --from.", param_hint="--to")
    settings = load()
    logs.configure(settings.logs, secrets=settings.secrets())

    async def run() -> int:
        async with open_work(settings) as means:
            return await work(means, wanted, new_id)

    _finish(until_told_to_stop(run))


class Said(enum.StrEnum):
    """What a person may say became of a transaction."""

    #: It happened.
    SUCCESS = "success"
    #: It did not, and will not.
    FAILURE = "failure"


@app.command()
def resolve(
    payment: Annotated[str, typer.Argument(help="The Payment's id.")],
    transaction: Annotated[str, typer.Argument(help="The transaction's id.")],
    *,
    said: Annotated[Said, typer.Option("--as", help="What became of it.")],
    evidence: Annotated[str, typer.Option(help="How you know. Kept on the Payment; no card numbers, no secrets.")],
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who says so; else the user's name here.")] = None,
    psp_reference: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The PSP's id of it. An authorization is not captured without."),
    ] = None,
    json: AsJson = False,
) -> None:
    """End by a person's word a transaction of ours whose outcome nobody can tell. The PSP is asked once more before.

    Refuses what is decided and what is not ours. Ends with 1 where the word was not written.

    Example: [bold]ctpay resolve 5d2f… 81c0… --as failure --evidence "PSP support, ticket 4711" --by Ada[/bold]
    """
    from ct.resolution import Resolution
    from ctpay.logs import Masker
    from ctpay.resolve import end
    from ctpay.wiring import open_work
    from psp.card_numbers import has_card_number, hides_card_number
    from psp.facts import State

    if not evidence.strip():
        raise typer.BadParameter("say how you know.", param_hint="--evidence")
    reference = psp_reference or ""
    if has_card_number(reference) or hides_card_number(reference):
        raise typer.BadParameter(
            "this looks like a card number; give the PSP's reference.", param_hint="--psp-reference"
        )
    who = by or _user()
    settings = load()
    logs.configure(settings.logs, secrets=settings.secrets())
    mask = Masker(settings.secrets()).text

    async def run() -> int:
        async with open_work(settings) as means:
            if means.psp.scrub(reference) != reference:
                raise typer.BadParameter(
                    "this looks like a token; give the PSP's reference.", param_hint="--psp-reference"
                )
            resolution = Resolution(
                transaction_id=transaction,
                state=State.SUCCESS if said is Said.SUCCESS else State.FAILURE,
                evidence=means.psp.scrub(mask(evidence.strip())),
                by=means.psp.scrub(mask(who)),
                at=means.clock(),
                cause=f"resolve-{new_id()}",
                psp_reference=psp_reference,
            )
            return await end(means, payment, resolution, as_json=json)

    _finish(until_told_to_stop(run))


def _user() -> str:
    """The user's name on this machine. In a container there may be none."""
    import getpass

    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        raise typer.BadParameter("nobody here knows your name: say who you are.", param_hint="--by") from None


def _time(text: str | None) -> datetime | None:
    """A moment; without a zone it is UTC. Raises ValueError."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time: write 2026-03-01 or 2026-03-01T12:00.") from None
    if moment.year not in _YEARS:
        raise ValueError(f"{text!r} is no time at which anybody paid by card: look at the year.")
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
