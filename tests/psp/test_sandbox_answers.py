"""What Sandbox Pay's answers mean, whichever call they are to: facts, or what they leave open."""

from __future__ import annotations

from datetime import UTC, datetime
from json import dumps

import aiohttp
import pytest
from pydantic import SecretStr
from support.prose import reads_well
from support.scripted_server import json, scripted

from psp.errors import OutcomeUnknownError, RefusedError, UnknownVocabularyError
from psp.facts import Kind, Reference, State
from psp.http import Patience
from psp.money import Money
from psp.port import (
    Answer,
    AuthorizeRequest,
    CancelRequest,
    CaptureRequest,
    CompleteRequest,
    ForgetRequest,
    ListRequest,
    LookupRequest,
    RefundRequest,
)
from psp.sandbox.adapter import SandboxAdapter
from psp.sandbox.api import SandboxApi

OURS = Reference(project_key="demo", payment_id="p-1", transaction_id="t-1")
METADATA = {"project_key": "demo", "payment_id": "p-1", "transaction_id": "t-1"}
AMOUNT = Money(amount=100, currency="EUR")
PAYMENT = {
    "object": "payment",
    "id": "pay_1",
    "amount": 100,
    "currency": "EUR",
    "status": "authorized",
    "metadata": METADATA,
    "card": {"brand": "Visa", "last4": "4242"},
    "action": None,
    "failure": None,
    "amount_authorized": 100,
    "authorized_at": "2030-01-01T00:00:00Z",
    "updated": "2030-01-01T00:00:00Z",
}
CAPTURE = {
    "object": "capture",
    "id": "cap_1",
    "payment": "pay_1",
    "amount": 100,
    "currency": "EUR",
    "status": "succeeded",
    "metadata": METADATA,
    "failure": None,
    "payment_metadata": METADATA,
    "payment_amount_authorized": 100,
    "succeeded_at": "2030-01-01T00:00:00Z",
    "updated": "2030-01-01T00:00:00Z",
}
PAID = {"reference": OURS, "payment_reference": "pay_1"}
NAMELESS = {"reference": OURS, "payment_reference": None, "authorization": OURS}
SPAN = {"since": datetime(2026, 3, 1, tzinfo=UTC), "until": datetime(2026, 3, 2, tzinfo=UTC)}

#: What is wanted -> where it is asked for.
OF_A_PAYMENT = {
    "authorize": (
        "/v1/payments",
        lambda one: one.authorize(
            AuthorizeRequest(
                reference=OURS, amount=AMOUNT, method="card", token=SecretStr("tok_1"), return_url="https://shop.test"
            )
        ),
    ),
    "complete": (
        "/v1/payments/pay_1/complete",
        lambda one: one.complete(CompleteRequest(**PAID, parameters={"result": "res_1"})),
    ),
    "look up": (
        "/v1/payments/pay_1",
        lambda one: one.lookup(LookupRequest(**PAID, authorization=OURS)),
    ),
}
OF_AN_OPERATION = {
    "capture": ("/v1/payments/pay_1/captures", lambda one: one.capture(CaptureRequest(**PAID, amount=AMOUNT))),
    "refund": ("/v1/payments/pay_1/refunds", lambda one: one.refund(RefundRequest(**PAID, amount=AMOUNT))),
    "cancel": (
        "/v1/payments/pay_1/cancel",
        lambda one: one.cancel(CancelRequest(**PAID, authorization=OURS, amount=AMOUNT)),
    ),
    "cancel by our reference": ("/v1/cancels", lambda one: one.cancel(CancelRequest(**NAMELESS, amount=AMOUNT))),
}


@pytest.fixture
async def psp():
    async with scripted() as server, aiohttp.ClientSession() as session:
        api = SandboxApi(
            session=session,
            draw=lambda: 0.0,
            url=server.url,
            secret_key=SecretStr("sk_1"),
            patience=Patience(tries=1),
        )
        yield server, SandboxAdapter(api)


def essence(answer):
    return [(one.kind, one.state, one.psp_reference) for one in answer.facts]


@pytest.mark.parametrize("wanted", OF_A_PAYMENT)
async def test_a_payment_is_its_authorization_and_all_that_was_done_to_it(psp, wanted):
    server, adapter = psp
    path, ask = OF_A_PAYMENT[wanted]
    server.on(path, json(PAYMENT | {"captures": [CAPTURE]}))
    assert essence(await ask(adapter)) == [
        (Kind.AUTHORIZATION, State.SUCCESS, "pay_1"),
        (Kind.CHARGE, State.SUCCESS, "cap_1"),
    ]


@pytest.mark.parametrize("wanted", OF_AN_OPERATION)
async def test_an_operation_is_what_it_is(psp, wanted):
    server, adapter = psp
    path, ask = OF_AN_OPERATION[wanted]
    server.on(path, json(CAPTURE))
    assert essence(await ask(adapter)) == [(Kind.CHARGE, State.SUCCESS, "cap_1")]


@pytest.mark.parametrize("wanted", OF_A_PAYMENT | OF_AN_OPERATION)
async def test_a_word_that_nobody_knows_leaves_the_outcome_open_and_is_told(psp, wanted):
    server, adapter = psp
    path, ask = (OF_A_PAYMENT | OF_AN_OPERATION)[wanted]
    server.on(path, json((PAYMENT if wanted in OF_A_PAYMENT else CAPTURE) | {"status": "lukewarm"}))
    with pytest.raises(OutcomeUnknownError, match=r"^The PSP's answer cannot be read: .*lukewarm"):
        await ask(adapter)


DECLINED = {"code": "card_declined", "message": "No money", "payment": PAYMENT | {"status": "failed"}}


@pytest.mark.parametrize("wanted", ["authorize", "complete"])
async def test_a_decline_that_the_psp_keeps_is_what_the_payment_says(psp, wanted):
    server, adapter = psp
    path, ask = OF_A_PAYMENT[wanted]
    declined = PAYMENT | {
        "status": "failed",
        "authorized_at": None,
        "amount_authorized": 0,
        "failure": {"code": "card_declined", "decline_code": "insufficient_funds", "message": "No money"},
    }
    server.on(path, json({"error": DECLINED | {"payment": declined}}, status=402))
    assert essence(await ask(adapter)) == [(Kind.AUTHORIZATION, State.FAILURE, "pay_1")]


async def test_a_decline_of_an_operation_is_a_definite_no_in_the_psps_words(psp):
    server, adapter = psp
    path, ask = OF_AN_OPERATION["capture"]
    server.on(path, json({"error": DECLINED}, status=402))
    with pytest.raises(RefusedError) as caught:
        await ask(adapter)
    assert (caught.value.code, caught.value.message) == ("card_declined", "No money")


async def test_a_cancel_whose_key_stands_for_another_form_is_asked_for_in_that_form(psp):
    server, adapter = psp
    path, ask = OF_AN_OPERATION["cancel"]
    spent = {"code": "idempotency_key_reused", "message": "another request"}
    server.on(path, json({"error": spent}, status=422))
    server.on("/v1/cancels", json(CAPTURE))
    assert essence(await ask(adapter)) == [(Kind.CHARGE, State.SUCCESS, "cap_1")]
    assert [one.headers["idempotency-key"] for one in server.asked] == ["t-1", "t-1"]


@pytest.mark.parametrize(
    ("names", "found"), [([], []), (["pay_1"], ["pay_1"]), (["pay_1", "pay_2", "pay_3"], ["pay_3"])]
)
async def test_of_several_payments_under_our_reference_the_newest_counts(psp, names, found):
    server, adapter = psp
    server.on("/v1/payments", json({"data": [PAYMENT | {"id": one} for one in names]}))
    answer = await adapter.lookup(LookupRequest(**NAMELESS))
    assert [one.payment_reference for one in answer.facts] == found
    assert (answer == Answer(facts=())) is (found == [])


@pytest.mark.parametrize("name", ["payment_not_found", "not_found"])
async def test_a_payment_is_missing_where_the_psp_says_so_itself(psp, name):
    server, adapter = psp
    path, ask = OF_A_PAYMENT["look up"]
    server.on(path, json({"error": {"code": name, "message": "None"}}, status=404))
    if name == "payment_not_found":
        assert await ask(adapter) == Answer(facts=())
    else:
        with pytest.raises(RefusedError):
            await ask(adapter)


async def test_what_can_name_no_payment_is_not_looked_up(psp):
    server, adapter = psp
    for odd in ("", "../x", "a" * 65):
        lookup = LookupRequest(reference=OURS, payment_reference=odd, authorization=OURS)
        assert await adapter.lookup(lookup) == Answer(facts=())
    assert server.asked == []


async def test_a_page_has_every_entry_that_can_be_read_and_names_the_others_shortly(psp):
    server, adapter = psp
    odd = {"object": "transfer", "id": "i" * 100}
    entries = [PAYMENT, CAPTURE, odd, CAPTURE | {"status": "lukewarm", "id": "cap_2"}, CAPTURE | {"id": "cap_3"}]
    server.on("/v1/ledger", json({"data": entries, "next_cursor": "cur_1"}))
    page = await adapter.page(ListRequest(**SPAN))
    assert [one.psp_reference for one in page.facts] == ["pay_1", "cap_1", "cap_3"]
    assert page.cursor == "cur_1"
    first, second = page.unreadable
    assert first.startswith(f"{'i' * 64}: ")
    assert second.startswith("cap_2: ")
    assert "lukewarm" in second


async def test_what_is_forgotten_already_is_forgotten_and_any_other_no_is_told(psp):
    server, adapter = psp
    path, wanted = "/v1/stored_methods/forget", ForgetRequest(token=SecretStr("pm_1"))
    server.on(
        path,
        json({"object": "stored_method", "deleted": True}),
        json({"error": {"code": "stored_method_not_found", "message": "None"}}, status=404),
        json({"error": {"code": "odd", "message": "No"}}, status=400),
    )
    for _ in range(2):
        assert await adapter.forget(wanted) is None
    with pytest.raises(RefusedError, match="odd") as caught:
        await adapter.forget(wanted)
    assert reads_well(caught.value)


def webhook(kind, data):
    return dumps({"id": "evt_1", "type": kind, "created": "2030-01-01T00:00:00Z", "data": data}).encode()


@pytest.mark.parametrize(
    ("kind", "data", "facts"),
    [
        ("payment.authorized", PAYMENT, [(Kind.AUTHORIZATION, State.SUCCESS, "pay_1")]),
        ("capture.succeeded", CAPTURE, [(Kind.CHARGE, State.SUCCESS, "cap_1")]),
    ],
)
async def test_an_event_is_what_its_payment_or_operation_says_under_its_own_name(psp, kind, data, facts):
    _, adapter = psp
    (event,) = adapter.parse_webhook(webhook(kind, data))
    assert (event.id, event.type, essence(event), event.stored) == ("evt_1", kind, facts, None)


async def test_an_event_of_a_kind_that_nobody_knows_is_told_by_its_kind(psp):
    _, adapter = psp
    with pytest.raises(UnknownVocabularyError, match=r"^Unknown event type 'capture\.teleported'\."):
        adapter.parse_webhook(webhook("capture.teleported", CAPTURE))
