"""Which parts of a dead letter a person sees: an allow-list, and nothing secret of what is on it."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from bus.letters import read
from bus.messages import (
    AuthorizePayment,
    CompleteAuthorization,
    DeletePaymentMethod,
    PspNotification,
    RefundPayment,
    attributes,
    encode,
)
from bus.port import Delivery
from ctpay.letter_view import whole
from ctpay.logs import MASK, Masker
from psp.money import Money

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CANARY = "canary-4711"


def shown(data, **named):
    delivery = Delivery(message_id="1", data=data, attributes=named, published_at=NOON, attempt=0)
    return whole(read(delivery), Masker([SecretStr("configured-secret")]).text)


def message_with_secrets(kind):
    common = {"correlation_id": "c-1"}
    command = {"command_id": "o-1", "accepted_at": NOON, "cart_id": "cart-1", **common}
    if kind is AuthorizePayment:
        secret = {"owner": CANARY, "token": SecretStr(CANARY), "request_hash": CANARY, "return_url": CANARY}
        return kind(method="card", merchant_reference=CANARY, attempt_key=CANARY, **secret, **command)
    if kind is CompleteAuthorization:
        return kind(operation="o-0", owner=CANARY, parameters={CANARY: CANARY}, **command)
    body = b64encode(
        json.dumps({"id": "evt_1", "type": "payment.captured", "name": CANARY, "data": {"x": CANARY}}).encode()
    )
    return PspNotification(
        event_id="n-1", psp="sandbox", headers={CANARY: CANARY}, body=body, received_at=NOON, **common
    )


@pytest.mark.parametrize("kind", [AuthorizePayment, CompleteAuthorization, PspNotification])
def test_of_a_message_of_ours_what_is_listed_is_shown_and_all_else_is_masked(kind):
    message = message_with_secrets(kind)
    found = shown(encode(message), **attributes(message))
    assert CANARY not in json.dumps(found)
    assert found["message"]["correlation_id"] == "c-1"
    assert MASK in found["message"].values()


@pytest.mark.parametrize(
    ("message", "also"),
    [
        (message_with_secrets(AuthorizePayment), {"cart_id", "method"}),
        (message_with_secrets(CompleteAuthorization), {"cart_id", "operation"}),
        (
            RefundPayment(
                correlation_id="c-1",
                command_id="o-1",
                accepted_at=NOON,
                reply_to="here",
                payment_id="p-1",
                transaction_id="t-1",
                charge_id="h-1",
                request_hash=CANARY,
                amount=Money(amount=1, currency="EUR"),
                merchant_reference=CANARY,
            ),
            {"payment_id", "transaction_id", "charge_id", "amount", "reply_to"},
        ),
        (
            DeletePaymentMethod(
                correlation_id="c-1", command_id="o-1", accepted_at=NOON, method_id="m-1", customer_id=CANARY
            ),
            {"method_id"},
        ),
    ],
)
def test_of_each_command_a_person_sees_by_what_to_find_it(message, also):
    found = shown(encode(message))["message"]
    plain = {name for name, value in found.items() if value != MASK}
    assert plain == {"type", "version", "correlation_id", "command_id", "accepted_at"} | also
    assert CANARY not in json.dumps(found)


def test_of_a_webhook_a_person_sees_by_what_to_find_it():
    found = shown(encode(message_with_secrets(PspNotification)))["message"]
    plain = {name for name, value in found.items() if value != MASK}
    assert plain == {"type", "version", "correlation_id", "event_id", "psp", "received_at", "body"}


def test_of_a_webhook_the_bodys_size_hash_and_plain_fields_are_shown():
    body = shown(encode(message_with_secrets(PspNotification)))["message"]["body"]
    assert body["fields"] == {"id": "evt_1", "type": "payment.captured", "data": {MASK: "1 more"}, MASK: "1 more"}
    assert (len(body["sha256"]), body["bytes"] > 50) == (64, True)


#: Of commercetools' notifications and of PSPs' events: what tells one from another.
THEIRS = [
    "createdAt", "created_at", "eventCode", "eventDate", "id", "notificationType", "projectKey", "resourceVersion",
    "sequenceNumber", "specversion", "success", "time", "type", "typeId", "version",
]  # fmt: skip


def test_of_what_is_not_ours_the_plain_fields_are_shown_that_tell_one_from_another():
    plain = dict.fromkeys(THEIRS, "it")
    fields = shown(json.dumps(plain | {"resource": plain, "data": plain, "name": CANARY}).encode())["message"][
        "not_ours"
    ]
    assert fields["fields"] == plain | {"resource": plain, "data": plain, MASK: "1 more"}


@pytest.mark.parametrize(
    "data",
    [
        CANARY.encode(),
        b"\xff" + CANARY.encode(),
        json.dumps([CANARY]).encode(),
        json.dumps({CANARY: CANARY, "type": {CANARY: CANARY}, "data": [CANARY]}).encode(),
        json.dumps({"type": "AuthorizePayment", "token": CANARY}).encode(),
        json.dumps({"resource": {"data": {"resource": {"data": {"id": CANARY}}}}}).encode(),
        json.dumps({"id": "configured-secret", "data": {"id": "tok_secret_of_a_shopper"}}).encode(),
        b"[" * 200_000,
        json.dumps({"id": CANARY, "x": "x" * 1_000_000}).encode(),
    ],
    ids=["words", "bytes", "list", "object", "half ours", "deep", "secrets", "abyss", "large"],
)
def test_bytes_that_are_none_of_our_messages_are_never_quoted(data):
    found = json.dumps(shown(data))
    assert not any(secret in found for secret in (CANARY, "configured-secret", "tok_secret"))
    assert '"sha256"' in found
