"""`ctpay reconcile` as a person or a program sees it: what is shown, kept for the next time, and told by exit codes."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.progress import Progress
from support.house import open_house, with_psp
from typer.testing import CliRunner

from bus.messages import CapturePayment
from bus.port import PublishError
from ct.errors import UnavailableError
from ctpay import cli
from ctpay import reconcile as subject
from ctpay.reconcile import Wanted, reconcile
from ctpay.reconcile_file import ForeignFileError
from psp.capabilities import Capabilities, Listing
from psp.errors import OutcomeUnknownError, RefusedError, RetryableError
from psp.money import Money
from psp.port import Page
from workers.reconcile import AwayError
from workers.reconcile_lists import Repair


@pytest.fixture
async def house():
    async with open_house() as found:
        yield found


async def away(_request):
    raise RetryableError("not there")


async def refuses(_request):
    raise RefusedError(code="no", message="We do not tell.")


def wanted(house, **more):
    values = {
        "since": None,
        "until": None,
        "repair": Repair.NOTHING,
        "rested": timedelta(minutes=5),
        "file": None,
        "as_json": True,
    }
    return Wanted(**(values | more))


async def run(house, work=None, **more):
    return await reconcile(work or house.work, wanted(house, **more), lambda: "1")


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def lost_capture(house):
    payment = await house.authorized()
    capture = house.ask(CapturePayment, payment.id, amount=Money(amount=1000, currency="EUR"))
    await house.deliver(capture, work=with_psp(house, capture=away))
    house.clock.pass_(minutes=6)
    return payment


async def test_what_is_stuck_is_shown_and_taken_up(house, capsys):
    payment = await lost_capture(house)
    assert await run(house) == 0
    step, summary = lines(capsys)
    assert (step["step"], step["payment_id"], step["kind"], step["state"]) == (
        "resumed",
        payment.id,
        "Charge",
        "Initial",
    )
    assert summary == {"steps": 1}
    house.clock.pass_(minutes=6)
    assert await run(house, as_json=False) == 0
    shown = capsys.readouterr().out
    assert payment.id in shown
    assert "10.00 EUR" in shown
    assert "Stuck: 1 resumed." in shown
    await house.pump()
    house.clock.pass_(minutes=6)
    assert await run(house, as_json=False) == 0
    assert capsys.readouterr().out == "Stuck: nothing.\n"


async def test_exit_codes_tell_a_failure_and_that_a_person_is_needed(house, capsys):
    await house.deliver(house.pay(await house.cart()), work=with_psp(house, authorize=away))
    house.clock.pass_(minutes=26)
    assert await run(house, with_psp(house, lookup=away)) == 1
    assert lines(capsys)[0]["step"] == "away"
    assert await run(house, with_psp(house, lookup=refuses)) == 3
    assert lines(capsys)[0]["step"] == "unknown"


async def test_an_outage_is_told_without_a_traceback_and_with_what_was_done(house, capsys):
    async def down(*_args, **_kwargs):
        raise UnavailableError("commercetools gave no answer")

    house.client.get = down
    assert await run(house) == 1
    said = capsys.readouterr()
    assert "commercetools gave no answer" in said.err
    assert [json.loads(line) for line in said.out.splitlines()] == [{"steps": 0}]


@pytest.mark.parametrize(
    "error",
    [
        UnavailableError("It is away."),
        RetryableError("It is away."),
        PublishError("It is away."),
        AwayError("It is away."),
        ForeignFileError("It is another's."),
        OSError("It is full."),
    ],
)
async def test_what_ends_a_run_is_told_in_its_own_words(house, capsys, monkeypatch, error):
    async def fails(*_):
        raise error

    monkeypatch.setattr(subject, "_take_up", fails)
    assert await run(house) == 1
    assert capsys.readouterr().err == f"Reconciliation stopped: {error}\n"


async def test_the_bar_of_what_is_stuck_counts_payments_also_those_that_nothing_comes_of(house, monkeypatch):
    """One capture is lost; of two payments that the bank has not decided there is nothing to say."""
    await lost_capture(house)
    for _ in range(2):
        await house.deliver(house.pay(await house.cart(), "tok_pending"))
    await house.authorized()
    house.clock.pass_(minutes=10)
    bar = Progress(disable=True)
    steps = []
    monkeypatch.setattr(subject, "_bar", lambda: bar)
    advance = bar.advance
    monkeypatch.setattr(bar, "advance", lambda task, by: (steps.append(by), advance(task, by)))
    assert await run(house) == 0
    (task,) = bar.tasks
    assert (task.description, task.completed, task.total) == ("what is stuck", 3, 3)
    assert [by for by in steps if by] == [1, 1, 1]


async def test_the_bar_of_what_is_stuck_ends_full_also_where_the_rest_is_skipped_or_cannot_be_read(house, monkeypatch):
    for _ in range(7):
        await house.deliver(house.pay(await house.cart(), "tok_pending"))
    unreadable = house.payments()[0].id
    house.clock.pass_(minutes=10)
    get = house.client.get

    async def with_one_unreadable(path, *, params=None):
        found = await get(path, params=params)
        if path == "/payments":
            results = [one | {"amountPlanned": {}} if one["id"] == unreadable else one for one in found["results"]]
            return found | {"results": results}
        return found

    house.client.get = with_one_unreadable
    bar = Progress(disable=True)
    monkeypatch.setattr(subject, "_bar", lambda: bar)
    assert await run(house, with_psp(house, lookup=away)) == 1
    (task,) = bar.tasks
    assert (task.completed, task.total) == (7, 7)


async def test_the_bar_names_both_lists_and_counts_what_was_looked_at_in_each(house, monkeypatch):
    for _ in range(2):
        await house.authorized()
    house.clock.pass_(minutes=10)
    bar = Progress(disable=True)
    monkeypatch.setattr(subject, "_bar", lambda: bar)
    await run(house, since=house.clock.now - timedelta(hours=1))
    # How many Payments there are is known before; how long the PSP's list is, is not.
    assert [(task.description, task.completed, task.total) for task in bar.tasks] == [
        ("the PSP's list", 2, None),
        ("commercetools", 2, 2),
    ]


async def missing_capture(house):
    """The PSP has a capture that commercetools does not."""
    payment = await house.authorized()
    capture = house.ask(CapturePayment, payment.id, amount=Money(amount=1000, currency="EUR"))

    async def captures_and_is_lost(request):
        await house.work.psp.capture(request)
        raise OutcomeUnknownError("the reply is lost")

    async def lost(_request):
        raise OutcomeUnknownError("no reply")

    await house.deliver(capture, work=with_psp(house, capture=captures_and_is_lost, lookup=lost))
    return payment


async def test_differences_are_shown_repaired_and_gone(house, capsys):
    since = house.clock()
    payment = await missing_capture(house)
    house.clock.pass_(minutes=6)
    assert await run(house, since=since) == 3
    row, summary = lines(capsys)
    assert row == {
        "difference": "other-state",
        "kind": "Charge",
        "payment_id": payment.id,
        "transaction_id": row["transaction_id"],
        "psp_reference": row["psp_reference"],
        "commercetools": {"state": "Initial", "minor_units": 1000, "currency": "EUR"},
        "psp": {"state": "Success", "minor_units": 1000, "currency": "EUR"},
        "repaired": False,
    }
    assert (summary["complete"], summary["differences"], summary["psp_entries"], summary["payments"]) == (True, 1, 2, 1)
    assert await run(house, since=since, as_json=False) == 3
    shown = capsys.readouterr().out
    assert "Success 10.00 EUR" in shown
    assert "Differences: 1 other-state." in shown
    assert await run(house, since=since, repair=Repair.EVIDENT, as_json=False) == 0
    assert "repaired: 1" in capsys.readouterr().out
    assert await run(house, since=since, as_json=False) == 0
    assert "Differences: nothing." in capsys.readouterr().out


async def test_a_psp_that_gives_no_list_is_said_to_and_nothing_is_written(house, capsys):
    await lost_capture(house)
    known = {name: getattr(house.work.psp.capabilities, name) for name in Capabilities.__slots__}
    work = with_psp(house)
    work.psp.__class__.capabilities = Capabilities(**(known | {"listing": Listing.NONE}))
    before = house.payments()
    assert await run(house, work, since=house.clock() - timedelta(days=1)) == 1
    said = capsys.readouterr()
    assert "sandbox gives no list" in said.err
    assert said.out == ""
    assert (house.payments(), list(house.queue.waiting)) == (before, [])


async def test_what_cannot_be_compared_is_a_failure(house, capsys):
    since = house.clock()
    await missing_capture(house)
    house.clock.pass_(minutes=6)
    assert await run(house, with_psp(house, lookup=refuses), since=since) == 1
    said = capsys.readouterr()
    assert "We do not tell" in said.err
    assert json.loads(said.out.splitlines()[-1])["not_compared"] == 1


# Going on.


def paged(house, *, breaks_at=None, once=None):
    """The PSP's list in pages of one entry, and an outage at one of them; or what happens there instead."""

    async def page(request):
        if request.cursor == breaks_at:
            if once is not None:
                await once()
            raise RetryableError("not there")
        whole = await house.work.psp.page(replace(request, cursor=None))
        start = int((request.cursor or "n0")[1:])
        more = start + 1 < len(whole.facts)
        return Page(facts=whole.facts[start : start + 1], cursor=f"n{start + 1}" if more else None)

    return with_psp(house, page=page)


async def test_a_run_that_broke_goes_on_from_its_file_and_tells_all(house, capsys, tmp_path):
    since, until = house.clock(), house.clock() + timedelta(hours=1)
    first, second = await missing_capture(house), await missing_capture(house)
    house.clock.pass_(minutes=6)
    file = tmp_path / "progress"
    span = {"since": since, "until": until, "file": file}
    assert await run(house, paged(house, breaks_at="n2"), **span) == 1
    said = capsys.readouterr()
    assert json.loads(said.out.splitlines()[-1])["complete"] is False
    assert "Run the same command again" in said.err
    with file.open("ab") as writing:
        writing.write(b'{"phase": "psp", "curs')
    asked = []
    work = paged(house, breaks_at="never")
    page = work.psp.page

    async def watched(request):
        asked.append(request.cursor)
        return await page(request)

    work = with_psp(house, page=watched)
    assert await run(house, work, **span) == 3
    *rows, summary = lines(capsys)
    assert [one["payment_id"] for one in rows] == [first.id, second.id]
    assert (summary["complete"], summary["psp_entries"]) == (True, 4)
    assert asked == ["n2", "n3"]
    assert not file.exists()


async def test_a_run_up_to_now_goes_on_up_to_the_same_moment(house, capsys, tmp_path):
    since = house.clock()
    await missing_capture(house)
    house.clock.pass_(minutes=6)
    then = house.clock()
    file = tmp_path / "progress"
    assert await run(house, paged(house, breaks_at="n1"), since=since, file=file) == 1
    house.clock.pass_(hours=1)
    assert await run(house, paged(house, breaks_at="never"), since=since, file=file) == 3
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["to"] == then.isoformat()


@pytest.mark.parametrize("other", ["since", "until", "repair", "rested", "text"])
async def test_a_file_of_something_else_is_refused_and_left_alone(house, capsys, tmp_path, other):
    since = house.clock()
    await missing_capture(house)
    house.clock.pass_(minutes=6)
    file = tmp_path / "progress"
    if other == "text":
        file.write_text("dear diary\n")
    else:
        assert await run(house, paged(house, breaks_at="n1"), since=since, file=file) == 1
    before = file.read_bytes()
    changed = {
        "since": {"since": since - timedelta(days=1)},
        "until": {"until": house.clock() + timedelta(days=1)},
        "repair": {"repair": Repair.EVIDENT},
        "rested": {"rested": timedelta(hours=5)},
        "text": {},
    }[other]
    assert await run(house, **({"since": since, "file": file} | changed)) == 1
    assert "remove it to begin anew" in capsys.readouterr().err
    assert file.read_bytes() == before


async def test_who_stops_it_is_told_that_it_is_not_all(house, capsys, tmp_path):
    since = house.clock()
    await missing_capture(house)
    house.clock.pass_(minutes=6)
    there = asyncio.Event()

    async def hang():
        there.set()
        await asyncio.Event().wait()

    file = tmp_path / "progress"
    work = paged(house, breaks_at="n1", once=hang)
    running = asyncio.create_task(run(house, work, since=since, file=file))
    await there.wait()
    running.cancel()
    assert await running == 1
    assert "was stopped" in capsys.readouterr().err
    assert file.exists()


# The command line.


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", "2026-03-01"], "--from"),
        (["--repair"], "--from"),
        (["--from", "yesterday"], "2026-03-01"),
        (["--older-than", "long"], "no age"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused_with_what_is_right(arguments, said):
    found = CliRunner().invoke(cli.app, ["reconcile", *arguments], env={"TERM": "dumb", "COLUMNS": "200"})
    assert found.exit_code == 2
    assert said in found.output


@pytest.mark.parametrize("command", ["reconcile", "resolve"])
def test_help_has_an_example(command):
    found = CliRunner().invoke(cli.app, [command, "--help"], env={"TERM": "dumb", "COLUMNS": "200"})
    assert found.exit_code == 0
    assert f"Example: ctpay {command}" in found.output


def test_a_word_without_evidence_is_refused():
    arguments = ["resolve", "payment", "transaction", "--as", "success", "--evidence", " "]
    found = CliRunner().invoke(cli.app, arguments, env={"TERM": "dumb", "COLUMNS": "200"})
    assert found.exit_code == 2
    assert "how you know" in found.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--from", "2026-03-02", "--to", "2026-03-01"], "later than --from"),
        (["--from", "2026-03-02", "--to", "2026-03-02"], "later than --from"),
        (["--from", "0001-01-01T00:00+14:00"], "look at the year"),
        (["--from", "yesterday"], "is no time"),
        (["--to", "2026-03-01"], "go with --from"),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused_before_anything_is_asked(arguments, says):
    found = CliRunner().invoke(cli.app, ["reconcile", *arguments], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert found.exit_code == 2
    assert says in found.output
