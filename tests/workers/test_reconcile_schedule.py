"""The clock of the reconcile worker: passes at intervals, one outcome line each, an orderly stop."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from structlog.testing import capture_logs
from support.house import with_psp
from support.polling import eventually

from bus.messages import CapturePayment
from ct.errors import UnavailableError
from psp.errors import OutcomeUnknownError, RetryableError
from psp.money import Money
from psp.trace import current
from workers.reconcile import Step
from workers.reconcile_schedule import Schedule


def schedule(house, work=None, **more):
    numbers = itertools.count(1)
    values = {
        "work": work or house.work,
        "draw": lambda: 0.0,
        "new_id": lambda: str(next(numbers)),
        "every_s": 0.01,
        "rested_s": 300,
        "drain_within_s": 5,
    }
    return Schedule(**(values | more))


async def lost_capture(house, amount=1000):
    async def away(_request):
        raise RetryableError("not there")

    payment = await house.authorized()
    capture = house.ask(CapturePayment, payment.id, amount=Money(amount=amount, currency="EUR"))
    await house.deliver(capture, work=with_psp(house, capture=away))
    return payment


def passes(lines):
    return [one for one in lines if one["event"] == "reconcile.pass"]


async def until_passes(lines, count):
    async def there():
        return len(passes(lines)) >= count

    await eventually(there)


async def test_it_goes_again_and_again_and_tells_each_pass_in_one_line(house):
    await lost_capture(house)
    house.clock.pass_(minutes=6)
    with capture_logs() as lines:
        running = schedule(house)
        assert running.healthy
        await until_passes(lines, 3)
        await running.drain()
    assert not running.healthy
    first, second, *_ = passes(lines)
    assert (first["command_id"], second["command_id"]) == ("reconcile-1", "reconcile-2")
    assert first["log_level"] == "info"
    assert {step.value: first[step.value] for step in Step} == {
        "settled": 0,
        "closed": 0,
        "resumed": 1,
        "waiting": 0,
        "unknown": 0,
        "away": 0,
        "skipped": 0,
        "failed": 0,
    }
    # The first pass took it up; until it has rested twice as long there is nothing to say.
    assert second["resumed"] == 0
    assert len(house.queue.waiting) == 1


async def test_each_pass_is_a_trace_of_its_own(house):
    await lost_capture(house)
    house.clock.pass_(minutes=6)
    seen, get = [], house.client.get

    async def noting(path, *, params=None):
        seen.append(current())
        return await get(path, params=params)

    house.client.get = noting
    with capture_logs() as lines:
        running = schedule(house)
        await until_passes(lines, 2)
        await running.drain()
    assert None not in seen
    assert len({span.trace_id for span in seen}) >= 2


@pytest.mark.parametrize("wrong", ["an outage", "a bug"])
async def test_a_pass_that_fails_is_told_and_the_next_one_does_the_work(house, wrong):
    await lost_capture(house)
    house.clock.pass_(minutes=6)
    errors = {"an outage": UnavailableError("down"), "a bug": RuntimeError("sk_secret1234 broke")}
    broken = [errors[wrong]]
    ledger_get = house.client.get

    async def get(path, *, params=None):
        if broken:
            raise broken.pop()
        return await ledger_get(path, params=params)

    house.client.get = get
    with capture_logs() as lines:
        running = schedule(house)
        await until_passes(lines, 2)
        await running.drain()
    first, second, *_ = passes(lines)
    assert first["log_level"] == "warning"
    assert type(errors[wrong]).__name__ in first["reason"]
    assert "sk_secret1234" not in first["reason"]
    assert (second["reason"], second["resumed"]) == (None, 1)


async def test_what_a_person_must_see_has_a_line_of_its_own_and_an_outage_has_none(house):
    payment = await lost_capture(house)

    async def away(_request):
        raise RetryableError("not there")

    async def unreadable(_request):
        raise OutcomeUnknownError("cannot be read")

    house.clock.pass_(minutes=6)
    with capture_logs() as lines:
        for lookup in (away, unreadable):
            before = len(passes(lines))
            running = schedule(house, with_psp(house, lookup=lookup))
            await until_passes(lines, before + 1)
            await running.drain()
    first = passes(lines)[0]
    assert (first["away"], first["failed"]) == (1, 0)
    failed = next(one for one in lines if one["event"] == "reconcile.failed")
    assert (failed["payment_id"], failed["log_level"]) == (payment.id, "warning")
    assert "cannot be read" in failed["reason"]


async def test_a_stop_waits_for_the_payment_in_hand_and_begins_no_other(house):
    for _ in range(3):
        await lost_capture(house)
    house.clock.pass_(minutes=6)
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def lookup(request):
        asked.set()
        await go_on.wait()
        return await house.work.psp.lookup(request)

    with capture_logs() as lines:
        running = schedule(house, with_psp(house, lookup=lookup))
        await asked.wait()
        draining = asyncio.create_task(running.drain())
        await asyncio.sleep(0)
        assert not draining.done()
        go_on.set()
        await draining
    assert passes(lines)[-1]["resumed"] == 1
    assert passes(lines)[-1]["reason"] == "told to stop"
    assert len(house.queue.waiting) == 1


async def test_a_stop_has_its_limit(house):
    await lost_capture(house)
    house.clock.pass_(minutes=6)
    asked = asyncio.Event()

    async def lookup(_request):
        asked.set()
        await asyncio.Event().wait()

    running = schedule(house, with_psp(house, lookup=lookup), drain_within_s=0.01)
    await asked.wait()
    await running.drain()
    assert not running.healthy


async def test_a_stop_before_the_first_pass_is_at_once(house):
    running = schedule(house, draw=lambda: 0.99, every_s=3600)
    await asyncio.wait_for(running.drain(), 5)
    assert not running.healthy
    assert not any("paymentInterface" in call for call in house.client.shared["calls"])


async def test_what_could_not_be_asked_about_is_due_in_the_next_pass(house):
    await lost_capture(house)
    house.clock.pass_(minutes=6)
    fails = [RetryableError("not there")]

    async def lookup(request):
        if fails:
            raise fails.pop()
        return await house.work.psp.lookup(request)

    with capture_logs() as lines:
        running = schedule(house, with_psp(house, lookup=lookup))
        await until_passes(lines, 2)
        await running.drain()
    assert [(one["away"], one["resumed"]) for one in passes(lines)[:2]] == [(1, 0), (0, 1)]
