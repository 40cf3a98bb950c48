"""The reference connector's weaknesses, one by one, as the contract's facts list them: ours does not have them.

The number is that of the list of gaps. What belongs to the browser library and to stored payment methods is tested
with them.
"""

from __future__ import annotations

import asyncio
import json

import pytest
from support.polling import eventually
from support.whole import PROJECT, open_whole

from bus.memory import Happening
from bus.topics import Topic
from ctpay.settings import SettingsError, load_ingress
from sandbox.psp import views
from sandbox.psp.outbox import headers_of

EUR = "EUR"


@pytest.fixture
async def whole(monkeypatch):
    async with open_whole(monkeypatch) as found:
        yield found


def _events(whole):
    """What the PSP would send, oldest first: (id, body)."""
    return [(one.id, json.dumps(views.event(one)).encode()) for one in whole.psp.house.outbox.events.values()]


async def _notify(whole, event_id, body, secret=None):
    secrets = [secret] if secret else whole.environment["SANDBOX_PSP_WEBHOOK_SECRETS"].split()
    headers = headers_of(event_id, body, secrets=secrets, now=whole.psp.house.clock())
    return await whole.ask("POST", "/webhooks/sandbox", data=body, headers=headers)


async def _settled(whole, topic, number):
    """Until so many messages of the topic are done."""

    async def done():
        return sum(one.topic is topic and one.happening is Happening.ACKED for one in whole.bus.log) >= number

    await eventually(done)


# Correctness.


async def test_gap_1_two_clicks_at_once_authorize_once(whole):
    cart, session = await whole.checkout()
    replies = await asyncio.gather(*(whole.pay(session) for _ in range(5)))
    assert {body["outcome"] for _, body in replies} == {"approved"}
    (payment,) = whole.payments()
    assert {body["paymentReference"] for _, body in replies} == {payment["id"]} == set(whole.cart_payments(cart))
    assert len(whole.psp.house.books.effects) == 1


async def test_gap_1_the_same_key_is_one_payment_and_its_answer_is_repeated(whole):
    _, session = await whole.checkout()
    key = {"Idempotency-Key": "attempt-1"}
    first, again = [(await whole.pay(session, headers=key))[1] for _ in range(2)]
    assert first == again
    assert len(whole.payments()) == 1


@pytest.mark.parametrize("times", [2, 4])
async def test_gap_1_a_key_that_is_used_for_something_else_never_gets_the_answer_of_the_first(whole, times):
    """However many repetitions of the first are still being answered."""
    for number in range(6):
        payment = await whole.paid()
        await whole.modify(payment, "capturePayment", 3000)
        headers = {"Idempotency-Key": f"key-{number}"}
        await asyncio.gather(*(whole.modify(payment, "refundPayment", 400, headers=headers) for _ in range(times)))
        response, body = await whole.modify(payment, "refundPayment", 300, headers=headers)
        assert (response.status, body["errors"][0]["code"]) == (422, "IdempotencyKeyReused")
        assert ("Refund", "Success", 300) not in whole.rows(payment)


async def test_gap_3_two_equal_partial_captures_are_two_and_so_are_two_refunds(whole):
    payment = await whole.paid(4200)
    for action in ("capturePayment", "capturePayment", "refundPayment", "refundPayment"):
        _, body = await whole.modify(payment, action, 1000)
        assert body == {"outcome": "approved"}
    assert sorted(whole.rows(payment))[1:] == [("Charge", "Success", 1000)] * 2 + [("Refund", "Success", 1000)] * 2


FORBIDDEN = {
    "more than was captured": ("refundPayment", 4201, EUR),
    "more than was authorized": ("capturePayment", 1, EUR),
    "another currency": ("refundPayment", 100, "USD"),
    "a cancel after the capture": ("cancelPayment", None, EUR),
}


@pytest.mark.parametrize("case", FORBIDDEN)
async def test_gap_4_what_the_amounts_forbid_is_rejected_with_a_reason_and_nothing_moves(whole, case):
    payment = await whole.paid(4200)
    await whole.modify(payment, "capturePayment", 4200)
    rows, effects = whole.rows(payment), len(whole.psp.house.books.effects)
    action, amount, currency = FORBIDDEN[case]
    response, body = await whole.modify(payment, action, amount, currency=currency)
    assert (response.status, body["outcome"]) == (200, "rejected")
    assert body["reason"]["code"]
    assert body["reason"]["message"]
    assert whole.rows(payment) == rows
    assert len(whole.psp.house.books.effects) == effects


@pytest.mark.parametrize("amount", [-5, 0, 1.5, 2**53])
async def test_gap_4_an_amount_that_is_none_is_a_400(whole, amount):
    payment = await whole.paid()
    response, body = await whole.modify(payment, "capturePayment", amount)
    assert (response.status, body["errors"][0]["field"]) == (400, "actions.0.amount.centAmount")


async def test_gap_4_after_a_partial_refund_the_rest_can_be_reversed(whole):
    payment = await whole.paid(4200)
    await whole.modify(payment, "capturePayment", 3000)
    await whole.modify(payment, "refundPayment", 500)
    assert (await whole.modify(payment, "reversePayment"))[1] == {"outcome": "approved"}
    assert sorted(whole.rows(payment)) == [
        ("Authorization", "Success", 4200),
        ("CancelAuthorization", "Success", 1200),
        ("Charge", "Success", 3000),
        ("Refund", "Success", 500),
        ("Refund", "Success", 2500),
    ]


@pytest.mark.parametrize("kind", ["error_before", "error_after", "drop_before", "drop_reply"])
@pytest.mark.parametrize("skip", range(3))
async def test_gap_5_whatever_breaks_no_payment_is_ever_without_its_transaction(whole, kind, skip):
    _, session = await whole.checkout()
    await whole.ask("GET", "/operations/config", headers={"X-Session-Id": session})
    await whole.fault(kind=kind, on=f"POST /{PROJECT}/*", skip=skip, status=502)
    _, body = await whole.pay(session, headers={"Prefer": "wait=0"})

    async def ended():
        nonlocal body
        body = (await whole.ask("GET", f"/payments/{body['operation']}", headers={"X-Session-Id": session}))[1]
        return body["outcome"] != "pending"

    await eventually(ended, within_s=20)
    assert body["outcome"] == "approved"
    (payment,) = whole.payments()
    versions = whole.commercetools.core.history(payment["id"])
    assert all(one["transactions"] for one in versions)
    assert len(whole.psp.house.books.effects) == 1


async def test_gap_6_a_request_that_is_refused_leaves_nothing_on_the_cart(whole):
    cart, session = await whole.checkout(allowedPaymentMethods=["invoice"])
    with whole.calls() as calls:
        response, _ = await whole.pay(session)
    assert response.status == 400
    assert whole.payments() == []
    assert whole.cart_payments(cart) == []
    assert not any(call.startswith(f"POST /{PROJECT}/") for call in calls)


async def test_gap_7_webhooks_are_verified_queued_and_told_apart(whole):
    payment = await whole.paid()
    event_id, body = _events(whole)[0]
    before = whole.rows(payment)
    response, _ = await _notify(whole, event_id, body, secret="whsec_" + "A" * 44)
    assert response.status == 401
    assert not [one for one in whole.bus.log if one.topic is Topic.WEBHOOK]
    with whole.calls() as calls:
        for _ in range(3):
            response, answered = await _notify(whole, event_id, body)
            assert (response.status, answered) == (200, {"status": "accepted"})
        await _settled(whole, Topic.WEBHOOK, 3)
    # What is known already is read, and nothing is written.
    assert whole.rows(payment) == before
    assert {call.partition(" ")[0] for call in calls} == {"GET"}
    assert body.decode() not in whole.stream.getvalue()


async def test_gap_7_a_webhook_that_is_faster_than_its_payment_is_not_lost(whole):
    payment = await whole.paid()
    event_id, body = _events(whole)[0]
    unborn = body.replace(payment.encode(), b"11111111-2222-4333-8444-555555555555").replace(b"pay_", b"pay_unborn_")
    response, _ = await _notify(whole, event_id, unborn)
    assert response.status == 200

    async def waits():
        return any(
            line.get("cause") == "missing-payment" and line["event"] == "message.again" for line in whole.lines()
        )

    await eventually(waits)
    assert not [one for one in whole.bus.log if one.topic is Topic.DEAD_LETTERS]


@pytest.mark.parametrize(
    "session",
    [
        "../carts/{cart}",
        "..%2Fcarts%2F{cart}",
        "{session}/../../carts/{cart}",
        "{session}?expand=cart",
        "{session}#",
        ".",
    ],
)
async def test_gap_9_a_session_id_leads_nowhere_but_to_a_session(whole, session):
    cart, own = await whole.checkout()
    with whole.calls() as calls:
        headers = {"X-Session-Id": session.format(cart=cart, session=own)}
        response, body = await whole.ask("GET", "/operations/config", headers=headers)
    assert (response.status, body["error"]) == (401, "invalid_token")
    assert calls == []


# Security.


async def test_gap_10_a_scope_of_another_project_moves_nothing(whole):
    payment = await whole.paid()
    response, body = await whole.modify(payment, "cancelPayment", client="foreign")
    assert (response.status, body["error"]) == (403, "insufficient_scope")
    assert whole.rows(payment) == [("Authorization", "Success", 4200)]


async def test_gap_11_a_known_caller_without_the_right_is_a_403_and_an_unknown_one_a_401(whole):
    payment = await whole.paid()
    response, body = await whole.modify(payment, "cancelPayment", client="limited")
    assert (response.status, body["statusCode"], body["error"]) == (403, 403, "insufficient_scope")
    response, body = await whole.modify(payment, "cancelPayment", headers={"Authorization": "Bearer nobody"})
    assert (response.status, body["error"]) == (401, "invalid_token")
    response, body = await whole.ask("GET", "/operations/status", headers=await whole.person(projectKey="other"))
    assert (response.status, body["error"]) == (401, "invalid_token")


async def test_gap_11_the_status_tells_no_scope_and_no_error_of_others(whole):
    await whole.fault(kind="error_before", on=f"GET /{PROJECT}/types/*", times=9, status=500)
    response, body = await whole.ask("GET", "/operations/status", headers=await whole.person())
    assert (response.status, body["status"]) == (200, "Partially Available")
    assert "DOWN" in str(body)
    told = json.dumps(body)
    assert not any(word in told for word in ("manage_", "view_", "500", "http", PROJECT, "General"))


async def test_gap_11_there_is_a_limit_to_how_often_a_session_may_call(monkeypatch):
    async with open_whole(monkeypatch, SESSION_BURST_MAX="3", SESSION_RATE_PER_S="0.01") as whole:
        _, session = await whole.checkout()
        ask = {"headers": {"X-Session-Id": session}}
        statuses = [(await whole.ask("GET", "/operations/config", **ask))[0].status for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        _, other = await whole.checkout()
        assert (await whole.ask("GET", "/operations/config", headers={"X-Session-Id": other}))[0].status == 200


async def test_gap_11_only_configured_pages_may_call_and_never_with_cookies(whole):
    _, session = await whole.checkout()
    shop = whole.environment["ALLOWED_ORIGINS"].split(",")[0]
    for origin, allowed in ((shop, shop), ("https://evil.example", None), ("null", None)):
        headers = {"X-Session-Id": session, "Origin": origin}
        preflight = headers | {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-session-id",
        }
        for method, path, sent in (
            ("GET", "/operations/config", headers),
            ("OPTIONS", "/payments", preflight),
            ("POST", "/payments", {"Origin": origin}),
        ):
            response, _ = await whole.ask(method, path, headers=sent)
            assert response.headers.get("Access-Control-Allow-Origin") == allowed
            assert "Access-Control-Allow-Credentials" not in response.headers
            assert "Origin" in response.headers["Vary"]


async def test_gap_11_a_session_allows_only_the_methods_it_names(whole):
    _, session = await whole.checkout(allowedPaymentMethods=["invoice"])
    response, body = await whole.pay(session)
    assert (response.status, body["errors"][0]["field"]) == (400, "paymentMethod.type")
    _, config = await whole.ask("GET", "/operations/config", headers={"X-Session-Id": session})
    assert "card" not in config["paymentMethods"]


async def test_gap_11_what_commercetools_says_of_its_inside_is_not_repeated(whole):
    _, session = await whole.checkout()
    await whole.fault(kind="error_before", on="GET */sessions/*", status=500)
    response, body = await whole.pay(session)
    assert response.status == 503
    assert "Internal" not in str(body)
    assert session not in str(body)
    assert "http" not in str(body)


async def test_gap_12_no_credential_no_token_and_no_body_is_in_the_log(whole):
    cart, session = await whole.checkout(futureOrderNumber="order-canary")
    await whole.pay(session, "tok_declined", headers={"Idempotency-Key": "key-canary"})
    _, body = await whole.pay(session, "tok_approved")
    await whole.modify(body["paymentReference"], "capturePayment", 4200, merchantReference="reference-canary")
    await whole.ask("GET", "/operations/config", headers={"X-Session-Id": "session-canary"})
    await whole.ask("GET", "/operations/status", headers={"Authorization": "Bearer jwt-canary"})
    log = whole.stream.getvalue()
    assert log.count("\n") > 5
    for canary in (session, await whole.token(), whole.secret, "tok_", "canary", "Bearer", "actions", "metadata"):
        assert canary not in log, canary
    assert cart


# Observability.


async def test_gap_13_one_id_is_in_the_reply_in_every_line_in_the_messages_and_at_commercetools(whole):
    _, session = await whole.checkout()
    begun = len(whole.commercetools.house.front.log)
    response, body = await whole.pay(session, headers={"X-Correlation-ID": "shop-42"})
    assert response.headers["X-Correlation-ID"] == "shop-42"
    lines = whole.lines()
    assert {line["correlation_id"] for line in lines} == {"shop-42"}
    assert {"request.done", "message.done"} <= {line["event"] for line in lines}
    asked = [one for one in list(whole.commercetools.house.front.log)[begun:] if one.path != "/oauth/token"]
    assert {one.correlation_id for one in asked} == {"shop-42"}
    assert {one.attributes["correlation_id"] for one in whole.bus.log} == {"shop-42"}
    response, _ = await whole.modify(body["paymentReference"], "cancelPayment", headers={"X-Correlation-ID": "oms-7"})
    assert response.headers["X-Correlation-ID"] == "oms-7"
    assert whole.commercetools.house.front.log[-1].correlation_id == "oms-7"


async def test_gap_13_what_callers_do_wrong_is_no_error_of_ours(whole):
    _, session = await whole.checkout()
    await whole.ask("POST", "/payments", data=b"{", headers={"X-Session-Id": session})
    await whole.ask("GET", "/operations/config")
    await whole.modify("11111111-2222-4333-8444-555555555555", "cancelPayment")
    lines = whole.lines()
    assert {line["level"] for line in lines} == {"info"}
    assert not any("exception" in line for line in lines)
    assert max(len(line) for line in whole.stream.getvalue().splitlines()) < 1000


async def test_gap_13_each_request_and_each_message_is_one_line_that_a_monitor_can_count_and_time(whole):
    payment = await whole.paid()
    for _ in range(2):
        await whole.modify(payment, "cancelPayment")
    lines = whole.lines()
    requests = [one for one in lines if one["event"] == "request.done"]
    intents = "/operations/payment-intents/{id}"
    assert [(one["route"], one["status"]) for one in requests] == [("/payments", 200), (intents, 200), (intents, 200)]
    messages = [one for one in lines if one["event"].startswith("message.") and one["topic"] == "cancel"]
    assert [(one["event"], one["type"], one["reason"]) for one in messages] == [
        ("message.done", "CancelPayment", None),
        ("message.ignored", "CancelPayment", "refused: cancelled"),
    ]
    assert all(one["duration_ms"] >= 0 for one in (*requests, *messages))


async def test_gap_13_requests_and_messages_are_counted_and_timed_as_a_monitor_reads_them(whole):
    payment = await whole.paid()
    for _ in range(2):
        await whole.modify(payment, "cancelPayment")
    text = whole.metrics.exposition().decode()
    for sample in (
        'ctpay_requests_total{method="POST",route="/payments",status="200"} 1.0',
        'ctpay_requests_total{method="POST",route="/operations/payment-intents/{id}",status="200"} 2.0',
        'ctpay_request_duration_seconds_count{method="POST",route="/operations/payment-intents/{id}"} 2.0',
        'ctpay_messages_total{topic="authorize",type="AuthorizePayment",verdict="done"} 1.0',
        'ctpay_messages_total{topic="cancel",type="CancelPayment",verdict="done"} 1.0',
        'ctpay_messages_total{topic="cancel",type="CancelPayment",verdict="ignored"} 1.0',
        'ctpay_message_duration_seconds_count{topic="cancel",type="CancelPayment"} 2.0',
    ):
        assert sample in text.splitlines()
    assert payment not in text


async def test_gap_13_the_callers_trace_is_in_every_line_every_message_and_every_call(whole):
    _, session = await whole.checkout()
    trace, caller = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    await whole.pay(session, headers={"traceparent": f"00-{trace}-{caller}-01"})
    lines = whole.lines()
    assert {line["trace_id"] for line in lines} == {trace}
    spans = {line["span_id"] for line in lines if line["event"] in {"request.done", "message.done"}}
    # The request, the command and the result.
    assert len(spans) == 3
    assert caller not in spans
    carried = {
        "a message": [one.attributes["traceparent"] for one in whole.bus.log],
        "commercetools": [
            headers["traceparent"] for url, headers in whole.sent if url.startswith(whole.commercetools.url)
        ],
        "the PSP": [headers["traceparent"] for url, headers in whole.sent if url.startswith(whole.psp.url)],
    }
    for where, found in carried.items():
        assert found, where
        assert {one[:-20] for one in found} == {f"00-{trace}"}, where
        assert {one[-19:-3] for one in found} <= spans, where
        assert {one[-2:] for one in found} == {"01"}, where


@pytest.mark.parametrize("given", [{}, {"traceparent": "00-" + "0" * 32 + "-00f067aa0ba902b7-01"}])
async def test_gap_13_a_request_without_a_trace_begins_one_and_each_its_own(whole, given):
    _, session = await whole.checkout()
    for _ in range(2):
        await whole.ask("GET", "/operations/config", headers={"X-Session-Id": session, **given})
    traces = [line["trace_id"] for line in whole.lines() if line["event"] == "request.done"]
    assert len(set(traces)) == 2
    assert {len(one) for one in traces} == {32}
    assert "0" * 32 not in traces


async def test_gap_14_the_status_code_is_as_true_as_the_body_and_no_token_is_fetched_for_it(whole):
    person = await whole.person()
    await whole.ask("GET", "/operations/status", headers=person)
    with whole.calls() as calls:
        response, body = await whole.ask("GET", "/operations/status", headers=person)
    assert (response.status, body["status"]) == (200, "OK")
    assert "POST /oauth/token" not in calls
    await whole.psp.close()
    await whole.fault(kind="error_before", on="GET *", times=99)
    whole.commercetools.house.front.tokens.revoke_all()
    await whole.fault(kind="error_before", on="POST /oauth/token", times=99)
    response, body = await whole.ask("GET", "/operations/status", headers=person)
    downs = [one["name"] for one in body["checks"] if one["status"] == "DOWN"]
    assert "sandbox API" in downs
    assert "commercetools types" in downs
    assert body["status"] != "OK"


async def test_gap_14_where_everything_outside_is_away_the_status_says_so_in_its_code(whole):
    """Also where a token is known from before: what it permits, nobody is there to allow."""
    person = await whole.person()
    await whole.ask("GET", "/operations/status", headers=person)
    await whole.psp.close()
    await whole.fault(kind="error_before", on=f"GET /{PROJECT}/*", times=99)
    response, body = await whole.ask("GET", "/operations/status", headers=person)
    assert (response.status, {one["status"] for one in body["checks"]}) == (503, {"DOWN"})


async def test_gap_14_there_are_probes_of_life_and_of_readiness(whole):
    assert (await whole.ask("GET", "/health/live"))[0].status == 200
    assert (await whole.ask("GET", "/health/ready"))[0].status == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CTP_CLIENT_SECRET", ""),
        ("CTP_CLIENT_SECRET", "xxx"),
        ("CTP_API_URL", "api.example"),
        ("PSP", "nobody"),
        ("SESSION_BURST_MAX", "0"),
        ("ALLOWED_ORIGINS", "shop.example"),
    ],
)
async def test_gap_15_settings_that_cannot_work_do_not_start(whole, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_ingress()
    assert name in caught.value.faults


@pytest.mark.parametrize("number", ["4242 4242 4242 4242 12/28", "ORD4242424242424242"])
async def test_a_card_number_in_the_sessions_order_number_goes_nowhere(whole, number):
    _, session = await whole.checkout(futureOrderNumber=number)
    response, body = await whole.pay(session)
    (fault,) = body["errors"]
    assert (response.status, fault["field"]) == (400, "session.metadata.futureOrderNumber")
    assert whole.payments() == []
    assert not any(digits in whole.stream.getvalue() for digits in ("4242 4242", "42424242"))
