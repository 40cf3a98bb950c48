"""What commercetools is asked for, to the letter: a word of a predicate that is wrong finds nothing, or everything."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from support.ct_documents import payment_document
from support.scripted_server import json

from ct import listing, stored
from ct.client import Commercetools
from ct.ledger import Ledger
from ct.turns import Turns

SINCE = datetime(2026, 3, 1, 12, tzinfo=UTC)
UNTIL = datetime(2026, 3, 2, 12, tzinfo=UTC)
OURS = 'paymentMethodInfo(paymentInterface = "ctpay")'
ONE = {"limit": "1", "withTotal": "false"}
PAGE = {"sort": "id asc", "limit": "500", "withTotal": "false"}
OPEN = 'transactions(state in ("Initial", "Pending"))'
MARKED = "transactions(custom(fields(ctpaySuperseded = true))) or transactions(custom(fields(ctpayLate = true)))"


@pytest.fixture
def ledger(server, wire, tokens):
    client = Commercetools(wire=wire, tokens=tokens, api_url=server.url, project_key="demo")
    return Ledger(client=client, interface="ctpay", turns=Turns(), draw=lambda: 0.0, conflicts_within_s=1.0)


QUESTIONS = {
    "by command": (
        lambda ledger: ledger.find_by_command('c"1', since=SINCE),
        "/demo/payments",
        [
            {
                "where": f'createdAt >= "2026-03-01T12:00:00.000Z" and {OURS}'
                r' and transactions(custom(fields(ctpayCommandId = "c\"1")))',
                **ONE,
            }
        ],
    ),
    "by the PSP's name": (
        lambda ledger: ledger.find("pay_1"),
        "/demo/payments",
        [
            {"where": f"{condition} and {OURS}", "limit": "2", "withTotal": "false"}
            for condition in ('interfaceId = "pay_1"', 'transactions(interactionId = "pay_1")')
        ],
    ),
    "the cart of a Payment": (
        lambda ledger: ledger.find_cart("p1"),
        "/demo/carts",
        [
            {
                "where": 'paymentInfo(payments(id = "p1")) and cartState != "Merged"',
                "expand": "paymentInfo.payments[*]",
                **ONE,
            }
        ],
    ),
    "the first page": (
        lambda ledger: listing.page(ledger, "version > 1", after=None),
        "/demo/payments",
        [{"where": f"{OURS} and version > 1", **PAGE}],
    ),
    "a later page": (
        lambda ledger: listing.page(ledger, "version > 1", after="p1"),
        "/demo/payments",
        [{"where": f'{OURS} and version > 1 and id > "p1"', **PAGE}],
    ),
    "how many": (
        lambda ledger: listing.count(ledger, "version > 1"),
        "/demo/payments",
        [{"where": f"{OURS} and version > 1", "limit": "0", "withTotal": "true"}],
    ),
    "by ids": (
        lambda ledger: listing.by_id(ledger, ["p1", "p2"]),
        "/demo/payments",
        [{"where": 'id in ("p1", "p2")', **PAGE}],
    ),
    "by the PSP's names": (
        lambda ledger: listing.by_psp_reference(ledger, ["pay_1", "pay_2"]),
        "/demo/payments",
        [{"where": 'interfaceId in ("pay_1", "pay_2")', **PAGE}],
    ),
    "one stored method": (
        lambda ledger: stored.load(ledger, "m1"),
        "/demo/payment-methods",
        [{"where": 'id = "m1" and paymentInterface = "ctpay"', **ONE}],
    ),
    "a customer's stored methods": (
        lambda ledger: stored.of_customer(ledger, "c1"),
        "/demo/payment-methods",
        [
            {
                "where": 'paymentInterface = "ctpay" and customer(id = "c1") and paymentMethodStatus = "Active"',
                **PAGE,
            }
        ],
    ),
}


@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_list_is_asked_for_by_these_words_and_under_the_requests_name(server, ledger, question):
    ask, path, queries = QUESTIONS[question]
    server.on(path, json({"results": [], "total": 0}))
    await ask(ledger.for_request("request-1"))
    assert [(one.method, dict(one.query)) for one in server.of(path)] == [("GET", query) for query in queries]
    assert {one.headers["x-correlation-id"] for one in server.of(path)} == {"request-1"}


def test_what_is_unfinished_is_open_and_old_or_marked_and_recent_or_open_for_long():
    found = listing.unfinished(
        untouched_since=UNTIL, superseded_since=SINCE, open_since=datetime(2026, 3, 2, tzinfo=UTC)
    )
    assert found == (
        f'((lastModifiedAt < "2026-03-02T12:00:00.000Z" and ({OPEN} or (lastModifiedAt >= "2026-03-01T12:00:00.000Z" and ({MARKED}))))'
        ' or transactions(state in ("Initial", "Pending") and timestamp < "2026-03-02T00:00:00.000Z"))'
    )


def test_what_was_alive_in_a_span_was_made_before_its_end_and_touched_after_its_beginning():
    assert listing.alive_in(since=SINCE, until=UNTIL) == (
        'createdAt < "2026-03-02T12:00:00.000Z" and lastModifiedAt >= "2026-03-01T12:00:00.000Z"'
    )


@pytest.mark.parametrize("results", [None, 7, {}, "none", [], [None], ["p1"]])
async def test_a_list_without_a_readable_entry_has_none(server, ledger, results):
    server.on("/demo/payments", json({"results": results}))
    server.on("/demo/carts", json({"results": results}))
    server.on("/demo/payment-methods", json({"results": results}))
    assert await ledger.find_by_command("c1", since=SINCE) is None
    assert await ledger.find("pay_1") is None
    assert await ledger.find_cart("p1") is None
    assert await listing.page(ledger, "version > 1", after=None) == listing.Listed(
        payments=(), after=None, unreadable={}
    )
    assert await stored.load(ledger, "m1") is None
    assert await stored.of_customer(ledger, "c1") == ()


@pytest.mark.parametrize(("total", "told"), [(7, 7), (0, 0), (None, None), ("7", None)])
async def test_a_count_is_a_number_or_not_known(server, ledger, total, told):
    server.on("/demo/payments", json({"results": [], "total": total}))
    assert await listing.count(ledger, "version > 1") == told


async def test_many_names_are_asked_for_in_parts_and_what_cannot_be_read_is_told_of_each(server, ledger, monkeypatch):
    monkeypatch.setattr(listing, "_NAMED_MAX", 2)
    parts = [[payment_document(identity="p1"), {"id": "p2"}], [{"id": "p3"}, payment_document(identity="p4")], []]
    server.on("/demo/payments", *(json({"results": part}) for part in parts))
    found = await listing.by_id(ledger, ["p1", "p2", "p3", "p4", "p5"])
    assert [dict(one.query)["where"] for one in server.of("/demo/payments")] == [
        'id in ("p1", "p2")',
        'id in ("p3", "p4")',
        'id in ("p5")',
    ]
    assert [one.id for one in found.payments] == ["p1", "p4"]
    assert list(found.unreadable) == ["p2", "p3"]
    assert all(name in why for name, why in found.unreadable.items())
    assert found.after is None


@pytest.mark.parametrize(("size", "after"), [(2, None), (3, "p3"), (4, None)])
async def test_only_a_full_page_has_another_after_it(server, ledger, monkeypatch, size, after):
    monkeypatch.setattr(listing, "PAGE_SIZE", 3)
    documents = [payment_document(identity=f"p{number}") for number in range(1, size + 1)]
    server.on("/demo/payments", json({"results": documents}))
    assert (await listing.page(ledger, "version > 1", after=None)).after == after
