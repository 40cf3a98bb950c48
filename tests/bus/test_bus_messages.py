"""What travels comes out as it went in, says nothing secret on the way, and what is none of ours is refused in words."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import get_args

import pytest
from pydantic import SecretStr

from bus.messages import (
    MESSAGE_BYTES_MAX,
    TOPICS,
    AuthorizePayment,
    CancelPayment,
    CapturePayment,
    CompleteAuthorization,
    DeletePaymentMethod,
    MalformedMessageError,
    Message,
    NewerMessageError,
    OperationResult,
    PspNotification,
    RefundPayment,
    ReversePayment,
    StorePaymentMethod,
    attributes,
    decode,
    encode,
)
from bus.topics import Topic
from psp.facts import Instrument
from psp.money import Money
from psp.outcome import Outcome, Reason, Standing

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
COMMAND = {"correlation_id": "c-1", "command_id": "k-1", "accepted_at": NOON, "reply_to": "i-1"}
SECRET = "tok_canary_4711"  # the canary of a token
RAW = b'\x00\xff{"event": 1}'
AUTHORIZE = AuthorizePayment(
    **COMMAND,
    cart_id="cart",
    owner="o",
    method="card",
    token=SecretStr(SECRET),
    request_hash="h",
    return_url="https://shop.example/return",
)
RESULT = OperationResult(
    correlation_id="c-1",
    command_id="k-1",
    reply_to="i-1",
    standing=Standing(outcome=Outcome.REJECTED, reason=Reason(code="declined", message="No.")),
)
MESSAGES = [
    AUTHORIZE,
    CompleteAuthorization(**COMMAND, operation="k-0", cart_id="cart", parameters={"a": "b"}),
    CapturePayment(**COMMAND, payment_id="p", amount=Money(amount=5, currency="EUR")),
    RefundPayment(**COMMAND, payment_id="p", transaction_id="t", charge_id="ch"),
    CancelPayment(**COMMAND, payment_id="p"),
    ReversePayment(**COMMAND, payment_id="p", merchant_reference="m"),
    StorePaymentMethod(
        **COMMAND, payment_id="p", token=SecretStr(SECRET), instrument=Instrument(method="card", last_four="4242")
    ),
    DeletePaymentMethod(**COMMAND, method_id="m", customer_id="c"),
    PspNotification(
        correlation_id="c-1",
        event_id="e",
        psp="sandbox",
        headers={"h": "v"},
        body=base64.b64encode(RAW),
        received_at=NOON,
    ),
    RESULT,
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: one.type)
def test_a_message_comes_out_as_it_went_in(message):
    assert decode(encode(message)) == message
    assert attributes(message)["type"] == message.type
    assert attributes(message)["correlation_id"] == "c-1"


def test_every_message_is_tried_here_and_has_a_topic():
    commands_and_events = {kind for one in get_args(Message) for kind in (get_args(one) or (one,))}
    assert {type(one) for one in MESSAGES} == commands_and_events == set(TOPICS)
    # Nothing of ours goes where commercetools publishes, or straight to the dead letters.
    assert set(TOPICS.values()) == set(Topic) - {Topic.COMMERCETOOLS, Topic.DEAD_LETTERS}


def test_the_bytes_of_a_webhook_are_those_that_were_signed():
    (notification,) = [decode(encode(one)) for one in MESSAGES if isinstance(one, PspNotification)]
    assert notification.body == RAW


def test_a_result_is_addressed_where_it_can_be_filtered():
    assert attributes(RESULT)["reply_to"] == "i-1"


def test_a_token_travels_and_is_shown_to_nobody():
    assert SECRET in encode(AUTHORIZE).decode()
    assert SECRET not in f"{AUTHORIZE} {AUTHORIZE!r} {attributes(AUTHORIZE)}"


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 0},
        {"type": "Unknown"},
        {"extra": SECRET},
        {"cart_id": ""},
        {"cart_id": ".."},
        {"command_id": "a\nb"},
        {"accepted_at": "2026-03-01T12:00:00"},
        {"token": 7},
    ],
    ids=str,
)
def test_what_is_not_exactly_a_message_is_refused_without_quoting_it(damage):
    body = json.loads(encode(AUTHORIZE)) | damage
    with pytest.raises(MalformedMessageError) as refused:
        decode(json.dumps(body).encode())
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("novelty", [{}, {"type": "Unknown"}, {"cart_id": None}, {"extra": SECRET}], ids=str)
def test_a_message_of_a_newer_version_is_known_for_one_whatever_is_new_in_it(novelty):
    body = json.loads(encode(AUTHORIZE)) | {"version": 2} | novelty
    with pytest.raises(NewerMessageError, match="version 2") as refused:
        decode(json.dumps(body).encode())
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("damage", [{"version": True}, {"version": "2"}, {"version": 2, "type": 7}], ids=str)
def test_what_only_looks_like_a_newer_version_is_none(damage):
    with pytest.raises(MalformedMessageError) as refused:
        decode(json.dumps(json.loads(encode(AUTHORIZE)) | damage).encode())
    assert not isinstance(refused.value, NewerMessageError)


CAPTURE = {
    "type": "CapturePayment", "command_id": "c", "correlation_id": "c", "accepted_at": "2026-03-01T12:00:00Z",
    "payment_id": "p",
}  # fmt: skip


def euros(amount):
    return {"amount": {"amount": amount, "currency": "EUR"}}


@pytest.mark.parametrize(
    "damage",
    [
        euros(True),
        euros(1.0),
        euros("100"),
        {"version": True},
        {"version": 1.0},
        {"amount": None},
        {"accepted_at": "9999-12-31T23:59:59Z"},
        {"accepted_at": "0001-01-01T00:00:00+14:00"},
        {"accepted_at": 1772366400},
    ],
    ids=str,
)
def test_what_only_looks_like_a_number_or_a_time_moves_no_money(damage):
    decode(json.dumps(CAPTURE | euros(100)).encode())
    with pytest.raises(MalformedMessageError):
        decode(json.dumps(CAPTURE | euros(100) | damage).encode())


def test_a_merchants_own_transaction_says_itself_how_much():
    assert decode(json.dumps(CAPTURE | {"transaction_id": "t"}).encode()).amount is None


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b'"tok_canary_4711"', b" " * (MESSAGE_BYTES_MAX + 1)])
def test_bytes_that_are_no_message_are_refused_in_words(data):
    with pytest.raises(MalformedMessageError, match=r"version 1|are the most") as refused:
        decode(data)
    assert SECRET not in str(refused.value)
