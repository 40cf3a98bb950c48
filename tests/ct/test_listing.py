"""Lists of our Payments, on the strict stand-in and on the npm mock, by the real client over HTTP."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from support.commercetools_servers import (
    CLIENT_ID,
    CLIENT_SECRET,
    PROJECT_KEY,
    MissingToolError,
    commercetools_mock,
    running_commercetools,
)

from ct import listing
from ct.client import Commercetools
from ct.ledger import Ledger
from ct.token import Tokens
from ct.turns import Turns

OURS = "ctpay-listing"


class Clock:
    def __init__(self):
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def ledger_at(url, wire):
    tokens = Tokens(wire=wire, auth_url=url, client_id=CLIENT_ID, client_secret=SecretStr(CLIENT_SECRET))
    client = Commercetools(wire=wire, tokens=tokens, api_url=url, project_key=PROJECT_KEY)
    return Ledger(client=client, interface=OURS, turns=Turns(), draw=lambda: 0.0, conflicts_within_s=5.0)


@pytest.fixture
async def ledger(wire, clock):
    """On the stand-in, whose clock the test moves."""
    async with running_commercetools(clock=clock) as running:
        yield ledger_at(running.url, wire)


@pytest.fixture(params=["stand-in", pytest.param("mock", marks=pytest.mark.node)])
async def either(request, wire):
    """On each server in turn; both have the real time."""
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "mock":
            try:
                url = stack.enter_context(commercetools_mock())
            except MissingToolError as missing:
                pytest.skip(str(missing))
        else:
            url = (await stack.enter_async_context(running_commercetools())).url
        yield ledger_at(url, wire)


def draft(*transactions, interface=OURS, **more):
    return {
        "amountPlanned": {"centAmount": 4200, "currencyCode": "EUR"},
        "paymentMethodInfo": {"paymentInterface": interface},
        "transactions": [
            {"type": kind, "state": state, "amount": {"centAmount": 1, "currencyCode": "EUR"}, **fields}
            for kind, state, fields in transactions
        ],
        **more,
    }


async def make(ledger, *transactions, **more):
    return (await ledger.client.post("/payments", draft(*transactions, **more)))["id"]


async def ids(ledger, condition):
    return sorted(one.id for one in (await listing.page(ledger, condition, after=None)).payments)


async def superseded_type(ledger):
    field = {
        "name": "ctpaySuperseded",
        "label": {"en": "superseded"},
        "required": False,
        "type": {"name": "Boolean"},
        "inputHint": "SingleLine",
    }
    kind = {"key": "marks", "name": {"en": "marks"}, "resourceTypeIds": ["transaction"], "fieldDefinitions": [field]}
    await ledger.client.post("/types", kind)
    return {"custom": {"type": {"typeId": "type", "key": "marks"}, "fields": {"ctpaySuperseded": True}}}


async def test_what_is_unfinished_is_found_and_nothing_else(either):
    marked = await superseded_type(either)
    initial = await make(either, ("Authorization", "Success", {}), ("Charge", "Initial", {}))
    pending = await make(either, ("Refund", "Pending", {}))
    superseded = await make(either, ("Authorization", "Success", marked))
    await make(either, ("Authorization", "Success", {}), ("Charge", "Failure", {}))
    await make(either, ("Charge", "Initial", {}), interface="other")
    now = datetime.now(UTC)
    later, before = now + timedelta(hours=1), now - timedelta(hours=1)
    everything = listing.unfinished(untouched_since=later, superseded_since=before, open_since=before)
    assert await ids(either, everything) == sorted([initial, pending, superseded])
    without = listing.unfinished(untouched_since=later, superseded_since=later, open_since=before)
    assert await ids(either, without) == sorted([initial, pending])
    nothing = listing.unfinished(untouched_since=before, superseded_since=before, open_since=before)
    assert await ids(either, nothing) == []


async def test_what_is_open_for_long_is_found_whoever_touches_the_payment(either):
    now = datetime.now(UTC)
    long_ago, lately = ({"timestamp": (now - timedelta(hours=age)).isoformat()} for age in (3, 1))
    mine = await make(either, ("Authorization", "Success", long_ago), ("Charge", "Initial", long_ago))
    # The element that is open has to be the one that is old.
    await make(either, ("Authorization", "Success", long_ago), ("Charge", "Initial", lately))
    await make(either, ("Charge", "Initial", {}))
    await make(either, ("Charge", "Initial", long_ago), interface="other")
    moment = now - timedelta(hours=2)
    assert await ids(
        either, listing.unfinished(untouched_since=moment, superseded_since=moment, open_since=moment)
    ) == [mine]


async def test_what_was_alive_in_a_span_is_found(either):
    mine = await make(either)
    await make(either, interface="other")
    now = datetime.now(UTC)
    later, before = now + timedelta(hours=1), now - timedelta(hours=1)
    assert await ids(either, listing.alive_in(since=before, until=later)) == [mine]
    assert await ids(either, listing.alive_in(since=later, until=later)) == []
    assert await ids(either, listing.alive_in(since=before, until=before)) == []
    assert await listing.count(either, listing.alive_in(since=before, until=later)) == 1


async def test_payments_are_read_by_their_ids_whosever_they_are(either):
    mine, theirs = await make(either), await make(either, interface="other")
    found = await listing.by_id(either, [mine, theirs, "no-such-id"])
    assert sorted(one.id for one in found.payments) == sorted([mine, theirs])
    assert (await listing.by_id(either, [])).payments == ()


async def test_payments_are_read_by_the_psps_names(ledger):
    mine = await make(ledger, interfaceId='pay "1" or id = "x')
    await make(ledger, interfaceId="pay_2")
    found = await listing.by_psp_reference(ledger, ['pay "1" or id = "x', "pay_3"])
    assert [one.id for one in found.payments] == [mine]


async def test_a_payment_leaves_the_unfinished_when_it_was_touched_and_comes_back(ledger, clock):
    mine = await make(ledger, ("Charge", "Initial", {}))
    condition = listing.unfinished(untouched_since=clock(), superseded_since=clock(), open_since=clock())
    assert await ids(ledger, condition) == []
    clock.now += timedelta(milliseconds=1)
    condition = listing.unfinished(untouched_since=clock(), superseded_since=clock(), open_since=clock())
    assert await ids(ledger, condition) == [mine]


@pytest.mark.parametrize("count", [0, 2, 3, 4, 6, 7])
async def test_pages_have_everything_once_even_while_others_change_it(ledger, clock, monkeypatch, count):
    monkeypatch.setattr(listing, "PAGE_SIZE", 3)
    made = sorted([await make(ledger) for _ in range(count)])
    condition = listing.alive_in(since=clock(), until=clock() + timedelta(days=1))
    seen, after, pages = [], None, 0
    while True:
        page = await listing.page(ledger, condition, after=after)
        seen += [one.id for one in page.payments]
        pages += 1
        for one in page.payments:
            # It moves in every other order than that of the ids.
            clock.now += timedelta(seconds=1)
            change = {"action": "setKey", "key": f"changed-{one.id}"}
            await ledger.client.post(f"/payments/{one.id}", {"version": one.version, "actions": [change]})
        after = page.after
        if after is None:
            break
    assert seen == made
    assert pages <= count // 3 + 1


async def test_many_names_are_asked_for_in_parts(ledger, monkeypatch):
    monkeypatch.setattr(listing, "_NAMED_MAX", 2)
    made = sorted([await make(ledger) for _ in range(5)])
    assert sorted(one.id for one in (await listing.by_id(ledger, made)).payments) == made


async def test_one_payment_that_cannot_be_read_hides_no_other(ledger, clock):
    good = await make(ledger)
    fields = {"ctpayAction": "{"}
    text = {
        "name": "ctpayAction",
        "label": {"en": "a"},
        "required": False,
        "type": {"name": "String"},
        "inputHint": "SingleLine",
    }
    kind = {"key": "acts", "name": {"en": "a"}, "resourceTypeIds": ["transaction"], "fieldDefinitions": [text]}
    await ledger.client.post("/types", kind)
    custom = {"custom": {"type": {"typeId": "type", "key": "acts"}, "fields": fields}}
    bad = await make(ledger, ("Authorization", "Initial", custom))
    condition = listing.alive_in(since=clock(), until=clock() + timedelta(days=1))
    page = await listing.page(ledger, condition, after=None)
    assert [one.id for one in page.payments] == [good]
    assert list(page.unreadable) == [bad]
    assert bad in page.unreadable[bad]
