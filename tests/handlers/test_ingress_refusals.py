"""What is wrong in itself is a 4xx with the field named, in the contract's shape, and nothing is published."""

from __future__ import annotations

import asyncio
import json

import pytest

from handlers.body import BodyLimits
from handlers.dependencies import Limits

JSON = {"Content-Type": "application/json"}
PAYMENT = {"paymentMethod": {"type": "card", "token": "tok_1"}}


def _method(**fields):
    return {"paymentMethod": PAYMENT["paymentMethod"] | fields}


def _capture(**amount):
    found = {"centAmount": 1000, "currencyCode": "EUR"} | amount
    return {"actions": [{"action": "capturePayment", "amount": found}]}


#: Body of POST /payments -> the fields and codes of its faults.
PAYMENT_FAULTS = [
    ({"paymentMethod": None}, [("InvalidField", "paymentMethod")]),
    ({"paymentMethod": []}, [("InvalidField", "paymentMethod")]),
    ({"other": 1}, [("RequiredField", "paymentMethod")]),
    ({"paymentMethod": {}}, [("RequiredField", "paymentMethod.type")]),
    (_method(type=7), [("InvalidField", "paymentMethod.type")]),
    (_method(type=""), [("InvalidField", "paymentMethod.type")]),
    (_method(type="card\n"), [("InvalidField", "paymentMethod.type")]),
    (_method(type="gold"), [("InvalidField", "paymentMethod.type")]),
    (_method(token=""), [("InvalidField", "paymentMethod.token")]),
    (_method(token=None), [("RequiredField", "paymentMethod.token")]),
    (_method(token={"id": "tok_1"}), [("InvalidField", "paymentMethod.token")]),
    (_method(token="tok 1"), [("InvalidField", "paymentMethod.token")]),
    (_method(token="tok_1\n"), [("InvalidField", "paymentMethod.token")]),
    (_method(token="tök"), [("InvalidField", "paymentMethod.token")]),
    (_method(token="\ud800"), [("InvalidField", "paymentMethod.token")]),
    (_method(token="t" * 513), [("InvalidField", "paymentMethod.token")]),
    (_method(storePaymentMethod="yes"), [("InvalidField", "paymentMethod.storePaymentMethod")]),
    (_method(storePaymentMethod=1), [("InvalidField", "paymentMethod.storePaymentMethod")]),
]
#: Body of POST /operations/payment-intents/{id} -> the same.
INTENT_FAULTS = [
    ({}, [("RequiredField", "actions")]),
    ({"actions": []}, [("InvalidField", "actions")]),
    ({"actions": {}}, [("InvalidField", "actions")]),
    ({"actions": [{"action": "cancelPayment"}] * 2}, [("InvalidField", "actions")]),
    ({"actions": ["cancelPayment"]}, [("InvalidField", "actions.0")]),
    ({"actions": [{}]}, [("RequiredField", "actions.0.action")]),
    ({"actions": [{"action": "grabPayment"}]}, [("InvalidField", "actions.0.action")]),
    ({"actions": [{"action": "capturePayment"}]}, [("RequiredField", "actions.0.amount")]),
    ({"actions": [{"action": "refundPayment"}]}, [("RequiredField", "actions.0.amount")]),
    (
        {"actions": [{"action": "capturePayment", "amount": {}}]},
        [("RequiredField", "actions.0.amount.centAmount"), ("RequiredField", "actions.0.amount.currencyCode")],
    ),
    (_capture(centAmount=0), [("InvalidField", "actions.0.amount.centAmount")]),
    (_capture(centAmount=-5), [("InvalidField", "actions.0.amount.centAmount")]),
    (_capture(centAmount=10.0), [("InvalidField", "actions.0.amount.centAmount")]),
    (_capture(centAmount="1000"), [("InvalidField", "actions.0.amount.centAmount")]),
    (_capture(centAmount=True), [("InvalidField", "actions.0.amount.centAmount")]),
    (_capture(centAmount=2**53), [("InvalidField", "actions.0.amount.centAmount")]),
    (_capture(currencyCode="eur"), [("InvalidField", "actions.0.amount.currencyCode")]),
    (_capture(currencyCode="XXX"), [("InvalidField", "actions.0.amount.currencyCode")]),
    (_capture(currencyCode=978), [("InvalidField", "actions.0.amount.currencyCode")]),
    (_capture(type="highPrecision"), [("InvalidField", "actions.0.amount.type")]),
    (_capture(fractionDigits=3), [("InvalidField", "actions.0.amount")]),
    (
        {"actions": [{"action": "cancelPayment", "merchantReference": "a\x00b"}]},
        [("InvalidField", "actions.0.merchantReference")],
    ),
    (
        {"actions": [{"action": "cancelPayment", "merchantReference": "x" * 257}]},
        [("InvalidField", "actions.0.merchantReference")],
    ),
    (
        {
            "actions": [
                {
                    "action": "refundPayment",
                    "amount": {"centAmount": 1, "currencyCode": "EUR"},
                    "transactionId": "../carts/1",
                }
            ]
        },
        [("InvalidField", "actions.0.transactionId")],
    ),
]
#: Body of POST /payments/{operation}/complete -> the same.
COMPLETION_FAULTS = [
    ({"parameters": None}, [("InvalidField", "parameters")]),
    ({"parameters": [["a", "b"]]}, [("InvalidField", "parameters")]),
    ({"parameters": {"a": 1}}, [("InvalidField", "parameters.a")]),
    ({"parameters": {"a": {"b": "c"}}}, [("InvalidField", "parameters.a")]),
    ({"parameters": {"": "a"}}, [("InvalidField", "parameters")]),
    ({"parameters": {"a": "\ud800"}}, [("InvalidField", "parameters")]),
    ({"parameters": {"\udfff": "a"}}, [("InvalidField", "parameters")]),
    ({"parameters": {"n" * 129: "a"}}, [("InvalidField", "parameters")]),
    ({"parameters": {"a": "v" * 8193}}, [("InvalidField", "parameters")]),
    ({"parameters": {f"p{number}": "v" for number in range(33)}}, [("InvalidField", "parameters")]),
]
#: Not JSON, or not JSON that two readers read alike.
MALFORMED = {
    "empty": b"",
    "text": b"hello",
    "cut short": b'{"paymentMethod":',
    "two values": b"{}{}",
    "single quotes": b"{'a':1}",
    "trailing comma": b'{"a":1,}',
    "repeated name": b'{"paymentMethod":{"type":"card","type":"card","token":"tok_1"}}',
    "NaN": b'{"a":NaN}',
    "infinity": b'{"a":-Infinity}',
    "overflow": b'{"a":1e999}',
    "digits without end": b'{"a":' + b"1" * 5000 + b"}",
    "not UTF-8": b'{"a":"\xff"}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "a list": b"[]",
    "a string": b'"a"',
    "null": b"null",
    "deep": b'{"a":' + b"[" * 20 + b"]" * 20 + b"}",
    "very deep": b"[" * 30_000,
}
CONTENT_TYPES = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/json; charset=latin-1",
    "",
    "application/jsonp",
]


def _assert_contract(response, body, status):
    """The shape of section 1.3 of the contract."""
    assert response.status == body["statusCode"] == status
    assert response.content_type == "application/json"
    assert body["message"] == body["errors"][0]["message"]
    assert all(error["code"] and error["message"] for error in body["errors"])
    assert response.headers["X-Correlation-ID"]


async def _everywhere(ingress, **options):
    """The three routes that take JSON."""
    headers = options.pop("headers", {})
    yield await ingress.pay(headers=headers, **options)
    yield await ingress.modify(headers=headers, **options)
    complete = {"X-Session-Id": "session-1", **headers}
    yield await ingress.ask("POST", "/payments/op-1/complete", headers=complete, **options)


def _faults(body):
    return [(fault["code"], fault["field"]) for fault in body["errors"]]


@pytest.mark.parametrize(("sent", "faults"), PAYMENT_FAULTS)
async def test_a_wrong_payment_names_its_fields(ingress, world, sent, faults):
    response, body = await ingress.pay(sent)
    _assert_contract(response, body, 400)
    assert _faults(body) == faults
    assert world.published == []


@pytest.mark.parametrize(("sent", "faults"), INTENT_FAULTS)
async def test_a_wrong_modification_names_its_fields(ingress, world, sent, faults):
    response, body = await ingress.modify(json=sent)
    _assert_contract(response, body, 400)
    assert _faults(body) == faults
    assert world.published == []


@pytest.mark.parametrize(("sent", "faults"), COMPLETION_FAULTS)
async def test_a_wrong_completion_names_its_fields(ingress, world, sent, faults):
    response, body = await ingress.ask(
        "POST", "/payments/op-1/complete", headers={"X-Session-Id": "session-1"}, json=sent
    )
    _assert_contract(response, body, 400)
    assert _faults(body) == faults
    assert world.published == []


async def test_an_unknown_action_is_told_the_known_ones(ingress):
    _, body = await ingress.modify({"action": "grabPayment"})
    assert body["errors"][0]["allowedValues"] == ["capturePayment", "refundPayment", "cancelPayment", "reversePayment"]


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_json_is_a_400_on_every_route(ingress, world, name):
    async for response, body in _everywhere(ingress, data=MALFORMED[name], headers=JSON):
        _assert_contract(response, body, 400)
        assert body["errors"][0]["code"] == "InvalidJsonInput"
    assert world.published == []


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
async def test_a_wrong_content_type_is_a_400_on_every_route(ingress, world, content_type):
    async for response, body in _everywhere(ingress, data=b"{}", headers={"Content-Type": content_type}):
        _assert_contract(response, body, 400)
        assert body["errors"][0]["code"] == "InvalidJsonInput"
    assert world.published == []


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", "utf8"])
async def test_utf_8_may_be_named_as_people_name_it(ingress, charset):
    response, _ = await ingress.pay(headers={"Content-Type": f"application/json; charset={charset}"})
    assert response.status == 202


async def test_a_compressed_body_is_refused(ingress, world):
    async for response, body in _everywhere(ingress, data=b"{}", headers=JSON | {"Content-Encoding": "gzip"}):
        _assert_contract(response, body, 400)
    assert world.published == []


async def _chunks(size):
    for _ in range(0, size, 4096):
        yield b" " * 4096


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_body_that_is_too_large_is_a_413_announced_or_not(ingress, world, streamed):
    for ask, size in ((ingress.pay, 64 * 1024), (ingress.modify, 64 * 1024)):
        data = _chunks(2 * size) if streamed else b" " * (size + 1)
        response, body = await ask(headers=JSON, data=data)
        _assert_contract(response, body, 413)
        assert body["errors"][0]["code"] == "ContentTooLarge"
    response, body = await ingress.ask(
        "POST", "/webhooks/sandbox", data=_chunks(512 * 1024) if streamed else b" " * (256 * 1024 + 1)
    )
    _assert_contract(response, body, 413)
    assert world.published == []


async def _raw(ingress, text: bytes, *, end=False):
    """A request that no decent client makes; the reply's head."""
    host, port = ingress.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(text)
    if end:
        writer.write_eof()
    head = await reader.read(4096)
    writer.close()
    await writer.wait_closed()
    return head


HEAD = b"POST /payments HTTP/1.1\r\nHost: x\r\nX-Session-Id: session-1\r\nContent-Type: application/json\r\n"


async def test_a_body_that_does_not_arrive_is_a_408(serve, world):
    ingress = await serve(limits=Limits(body=BodyLimits(size_max=1000, time_s_max=0.05)))
    head = await _raw(ingress, HEAD + b"Content-Length: 100\r\n\r\n{")
    assert head.startswith(b"HTTP/1.1 408")
    assert b'"RequestTimeout"' in head
    assert world.published == []


async def test_a_body_that_is_announced_too_large_is_refused_before_it_is_sent(ingress):
    head = await _raw(ingress, HEAD + b"Content-Length: 65537\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413")


async def test_a_body_that_breaks_off_publishes_nothing_and_is_not_our_fault(ingress, world, logs):
    await _raw(ingress, HEAD + b"Content-Length: 100\r\n\r\n{", end=True)
    await _raw(ingress, HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
    # The server still answers.
    response, _ = await ingress.pay()
    assert response.status == 202
    assert len(world.published) == 1
    assert [entry for entry in logs if entry["event"] == "request.failed"] == []


@pytest.mark.parametrize("key", ["", "two words", "k" * 256, "schlüssel".encode().decode("latin-1")])
async def test_an_idempotency_key_that_is_none_is_refused(ingress, world, key):
    async for response, body in _everywhere(ingress, data=json.dumps(PAYMENT), headers=JSON | {"Idempotency-Key": key}):
        _assert_contract(response, body, 400)
        assert _faults(body) == [("InvalidField", "Idempotency-Key")]
    assert world.published == []


async def test_two_idempotency_keys_are_refused(ingress, world):
    headers = [("X-Session-Id", "session-1"), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    response, body = await ingress.ask("POST", "/payments", headers=headers, json=PAYMENT)
    _assert_contract(response, body, 400)
    assert world.published == []


@pytest.mark.parametrize("segment", ["a.b", "a%2Fb", "a%00", "x" * 129, "%2e%2e", "ä"])
async def test_an_id_in_the_path_that_could_change_a_url_is_refused(ingress, world, segment):
    session = {"X-Session-Id": "session-1"}
    for response, body in (
        await ingress.modify({"action": "cancelPayment"}, path=segment),
        await ingress.ask("GET", f"/payments/{segment}", headers=session),
        await ingress.ask("POST", f"/payments/{segment}/complete", headers=session, json={}),
    ):
        # Some never reach a route: the client or the router resolves them.
        assert response.status in {400, 404, 405}
        _assert_contract(response, body, response.status)
    assert world.published == []
    assert world.status_asked == []


@pytest.mark.parametrize("headers", [{}, {"X-Session-Id": ""}, {"X-Session-Id": "session-2"}])
async def test_the_caller_is_judged_before_one_byte_of_the_body(ingress, world, headers):
    bodies = {"malformed": b"{", "card": b'{"a":"4111111111111111"}', "large": b" " * 1_000_000}
    for body in bodies.values():
        response, told = await ingress.ask("POST", "/payments", headers=JSON | headers, data=body)
        _assert_contract(response, told, 401)
        assert told["error"] == ("invalid_token" if headers.get("X-Session-Id") else "access_denied")
        response, told = await ingress.ask("POST", "/operations/payment-intents/p-1", headers=JSON, data=body)
        _assert_contract(response, told, 401)
    for method, path in (("GET", "/payments/op-1"), ("GET", "/operations/config"), ("POST", "/payments/op-1/complete")):
        response, told = await ingress.ask(method, path, headers=headers)
        _assert_contract(response, told, 401)
    assert world.published == []
    assert world.status_asked == []


async def test_what_is_not_http_is_refused_and_not_quoted_in_the_logs(ingress, logs, caplog):
    head = await _raw(ingress, b"POST /payments?canary\x00 HTTP/1.1\r\nX-Canary\x01: canary\r\n\r\n")
    assert b" 400 " in head.splitlines()[0]
    assert [entry["event"] for entry in logs] == ["http.failed"]
    assert "canary" not in str(logs) + caplog.text


async def test_what_fails_after_a_request_on_the_same_connection_is_not_logged_as_that_request(ingress, logs):
    host, port = ingress.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Correlation-ID: first\r\n\r\n")
    await reader.readuntil(b"}")
    writer.write(b"GET /\x00 HTTP/1.1\r\n\r\n")
    await reader.read()
    writer.close()
    await writer.wait_closed()
    done, failed = logs
    assert (done["event"], done["correlation_id"]) == ("request.done", "first")
    assert failed["event"] == "http.failed"
    assert "correlation_id" not in failed
