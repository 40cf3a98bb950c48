"""What `ctpay resolve` says to the person who runs it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from ct.resolution import Resolution
from ctpay import resolve as subject
from psp.facts import State

WORD = Resolution(
    transaction_id="t-1",
    state=State.FAILURE,
    evidence="ticket 4711",
    by="Ada",
    at=datetime(2026, 3, 1, 12, tzinfo=UTC),
    cause="resolve-1",
    psp_reference=None,
)


class _Work:
    def for_request(self, cause):
        return self


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
