"""POST /operations/payment-intents/{id} over HTTP: every row of the answers table, and what is published."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bus.messages import CancelPayment, CapturePayment, RefundPayment, ReversePayment
from bus.topics import Topic
from ct.callers import Caller
from ct.errors import ForbiddenError, UnavailableError
from handlers.dependencies import Limits
from psp.money import Money
from psp.outcome import Outcome, Reason, Standing

EUR_10 = {"centAmount": 1000, "currencyCode": "EUR"}
CAPTURE = {"action": "capturePayment", "amount": EUR_10}
REASON = Reason(code="over-capture", message="5.00 EUR are left.")
TOLD = {"code": "over-capture", "message": "5.00 EUR are left."}


@pytest.mark.parametrize(
    ("standing", "status", "told"),
    [
        (Standing(outcome=Outcome.APPROVED, payment_reference="p-1"), 200, {"outcome": "approved"}),
        (Standing(outcome=Outcome.REJECTED, reason=REASON), 200, {"outcome": "rejected", "reason": TOLD}),
        (Standing(outcome=Outcome.REFUSED, reason=REASON), 200, {"outcome": "rejected", "reason": TOLD}),
        (Standing(outcome=Outcome.PENDING), 200, {"outcome": "received"}),
        (Standing(outcome=Outcome.ACTION), 200, {"outcome": "received"}),
        (None, 200, {"outcome": "received"}),
        (Standing(outcome=Outcome.NOT_FOUND), 404, "ResourceNotFound"),
        (Standing(outcome=Outcome.KEY_REUSED), 422, "IdempotencyKeyReused"),
    ],
    ids=["approved", "rejected", "refused", "pending", "action", "no result", "not found", "key reused"],
)
async def test_every_outcome_has_its_answer(ingress, world, standing, status, told):
    world.standing = standing
    response, body = await ingress.modify(CAPTURE)
    assert response.status == status
    if isinstance(told, str):
        assert body["message"] in {
            "There is no such payment.",
            "This Idempotency-Key was used for another request. Send a new one.",
        }
        assert (body["statusCode"], body["errors"][0]["code"]) == (status, told)
    else:
        assert body == told


@pytest.mark.parametrize(
    ("action", "topic", "kind", "fields"),
    [
        (CAPTURE | {"merchantReference": "inv-1"}, Topic.CAPTURE, CapturePayment, {"merchant_reference": "inv-1"}),
        (CAPTURE | {"transactionId": "ch-1"}, Topic.CAPTURE, CapturePayment, {"transaction_id": None}),
        ({"action": "refundPayment", "amount": EUR_10}, Topic.REFUND, RefundPayment, {"charge_id": None}),
        (
            {"action": "refundPayment", "amount": EUR_10, "transactionId": "ch-1", "merchantReference": ""},
            Topic.REFUND,
            RefundPayment,
            {"charge_id": "ch-1", "merchant_reference": None},
        ),
        ({"action": "cancelPayment"}, Topic.CANCEL, CancelPayment, {}),
        (
            {"action": "reversePayment", "merchantReference": "r"},
            Topic.CANCEL,
            ReversePayment,
            {"merchant_reference": "r"},
        ),
    ],
)
async def test_every_action_becomes_its_command(ingress, world, action, topic, kind, fields):  # noqa: PLR0917 - a table
    await ingress.modify(action)
    published_on, command, _ = world.published[0]
    assert (published_on, type(command)) == (topic, kind)
    assert (command.payment_id, command.transaction_id, command.reply_to) == ("p-1", None, "ingress-1")
    for name, value in fields.items():
        assert getattr(command, name) == value
    if "amount" in action:
        assert command.amount == Money(amount=1000, currency="EUR")


async def test_two_equal_captures_without_a_key_are_two_commands_and_with_one_they_are_one(ingress, world):
    for headers in ({}, {}, {"Idempotency-Key": "k"}, {"Idempotency-Key": "k"}):
        await ingress.modify(CAPTURE, headers=headers)
    ids = [command.command_id for command in world.messages]
    assert len(set(ids)) == 3
    assert ids[2] == ids[3]


async def test_a_key_is_one_callers_on_one_payment(ingress, world):
    headers = {"Idempotency-Key": "k"}
    await ingress.modify(CAPTURE, headers=headers)
    await ingress.modify(CAPTURE, headers=headers, path="p-2")
    world.caller = replace(world.caller, client_id="another")
    await ingress.modify(CAPTURE, headers=headers)
    assert len({command.command_id for command in world.messages}) == 3


@pytest.mark.parametrize(
    "other",
    [
        {"action": "capturePayment", "amount": EUR_10 | {"centAmount": 1001}},
        {"action": "capturePayment", "amount": EUR_10 | {"currencyCode": "USD"}},
        {"action": "refundPayment", "amount": EUR_10},
        {"action": "refundPayment", "amount": EUR_10, "transactionId": "ch-1"},
        {"action": "cancelPayment"},
    ],
)
async def test_a_key_that_is_reused_for_other_money_shows_in_the_hash(ingress, world, other):
    headers = {"Idempotency-Key": "k"}
    await ingress.modify(CAPTURE, headers=headers)
    await ingress.modify(CAPTURE | {"merchantReference": "same money"}, headers=headers)
    await ingress.modify(other, headers=headers)
    first, same, changed = world.messages
    assert first.command_id == same.command_id == changed.command_id
    assert first.request_hash == same.request_hash != changed.request_hash


async def test_the_result_that_comes_in_time_is_the_answer_and_the_wait_can_be_chosen(serve, world):
    ingress = await serve(limits=Limits(intents_wait_s=0))
    asking = asyncio.create_task(ingress.modify(CAPTURE, headers={"Prefer": "wait=20"}))
    await world.happened.wait()
    await world.deliver(world.message.command_id, Standing(outcome=Outcome.APPROVED))
    response, body = await asking
    assert body == {"outcome": "approved"}
    assert response.headers["Preference-Applied"] == "wait=20"


async def test_a_publish_that_is_not_confirmed_is_a_503(ingress, world):
    world.publishing_fails = True
    response, body = await ingress.modify(CAPTURE)
    assert (response.status, response.headers["Retry-After"]) == (503, "1")
    assert body["errors"][0]["code"] == "ServiceUnavailable"


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer token-2", "token-1"]
)
async def test_a_caller_without_a_good_token_is_a_401_in_the_contracts_shape(ingress, world, authorization):
    headers = {} if authorization is None else {"Authorization": authorization}
    response, body = await ingress.ask("POST", "/operations/payment-intents/p-1", headers=headers, json={"actions": []})
    assert response.status == body["statusCode"] == 401
    code = "invalid_token" if authorization == "Bearer token-2" else "access_denied"
    assert body["error"] == body["errors"][0]["code"] == code
    assert body["error_description"] == body["message"]
    assert world.published == []


@pytest.mark.parametrize(
    ("authorities", "status"),
    [
        ({"manage_project"}, 200),
        ({"manage_checkout_payment_intents", "view_orders"}, 200),
        ({"manage_payments"}, 403),
        (set(), 403),
    ],
)
async def test_one_of_two_scopes_is_needed_and_lacking_it_is_a_403_that_names_them(ingress, world, authorities, status):
    world.caller = Caller(client_id="c", authorities=frozenset(authorities))
    response, body = await ingress.modify(CAPTURE)
    assert response.status == status
    if status == 403:
        assert body["error"] == "insufficient_scope"
        assert "manage_checkout_payment_intents" in body["message"]
        assert world.published == []


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (UnavailableError("GET /sessions/…: no reply"), 503, "ServiceUnavailable"),
        (ForbiddenError("needs view_sessions"), 500, "General"),
        (RuntimeError("canary"), 500, "General"),
    ],
)
async def test_when_nobody_can_tell_who_calls_it_is_our_fault_and_not_a_401(  # noqa: PLR0917 - a table
    ingress, world, logs, fault, status, code
):
    world.callers_fault = fault
    for response, body in (await ingress.modify(CAPTURE), await ingress.pay()):
        assert (response.status, body["errors"][0]["code"]) == (status, code)
        assert str(fault) not in str(body)
    failed = [entry for entry in logs if entry["event"] == "request.failed"]
    assert [entry["type"] for entry in failed] == [type(fault).__name__] * 2
    # A message that is not ours may quote the caller; ours are written for the log.
    assert ("canary" in str(failed)) is False
    assert world.published == []
