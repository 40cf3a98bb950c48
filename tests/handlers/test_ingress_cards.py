"""No card number enters, wherever it stands; and what only looks a little like one is let through."""

from __future__ import annotations

import json
import logging
import uuid

import pytest

from handlers.cards import is_card_field
from psp.card_numbers import has_card_number

PAN = "4111111111111111"
CANARIES = [
    PAN,
    "4111 1111 1111 1111",
    "4111-1111-1111-1111",
    "4111 - 1111 - 1111 - 1111",
    "4111\u00a01111\u20131111\u20141111",
    "\uff14" + "\uff11" * 15,
    "378282246310005",
    "4222222222222",
    "6304000000000000000",
    "card 4111111111111111, please",
    "x=4111111111111111;",
    # With what often stands beside it.
    "4242 4242 4242 4242 123",
    "4242424242424242 12/28 123",
    "10 4242424242424242",
    "2026-03-01 4242424242424242",
    "4242424242424242-12",
    # Written otherwise.
    "4242.4242.4242.4242",
    "4242/4242/4242/4242",
    "4242    4242    4242    4242",
    "4242\u200b4242\u200b4242\u200b4242",
]
HARMLESS = [
    "",
    "4111111111111112",
    "411111111111",
    "41111111111111110000",
    "tok_4111111111111111",
    "pi_3Nabc4111111111111111def",
    "4111111111111111abc",
    # A UUID whose first groups are sixteen digits that pass Luhn's test.
    "41111111-1111-1111-8444-555555555555",
    "2026-11-22T12:30:00.000Z",
    "2026-11-22 12:30:00.000",
    "+49 30 1234567-89",
    "192.168.100.200",
    "0" * 64,
]
FIXED = "The request holds what looks like card data. Send the token of the PSP's hosted fields instead."


@pytest.mark.parametrize("text", CANARIES)
def test_a_card_number_is_found_however_it_is_written(text):
    assert has_card_number(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_cannot_be_a_card_number_is_none(text):
    assert not has_card_number(text)


def test_no_uuid_is_taken_for_a_card_number():
    assert not any(has_card_number(str(uuid.UUID(int=number * 10**34 + number))) for number in range(1, 5000))


@pytest.mark.parametrize(
    "name", ["cvc", "CVV", "card_number", "cardNumber", "security-code", "pan", "cvc2", "CVV2", "card_cvc", "cardCvv"]
)
def test_a_field_named_for_card_data_is_known(name):
    assert is_card_field(name)
    assert not is_card_field(f"my{name}s")


def _bodies(canary):
    method = {"type": "card", "token": "tok_1"}
    yield {"paymentMethod": method | {"token": canary}}
    yield {"paymentMethod": method | {"type": canary}}
    yield {"paymentMethod": method | {"holder": canary}}
    yield {"paymentMethod": method, "unknown": {"deep": [{"er": canary}]}}
    yield {"paymentMethod": method, canary: 1}
    yield {"paymentMethod": method, "actions": [{"action": "cancelPayment", "merchantReference": canary}]}
    yield {"paymentMethod": method, "parameters": {"a": canary}}
    yield {"paymentMethod": method, "parameters": {canary: "a"}}


NUMBERS = [
    {"paymentMethod": {"type": "card", "token": "tok_1", "number": int(PAN)}},
    {"paymentMethod": {"type": "card", "token": "tok_1", "number": float(PAN)}},
    {"paymentMethod": {"type": "card", "token": "tok_1", "cvc": "123"}},
]


@pytest.mark.parametrize("canary", CANARIES)
async def test_card_data_in_a_body_is_refused_without_a_trace(ingress, world, logs, caplog, canary):
    caplog.set_level(logging.DEBUG)
    session, bearer = {"X-Session-Id": "session-1"}, {"Authorization": "Bearer token-1"}
    for body in [*_bodies(canary), *NUMBERS]:
        for path, headers in (
            ("/payments", session),
            ("/payments/op-1/complete", session),
            ("/operations/payment-intents/p-1", bearer),
        ):
            response, told = await ingress.ask("POST", path, headers=headers, json=body)
            assert (response.status, told["message"]) == (400, FIXED)
            assert canary not in json.dumps(told, ensure_ascii=False) + str(response.headers)
    assert world.published == []
    assert canary not in str(logs) + caplog.text


@pytest.mark.parametrize(
    "number", ["6304000000000000000.0", "4111111111111111.0", "4.111111111111111e15", "-4111111111111111"]
)
async def test_a_number_is_looked_at_as_it_was_written(ingress, world, number):
    """JSON's numbers are exact, what is read of them is not."""
    headers = {"X-Session-Id": "session-1", "Content-Type": "application/json"}
    response, told = await ingress.ask("POST", "/payments", headers=headers, data=f'{{"note": {number}}}')
    assert (response.status, told["message"]) == (400, FIXED)
    assert world.published == []


async def test_card_data_outside_bodies_is_refused_without_a_trace(ingress, world, logs, caplog):
    caplog.set_level(logging.DEBUG)
    session, bearer = {"X-Session-Id": "session-1"}, {"Authorization": "Bearer token-1"}
    key = {"Idempotency-Key": PAN}
    asked = [
        ("POST", "/payments", session | key),
        ("POST", "/payments/op-1/complete", session | key),
        ("POST", "/operations/payment-intents/p-1", bearer | key),
        ("POST", f"/payments?card={PAN}", session),
        ("POST", f"/payments?{PAN}", session),
        ("GET", f"/payments/op-1?card={PAN}", session),
        ("GET", f"/operations/config?card={PAN}", session),
        ("POST", f"/operations/payment-intents/p-1?card={PAN}", bearer),
        ("GET", f"/payments/{PAN}", session),
        ("POST", f"/payments/{PAN}/complete", session),
        ("POST", f"/operations/payment-intents/{PAN}", bearer),
    ]
    for method, path, headers in asked:
        response, told = await ingress.ask(method, path, headers=headers, json={})
        assert (response.status, told["message"]) == (400, FIXED), path
    assert world.published == []
    assert world.status_asked == []
    assert PAN not in str(logs) + caplog.text


async def test_a_card_number_is_no_correlation_id(ingress, world, logs):
    response, _ = await ingress.pay(headers={"X-Correlation-ID": PAN})
    assert response.headers["X-Correlation-ID"] == world.message.correlation_id != PAN
    assert PAN not in str(logs)


async def test_the_token_goes_into_the_message_and_into_no_log(ingress, world, logs, caplog):
    caplog.set_level(logging.DEBUG)
    await ingress.pay({"paymentMethod": {"type": "card", "token": "tok_canary"}}, {"Idempotency-Key": "key_canary"})
    assert world.message.token.get_secret_value() == "tok_canary"
    assert "canary" not in str(logs) + caplog.text


@pytest.mark.parametrize("number", ["1732371234565", "1732371234573", "ORD-1732371234565", "2024-1732371234565"])
def test_an_order_number_made_of_milliseconds_is_no_card_number(number):
    assert not has_card_number(number)


@pytest.mark.parametrize("between", ["_", ":", "+", "·", "•", "*", ";", "~", "'", "\\", "     ", ")(", " - "])
def test_a_card_number_is_found_whatever_stands_between_its_groups(between):
    assert has_card_number(between.join(("4111", "1111", "1111", "1111")))


@pytest.mark.parametrize("glued", ["PAN4111111111111111", "4111 1111 1111 1111x", "po_4111111111111111_1"])
async def test_a_card_number_glued_to_a_word_is_refused_where_words_are_kept(ingress, world, glued):
    """Ids and tokens are full of digits; what a person wrote stands in commercetools and at the PSP for good."""
    session, bearer = {"X-Session-Id": "session-1"}, {"Authorization": "Bearer token-1"}
    amount = {"centAmount": 1, "currencyCode": "EUR"}
    renewal = {"type": "Recurring", "cartId": "c", "checkoutTransactionItemId": "i", "paymentMethodId": "m"}
    asked = [
        ("/payments", session, {"paymentMethod": {"type": "card", "token": "tok_1", "poNumber": glued}}),
        ("/payments", session, {"paymentMethod": {"type": "card", "token": "tok_1", "invoiceMemo": glued}}),
        ("/operations/transactions", bearer, renewal | {"futureOrderNumber": glued}),
    ]
    for action in ("capturePayment", "refundPayment", "cancelPayment", "reversePayment"):
        intent = {"action": action, "amount": amount, "merchantReference": glued}
        asked.append(("/operations/payment-intents/p-1", bearer, {"actions": [intent]}))
    for path, headers, body in asked:
        response, told = await ingress.ask("POST", path, headers=headers, json=body)
        (fault,) = told["errors"]
        assert (response.status, fault["code"]) == (400, "InvalidField"), body
        assert glued not in json.dumps(told)
    assert world.published == []
