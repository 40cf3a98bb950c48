"""The contract row by row over the whole product: who may call, what is answered, what commercetools is asked for it.

Where the reference answers worse, the test says so in its name or beside it.
"""

from __future__ import annotations

import asyncio

import pytest
from support.whole import PROJECT, open_whole

NOBODY = "11111111-2222-4333-8444-555555555555"
CAPTURE = {"action": "capturePayment", "amount": {"centAmount": 1000, "currencyCode": "EUR"}}

SESSION_ROUTES = [
    ("GET", "/operations/config"),
    ("POST", "/payments"),
    ("GET", "/payments/op-1"),
    ("POST", "/payments/op-1/complete"),
]
PERSON_ROUTES = [("GET", "/operations/status"), ("GET", "/operations/payment-components")]
PROGRAM_ROUTES = [("POST", f"/operations/payment-intents/{NOBODY}")]


@pytest.fixture
async def whole(monkeypatch):
    async with open_whole(monkeypatch) as found:
        yield found


# Section 1.1: who calls.


@pytest.mark.parametrize(("method", "path"), SESSION_ROUTES + PERSON_ROUTES + PROGRAM_ROUTES)
async def test_without_credentials_a_caller_is_unknown_before_its_body_is_read(whole, method, path):
    # The reference answers 400 to a wrong body first.
    with whole.calls() as calls:
        response, body = await whole.ask(method, path, data=b"{" if method == "POST" else None)
    assert (response.status, body["statusCode"], body["error"]) == (401, 401, "access_denied")
    assert body["error_description"] == body["message"] == body["errors"][0]["message"]
    assert calls == []


async def test_a_session_that_is_over_is_a_401(whole):
    _, session = await whole.checkout()
    async with whole.http.post(f"{whole.commercetools.url}/__control/sessions/{session}/end") as response:
        assert response.status == 204
    response, body = await whole.pay(session)
    assert (response.status, body["error"]) == (401, "invalid_token")


OUTAGES = {
    "session": ("GET */sessions/*", "GET", "/operations/config"),
    "token of ours": ("POST /oauth/token", "GET", "/operations/config"),
    "introspection": ("POST /oauth/introspect", "POST", f"/operations/payment-intents/{NOBODY}"),
    "signing keys": ("GET /.well-known/*", "GET", "/operations/status"),
}


@pytest.mark.parametrize("kind", ["error_before", "drop_before", "rate_limit"])
@pytest.mark.parametrize("what", ["session", "token of ours", "introspection"])
async def test_while_commercetools_is_away_a_caller_is_told_so_and_not_that_it_is_unknown(whole, what, kind):
    # The reference: 401 "Session is not active", and 500.
    on, method, path = OUTAGES[what]
    _, session = await whole.checkout()
    headers = {"X-Session-Id": session, "Authorization": f"Bearer {await whole.token()}"}
    await whole.fault(kind=kind, on=on, times=9)
    response, body = await whole.ask(method, path, headers=headers, json={"actions": [CAPTURE]})
    assert (response.status, body["errors"][0]["code"]) == (503, "ServiceUnavailable")
    assert response.headers["Retry-After"]
    assert "error" not in body


async def test_while_the_signing_keys_cannot_be_read_nobody_is_called_unknown(monkeypatch):
    async with open_whole(monkeypatch) as whole:
        person = await whole.person()
        await whole.commercetools.close()
        response, body = await whole.ask("GET", "/operations/status", headers=person)
        assert (response.status, body["errors"][0]["code"]) == (503, "ServiceUnavailable")


@pytest.mark.parametrize(
    ("claims", "status"),
    [({}, 200), ({"projectKey": "other"}, 401), ({"issuer": "https://evil.example"}, 401), ({"lifetime_s": -60}, 401)],
)
async def test_a_signed_token_counts_for_our_project_its_issuer_and_its_time(whole, claims, status):
    for method, path in PERSON_ROUTES:
        response, _ = await whole.ask(method, path, headers=await whole.person(**claims))
        assert response.status == status


@pytest.mark.parametrize("client", ["merchant", "demo-client", "limited", "foreign"])
async def test_a_program_needs_one_of_the_authorities(whole, client):
    response, body = await whole.modify(NOBODY, "cancelPayment", client=client)
    assert response.status == (404 if client == "merchant" else 403), body


async def test_ten_that_come_at_once_to_a_cold_process_cost_one_token_and_each_session_is_asked_after_once(whole):
    # The reference: twenty tokens.
    sessions = [(await whole.checkout())[1] for _ in range(3)]
    with whole.calls() as calls:
        asks = [
            whole.ask("GET", "/operations/config", headers={"X-Session-Id": session})
            for session in sessions
            for _ in range(10)
        ]
        assert {response.status for response, _ in await asyncio.gather(*asks)} == {200}
    assert calls.count("POST /oauth/token") == 1
    assert len([call for call in calls if "/sessions/" in call]) == 3


async def test_a_commercetools_that_hangs_does_not_hang_the_caller(monkeypatch):
    # The reference has no time limit anywhere.
    async with open_whole(monkeypatch, COMMERCETOOLS_WAITED_S="0.2") as whole:
        _, session = await whole.checkout()
        await whole.fault(kind="delay", on="GET */sessions/*", delay_s=30, times=9)
        async with asyncio.timeout(10):
            response, _ = await whole.ask("GET", "/operations/config", headers={"X-Session-Id": session})
        assert response.status == 503


# Section 1.2: what is answered.


async def test_configuration_is_the_psps_and_the_sessions(whole):
    _, session = await whole.checkout(allowedPaymentMethods=["card", "gold"])
    _, body = await whole.ask("GET", "/operations/config", headers={"X-Session-Id": session})
    assert body["psp"] == "sandbox"
    assert body["environment"] == "sandbox"
    assert body["publishableKey"] == whole.environment["SANDBOX_PSP_PUBLISHABLE_KEY"]
    assert body["paymentMethods"] == ["card"]
    assert isinstance(body["storedPaymentMethodsConfig"]["isEnabled"], bool)
    assert whole.environment["SANDBOX_PSP_SECRET_KEY"] not in str(body)


async def test_components_are_the_active_psps(whole):
    _, body = await whole.ask("GET", "/operations/payment-components", headers=await whole.person())
    assert body["dropins"] == [{"type": "embedded"}]
    assert {"type": "card"} in body["components"]
    assert body["express"] == [{"type": "wallet"}]


async def test_a_decline_is_an_answer_with_a_reason_and_a_reference(whole):
    _, session = await whole.checkout()
    response, body = await whole.pay(session, "tok_declined")
    assert (response.status, body["outcome"]) == (200, "rejected")
    assert body["paymentReference"] == whole.payments()[0]["id"]
    assert set(body["reason"]) == {"code", "message"}


# Section 1.2, payment intents: `approved`, `rejected` and `received` mean what they say.


def _transaction(whole, payment, kind):
    (found,) = [one for one in whole.payments() if one["id"] == payment]
    return [one for one in found["transactions"] if one["type"] == kind]


def _operations(whole):
    (payment,) = whole.psp.house.books.payments.values()
    return payment.operations


async def test_the_merchants_reference_is_stored_and_sent_with_every_action(whole):
    payment = await whole.paid(4200)
    for action, amount, kind in (
        ("capturePayment", 2000, "Charge"),
        ("refundPayment", 500, "Refund"),
        ("cancelPayment", None, "CancelAuthorization"),
    ):
        reference = f"order-7/{action}"
        assert (await whole.modify(payment, action, amount, merchantReference=reference))[1] == {"outcome": "approved"}
        (row,) = _transaction(whole, payment, kind)
        assert row["custom"]["fields"]["ctpayMerchantReference"] == reference
        assert reference in [one.merchant_reference for one in _operations(whole)]


async def test_a_reversal_takes_the_merchants_reference_to_all_that_it_does(whole):
    # The reference drops it.
    payment = await whole.paid(4200)
    await whole.modify(payment, "capturePayment", 2000)
    await whole.modify(payment, "reversePayment", merchantReference="order-7")
    for kind in ("CancelAuthorization", "Refund"):
        (row,) = _transaction(whole, payment, kind)
        assert row["custom"]["fields"]["ctpayMerchantReference"] == "order-7"
    assert [one.merchant_reference for one in _operations(whole)].count("order-7") == 2


async def test_a_refund_is_taken_from_the_capture_that_it_names(whole):
    # The reference accepts the field and forgets it.
    payment = await whole.paid(4200)
    for amount in (1000, 2000):
        await whole.modify(payment, "capturePayment", amount)
    small, _ = _transaction(whole, payment, "Charge")
    response, body = await whole.modify(payment, "refundPayment", 1500, transactionId=small["id"])
    assert (response.status, body["outcome"]) == (200, "rejected")
    assert (await whole.modify(payment, "refundPayment", 900, transactionId=small["id"]))[1] == {"outcome": "approved"}
    (refund,) = _transaction(whole, payment, "Refund")
    assert refund["custom"]["fields"]["ctpayChargeId"] == small["id"]
    # What is left of it counts, and not what is left of the payment.
    _, body = await whole.modify(payment, "refundPayment", 200, transactionId=small["id"])
    assert body["outcome"] == "rejected"
    _, body = await whole.modify(payment, "refundPayment", 100, transactionId=NOBODY)
    assert body["outcome"] == "rejected"


async def test_received_means_that_the_end_is_not_known_and_the_payment_tells_it_later(whole):
    payment = await whole.paid()
    await whole.fault(kind="delay", on=f"GET /{PROJECT}/payments/*", delay_s=0.3)
    response, body = await whole.modify(payment, "capturePayment", 1000, headers={"Prefer": "wait=0"})
    assert (response.status, body) == (200, {"outcome": "received"})
    assert response.headers["Preference-Applied"] == "wait=0"
    _, body = await whole.modify(payment, "cancelPayment")
    assert body == {"outcome": "approved"}
    assert ("Charge", "Success", 1000) in whole.rows(payment) or ("CancelAuthorization", "Success", 4200) in whole.rows(
        payment
    )


async def test_a_refusal_is_found_on_the_payment_too(whole):
    payment = await whole.paid()
    _, body = await whole.modify(payment, "refundPayment", 100)
    (found,) = whole.payments()
    told = [one["fields"] for one in found["interfaceInteractions"]]
    assert body["reason"]["code"] in str(told)


async def test_there_is_no_such_payment(whole):
    response, body = await whole.modify(NOBODY, "cancelPayment")
    assert (response.status, body["statusCode"]) == (404, 404)
    # The reference spreads an array into an object here.
    assert [(one["code"], one["message"]) for one in body["errors"]] == [("ResourceNotFound", body["message"])]


async def test_an_intent_is_repeated_under_its_key_and_a_key_for_something_else_is_a_422(whole):
    payment = await whole.paid()
    key = {"Idempotency-Key": "capture-1"}
    for _ in range(3):
        assert (await whole.modify(payment, "capturePayment", 1000, headers=key))[1] == {"outcome": "approved"}
    assert len(_transaction(whole, payment, "Charge")) == 1
    response, body = await whole.modify(payment, "capturePayment", 1001, headers=key)
    assert (response.status, body["errors"][0]["code"]) == (422, "IdempotencyKeyReused")
    refused = {"Idempotency-Key": "refund-1"}
    for _ in range(2):
        assert (await whole.modify(payment, "refundPayment", 9999, headers=refused))[1]["outcome"] == "rejected"
    response, body = await whole.modify(payment, "refundPayment", 500, headers=refused)
    assert (response.status, body["errors"][0]["code"]) == (422, "IdempotencyKeyReused")


# Section 1.3: errors.


WRONG = {
    "malformed JSON": (b"{", "InvalidJsonInput", None),
    "no action": (b'{"actions": []}', "InvalidField", "actions"),
    "two actions": (
        b'{"actions": [{"action": "cancelPayment"}, {"action": "cancelPayment"}]}',
        "InvalidField",
        "actions",
    ),
    "nothing": (b"{}", "RequiredField", "actions"),
    "an unknown action": (b'{"actions": [{"action": "grab"}]}', "InvalidField", "actions.0.action"),
    "a missing amount": (b'{"actions": [{"action": "capturePayment"}]}', "RequiredField", "actions.0.amount"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_wrong_intent_is_a_400_that_names_what_is_wrong_once(whole, case):
    # The reference: 500 for the first two, and no field for the others.
    raw, code, field = WRONG[case]
    headers = {"Authorization": f"Bearer {await whole.token()}", "Content-Type": "application/json"}
    response, body = await whole.ask("POST", f"/operations/payment-intents/{NOBODY}", data=raw, headers=headers)
    assert (response.status, body["statusCode"]) == (400, 400)
    assert [(one["code"], one.get("field")) for one in body["errors"]] == [(code, field)]


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("GET", "/"), ("GET", "/payments/a/b/c")])
async def test_where_there_is_nothing_the_error_has_the_contracts_shape(whole, method, path):
    response, body = await whole.ask(method, path)
    assert (response.status, body["statusCode"], body["errors"][0]["code"]) == (404, 404, "ResourceNotFound")


# Section 3: what commercetools is asked.


async def test_a_payment_costs_the_session_and_four_calls_however_many_payments_the_cart_has(whole):
    # The reference: six, and one more for each payment on the cart.
    await whole.paid()
    _, session = await whole.checkout()
    for _ in range(3):
        await whole.pay(session, "tok_declined")
    with whole.calls() as calls:
        await whole.pay(session)
    assert len(calls) == 4, calls
    with whole.calls() as calls:
        await whole.ask("GET", "/operations/config", headers={"X-Session-Id": session})
    # Whose the cart is: guests are not asked to have anything stored.
    assert len(calls) == 1, calls


async def test_a_modification_costs_three_calls_and_the_ingress_makes_none_for_a_caller_it_knows(whole):
    payment = await whole.paid()
    await whole.modify(payment, "capturePayment", 100)
    with whole.calls() as calls:
        await whole.modify(payment, "capturePayment", 100)
    assert len(calls) == 3, calls
    assert all(f"/{PROJECT}/payments/{payment}" in call for call in calls)


async def test_after_a_partial_refund_only_what_was_refunded_is_left_to_pay(whole):
    # The reference counts the whole payment as unpaid.
    cart, session = await whole.checkout(4200)
    _, body = await whole.pay(session)
    payment = body["paymentReference"]
    await whole.modify(payment, "capturePayment", 4200)
    await whole.modify(payment, "refundPayment", 200)
    _, body = await whole.pay(session)
    assert body["outcome"] == "approved"
    second = body["paymentReference"]
    assert whole.rows(second) == [("Authorization", "Success", 200)]
    assert whole.cart_payments(cart) == [payment, second]
