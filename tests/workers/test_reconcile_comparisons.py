"""The long look back of the reconcile worker: what changed late and was told by nobody is found, days later too."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

import pytest
from structlog.testing import capture_logs
from support.house import with_psp
from support.polling import eventually

from bus.messages import CapturePayment, RefundPayment
from ct.actions import add_transaction, transaction_draft
from ct.compare import Difference
from ct.fields import InteractionKind
from psp.capabilities import Capabilities, Listing
from psp.errors import RetryableError
from psp.facts import Kind, State
from psp.money import Money
from psp.trace import current
from workers import reconcile_comparisons
from workers.reconcile_comparisons import Comparisons

DAY_S = 24 * 3600


def eur(amount):
    return Money(amount=amount, currency="EUR")


def comparisons(house, work=None, **more):
    numbers = itertools.count(1)
    values = {
        "work": work or house.work,
        "draw": lambda: 0.0,
        "new_id": lambda: str(next(numbers)),
        # One, unless a test waits for more.
        "every_s": 3600,
        "compared_s": 10 * DAY_S,
        "rested_s": 300,
        "drain_within_s": 5,
    }
    return Comparisons(**(values | more))


def outcomes(lines):
    return [one for one in lines if one["event"] == "reconcile.comparison"]


async def compared(house, count=1, work=None, **more):
    """All lines until so many rounds are over."""
    with capture_logs() as lines:
        running = comparisons(house, work, **more)

        async def there():
            return len(outcomes(lines)) >= count

        await eventually(there)
        await running.drain()
    return lines


def differences(line):
    return {one.value: line[one.value] for one in Difference if line[one.value]}


async def captured(house, amount=1000):
    payment = await house.authorized()
    await house.deliver(house.ask(CapturePayment, payment.id, amount=eur(amount)))
    return await house.payment(payment.id)


async def fail_late(house, payment):
    """The capture fails at the PSP, and its webhook is lost."""
    (charge,) = payment.of_kind(Kind.CHARGE)
    await house.control(f"/captures/{charge.interaction_id}/fail", after_days=0)
    house.clock.pass_(minutes=6)


async def capture_fails(house):
    payment = await captured(house)
    house.clock.pass_(days=4)
    await fail_late(house, payment)
    return payment.id, ("Charge", "Reversed", 1000)


async def refund_fails(house):
    payment = await captured(house)
    await house.deliver(house.ask(RefundPayment, payment.id, amount=eur(300)))
    (refund,) = (await house.payment(payment.id)).of_kind(Kind.REFUND)
    house.clock.pass_(days=4)
    await house.control(f"/refunds/{refund.interaction_id}/fail", after_days=0)
    house.clock.pass_(minutes=6)
    return payment.id, ("Refund", "Reversed", 300)


async def dispute_comes(house):
    payment = await captured(house)
    house.clock.pass_(days=4)
    await house.control(f"/payments/{payment.interface_id}/disputes")
    house.clock.pass_(minutes=6)
    return payment.id, ("Chargeback", "Pending", 1000)


async def invented(house):
    """A refund that somebody wrote in commercetools, and no PSP knows: nothing that we may write ends it."""
    payment = await captured(house)
    draft = transaction_draft(kind=Kind.REFUND, amount=eur(100), state=State.SUCCESS)
    current_ = await house.client.get(f"/payments/{payment.id}")
    body = {"version": current_["version"], "actions": [add_transaction(draft)]}
    await house.client.post(f"/payments/{payment.id}", body)
    return payment


@pytest.mark.parametrize("happens", [capture_fails, refund_fails, dispute_comes], ids=lambda one: one.__name__)
async def test_what_happened_days_later_and_no_webhook_told_of_is_found_and_repaired(house, happens):
    payment_id, row = await happens(house)
    effects = house.effects()
    (line,) = outcomes(await compared(house))
    assert row in house.rows(await house.payment(payment_id))
    assert (line["settled"], differences(line), line["failed"], line["skipped"]) == (1, {}, 0, 0)
    assert (line["log_level"], line["reason"], line["command_id"]) == ("info", None, "reconcile-1")
    assert line["count"] >= 2
    assert house.effects() == effects


async def test_it_looks_back_as_far_as_it_is_told_and_no_further(house):
    payment_id, row = await capture_fails(house)
    (line,) = outcomes(await compared(house, compared_s=3 * DAY_S))
    assert line["settled"] == 0
    assert row not in house.rows(await house.payment(payment_id))
    (line,) = outcomes(await compared(house, compared_s=4.5 * DAY_S))
    assert line["settled"] == 1
    assert row in house.rows(await house.payment(payment_id))


async def test_where_all_agree_nobody_is_asked_by_name_and_nothing_is_written(house):
    await captured(house)
    house.clock.pass_(days=2)
    asked, before = len(house.psp.house.requests), house.payments()
    (line,) = outcomes(await compared(house))
    paths = {one["path"].split("?")[0] for one in list(house.psp.house.requests)[asked:]}
    assert paths == {"/v1/ledger"}
    assert (line["settled"], differences(line)) == (0, {})
    assert house.payments() == before


async def test_what_only_a_person_can_end_has_one_line_each_time_however_many_days_show_it(house):
    """It bears no time: each day on which its Payment is alive would ask about it."""
    payment = await invented(house)
    house.clock.pass_(days=3)
    lines = await compared(house, 2, every_s=0.01)
    told = [one for one in lines if one["event"] == "reconcile.extra"]
    first, second, *_ = outcomes(lines)
    assert differences(first) == differences(second) == {"extra": 1}
    assert len(told) == len([one for one in outcomes(lines) if one["reason"] is None])
    assert {(one["payment_id"], one["type"], one["log_level"]) for one in told} == {(payment.id, "Refund", "warning")}
    assert told[0]["reason"] == "commercetools: Success 1.00 EUR; the PSP, under None: nothing"


async def test_what_is_stuck_is_counted_and_left_to_the_lines_of_the_passes(house):
    async def away(_request):
        raise RetryableError("not there")

    payment = await house.authorized()
    command = house.ask(CapturePayment, payment.id, amount=eur(900))
    await house.deliver(command, work=with_psp(house, capture=away))
    house.clock.pass_(minutes=6)
    lines = await compared(house)
    assert [differences(one) for one in outcomes(lines)] == [{"stuck": 1}]
    assert [one["event"] for one in lines if one["event"].startswith("reconcile.")] == ["reconcile.comparison"]


async def test_however_much_differs_the_log_is_not_flooded_and_all_of_it_is_counted(house, monkeypatch):
    monkeypatch.setattr(reconcile_comparisons, "_LINES_MAX", 2)
    for _ in range(4):
        await invented(house)
    house.clock.pass_(minutes=6)
    lines = await compared(house)
    assert [differences(one) for one in outcomes(lines)] == [{"extra": 4}]
    assert [one["event"] for one in lines].count("reconcile.extra") == 2


async def test_a_psp_that_gives_no_list_is_told_in_one_line_and_asked_nothing(house):
    known = {name: getattr(house.work.psp.capabilities, name) for name in Capabilities.__slots__}
    work = with_psp(house)
    work.psp.__class__.capabilities = Capabilities(**(known | {"listing": Listing.NONE}))
    with capture_logs() as lines:
        running = comparisons(house, work)

        async def there():
            return bool(lines)

        await eventually(there)
        assert running.healthy
        await running.drain()
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("reconcile.not_compared", "info")
    assert "no list" in line["reason"]
    assert not house.psp.house.requests


async def test_of_a_bug_its_kind_is_told_and_no_word_of_what_it_quotes(house):
    fails = [RuntimeError("opaque-canary-4711")]

    async def page(request):
        if fails:
            raise fails.pop()
        return await house.work.psp.page(request)

    first, *_ = outcomes(await compared_soon(house, with_psp(house, page=page)))
    assert first["reason"].startswith("RuntimeError; ")
    assert "opaque-canary-4711" not in first["reason"]


async def test_after_an_outage_it_goes_on_soon_with_the_days_that_are_left(house):
    payment_id, row = await capture_fails(house)
    asked, fails = [], [RetryableError("sk_secret1234 is not there")]

    async def page(request):
        asked.append(request.since)
        if len(asked) == 3 and fails:
            raise fails.pop()
        return await house.work.psp.page(request)

    # Longer than the test: what follows the outage is no new comparison.
    lines = await compared_soon(house, with_psp(house, page=page))
    first, second = outcomes(lines)
    assert (first["log_level"], first["skipped"], second["skipped"], second["reason"]) == ("warning", 8, 0, None)
    assert "RetryableError" in first["reason"]
    assert "sk_secret1234" not in first["reason"]
    # The day that failed once more, last, and no other twice.
    assert asked[-1] == asked[2]
    assert len(asked) == 11
    assert row in house.rows(await house.payment(payment_id))


async def compared_soon(house, work):
    """Two rounds of one comparison, between which there is no time to speak of."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reconcile_comparisons, "_SOON_S", 0.01)
        return await compared(house, 2, work)


async def test_what_cannot_be_compared_is_told_and_hides_nothing_else(house):
    payment_id, row = await capture_fails(house)

    async def page(request):
        return replace(await house.work.psp.page(request), unreadable=("cap_9: unknown status",))

    lines = await compared(house, work=with_psp(house, page=page), compared_s=5 * DAY_S)
    (line,) = outcomes(lines)
    assert (line["failed"], line["settled"], line["skipped"]) == (5, 1, 0)
    told = [one for one in lines if one["event"] == "reconcile.not_compared"]
    assert {(one["reason"], one["log_level"]) for one in told} == {("cap_9: unknown status", "warning")}
    assert row in house.rows(await house.payment(payment_id))


async def two_failed(house):
    payments = [await captured(house) for _ in range(2)]
    for payment in payments:
        await fail_late(house, payment)
    return [payment.id for payment in payments]


async def failed_ones(house, ids):
    return [one for one in ids if ("Charge", "Reversed", 1000) in house.rows(await house.payment(one))]


async def test_a_stop_waits_for_the_payment_in_hand_and_begins_no_other(house):
    ids = await two_failed(house)
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def lookup(request):
        asked.set()
        await go_on.wait()
        return await house.work.psp.lookup(request)

    with capture_logs() as lines:
        running = comparisons(house, with_psp(house, lookup=lookup))
        await asked.wait()
        draining = asyncio.create_task(running.drain())
        await asyncio.sleep(0)
        assert not draining.done()
        go_on.set()
        await draining
    assert len(await failed_ones(house, ids)) == 1
    (line,) = outcomes(lines)
    assert (line["reason"], line["log_level"]) == ("told to stop", "info")
    assert not running.healthy
    # Whoever begins again finds the rest.
    await compared(house)
    assert await failed_ones(house, ids) == ids


async def test_a_stop_between_two_pages_reads_no_other(house):
    await captured(house)
    stopped = []

    async def page(request):
        stopped.append(asyncio.create_task(running.drain()))
        return await house.work.psp.page(request)

    with capture_logs() as lines:
        running = comparisons(house, with_psp(house, page=page))

        async def there():
            return bool(outcomes(lines))

        await eventually(there)
        await asyncio.gather(*stopped)
    assert len(stopped) == 1
    assert outcomes(lines)[0]["reason"] == "told to stop"


async def test_two_at_once_repair_each_difference_once(house):
    ids = await two_failed(house)
    house.clock.pass_(days=1)
    with capture_logs() as lines:
        both = [comparisons(house), comparisons(house)]

        async def there():
            return len(outcomes(lines)) >= len(both)

        await eventually(there)
        await asyncio.gather(*(one.drain() for one in both))
    assert await failed_ones(house, ids) == ids
    for payment_id in ids:
        payment = await house.payment(payment_id)
        reversals = [one for one in payment.interactions if one.state is State.REVERSED]
        assert [one.kind for one in reversals] == [InteractionKind.REVERSED]


async def test_a_comparison_is_a_trace_of_its_own(house):
    await captured(house)
    house.clock.pass_(minutes=6)
    seen, get = [], house.client.get

    async def noting(path, *, params=None):
        seen.append(current())
        return await get(path, params=params)

    house.client.get = noting
    await compared(house, 2, every_s=0.01, compared_s=DAY_S)
    assert None not in seen
    assert len({span.trace_id for span in seen}) >= 2


async def test_a_process_begins_its_first_one_soon_and_not_at_once(house):
    running = comparisons(house, draw=lambda: 0.99, every_s=DAY_S)
    asked = len(house.psp.house.requests)
    await asyncio.wait_for(running.drain(), 5)
    assert len(house.psp.house.requests) == asked
