"""What `ctpay resolve` says to the person who runs it."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from bus.port import PublishError
from ct.errors import UnavailableError
from ct.judge import Refusal
from ct.payment import UnreadablePaymentError
from ct.resolution import Resolution
from ctpay import local, ports
from ctpay import resolve as subject
from ctpay.cli import app
from psp.errors import RetryableError
from psp.facts import State
from psp.sandbox.scrub import scrub
from workers.resolve import End, Ended

WORD = Resolution(
    transaction_id="t-1",
    state=State.FAILURE,
    evidence="ticket 4711",
    by="Ada",
    at=datetime(2026, 3, 1, 12, tzinfo=UTC),
    cause="resolve-1",
    psp_reference=None,
)


class _Psp:
    def scrub(self, text):
        return text


class _Work:
    psp = _Psp()

    def for_request(self, cause):
        return self


@pytest.mark.parametrize(
    "error",
    [
        UnavailableError("It is away."),
        RetryableError("It is away."),
        PublishError("It is away."),
        UnreadablePaymentError("It is away."),
    ],
)
async def test_where_nobody_knows_whether_it_is_written_the_person_is_told_to_run_it_again(monkeypatch, capsys, error):
    async def fails(*_):
        raise error

    monkeypatch.setattr(subject, "resolve", fails)
    assert await subject.end(_Work(), "p-1", WORD, as_json=False) == 1
    assert "run it again: It is away." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ended", "code", "said"),
    [
        (Ended(end=End.WRITTEN, state=State.FAILURE), 0, "Written"),
        (Ended(end=End.AGREED, state=State.FAILURE), 0, "The PSP itself says the same"),
        (
            Ended(end=End.REFUSED, state=State.SUCCESS, refusal=Refusal(code="decided", message="It is decided.")),
            1,
            "Not written: It is decided.",
        ),
    ],
)
async def test_a_person_is_told_what_came_of_the_word(monkeypatch, capsys, ended, code, said):
    async def ends(*_):
        return ended

    monkeypatch.setattr(subject, "resolve", ends)
    assert await subject.end(_Work(), "p-1", WORD, as_json=False) == code
    assert capsys.readouterr().out.startswith(said)


async def test_who_stops_it_is_told_that_nobody_knows_whether_it_is_written(monkeypatch, capsys):
    begun = asyncio.Event()

    async def hang(*_):
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(subject, "resolve", hang)
    running = asyncio.create_task(subject.end(_Work(), "p-1", WORD, as_json=False))
    await begun.wait()
    running.cancel()
    assert await running == 1
    assert "run it again" in capsys.readouterr().err


# The command itself.


class _Means:
    class psp:  # noqa: N801 - the work's name
        scrub = staticmethod(scrub)

    @staticmethod
    def clock():
        return WORD.at


@pytest.fixture
def command(monkeypatch):
    """Run it with these options: the exit code, what it said, and the words that would be written."""
    kept = []

    @asynccontextmanager
    async def open_work(_settings):
        yield _Means

    async def keep(_work, _payment, resolution, *, as_json):
        kept.append(resolution)
        return 0

    for name, value in local.environment(ports.free(), os.environ).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("ctpay.cli.logs.configure", lambda *_, **__: None)
    monkeypatch.setattr("ctpay.wiring.open_work", open_work)
    monkeypatch.setattr("ctpay.resolve.end", keep)

    def run(*options):
        known = ["resolve", "p-1", "t-1", "--as", "failure", "--evidence", "ticket 4711"]
        ended = CliRunner().invoke(app, [*known, *options])
        return ended.exit_code, ended.output, kept

    return run


@pytest.mark.parametrize(
    "reference",
    ["4242424242424242", "4242 4242 4242 4242", "ref4242424242424242", "tok_canary", "sk_canary"],
)
def test_a_reference_that_is_a_card_number_or_a_token_is_refused(command, reference):
    code, said, kept = command("--psp-reference", reference, "--by", "Ada")
    assert (code, kept) == (2, [])
    assert "--psp-reference" in said
    assert reference not in said


@pytest.mark.parametrize(
    "reference",
    [
        "pay_4711",
        "4242424242424243",
        "2026112300001234",
        "12345678901234567890",
        "5d2f81c0-4242-4242-4242-424242424242",
    ],
)
def test_a_reference_that_is_long_or_full_of_digits_is_kept_as_it_is(command, reference):
    code, _, (kept,) = command("--psp-reference", reference, "--by", "Ada")
    assert (code, kept.psp_reference, kept.by) == (0, reference, "Ada")


@pytest.mark.parametrize("by", ["4242424242424242", "Ada4242424242424242", "tok_canary"])
def test_no_card_number_and_no_token_is_kept_as_who_says_so(command, by):
    code, _, (kept,) = command("--by", by)
    assert code == 0
    assert not any(secret in kept.by for secret in ("4242", "canary"))


def test_who_runs_it_says_so_unless_another_name_is_given(command, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    assert command()[2][-1].by == "ada"
    assert command("--by", "Grace")[2][-1].by == "Grace"


@pytest.mark.parametrize("error", [OSError, KeyError, ImportError])
def test_where_the_machine_does_not_know_who_runs_it_the_person_is_asked_to_say(command, monkeypatch, error):
    def nobody():
        raise error

    monkeypatch.setattr("getpass.getuser", nobody)
    code, said, kept = command()
    assert (code, kept) == (2, [])
    assert "--by" in said
    assert "say who you are" in said
