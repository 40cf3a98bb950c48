"""What `ctpay resolve` says to the person who runs it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from bus.port import PublishError
from ct.errors import UnavailableError
from ct.judge import Refusal
from ct.payment import UnreadablePaymentError
from ct.resolution import Resolution
from ctpay import resolve as subject
from psp.errors import RetryableError
from psp.facts import State
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
