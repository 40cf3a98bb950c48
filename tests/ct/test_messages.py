from __future__ import annotations

import json

import pytest
from support.ct_documents import payment_document, transaction

from ct.messages import UnreadableMessageError, read_notification
from psp.facts import Kind

BASE = {
    "notificationType": "Message",
    "projectKey": "demo",
    "id": "m-1",
    "version": 1,
    "sequenceNumber": 2,
    "resource": {"typeId": "payment", "id": "pay-1"},
    "resourceVersion": 2,
    "type": "PaymentTransactionAdded",
    "createdAt": "2026-03-01T12:00:00.000Z",
}


def read(document):
    return read_notification(json.dumps(document).encode(), project_key="demo", interface="ctpay-test")


def asked(document):
    return [(one.payment_id, one.transaction_id, one.kind) for one in read(document).asked]


@pytest.mark.parametrize("kind", ["Charge", "Refund", "CancelAuthorization"])
def test_a_merchants_initial_transaction_asks_for_itself(kind):
    assert asked(BASE | {"transaction": transaction("t", kind)}) == [("pay-1", "t", Kind(kind))]


def test_the_cloud_events_form_says_the_same():
    inner = BASE | {"transaction": transaction("t", "Charge")}
    assert asked({"specversion": "1.0", "id": "m-1", "data": inner}) == [("pay-1", "t", Kind.CHARGE)]


def test_a_transaction_that_came_with_the_payment_asks_too():
    document = payment_document(transaction("a", state="Success"), transaction("c", "Charge"))
    assert asked(BASE | {"type": "PaymentCreated", "payment": document}) == [("pay-1", "c", Kind.CHARGE)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"transaction": transaction("t", "Charge", command="ours")}, "no Initial"),
        ({"transaction": transaction("t", "Charge", "Success")}, "no Initial"),
        ({"transaction": transaction("t", "Authorization")}, "no Initial"),
        ({"transaction": transaction("t", "Chargeback")}, "no Initial"),
        ({"type": "PaymentCreated", "payment": payment_document(interface="others")}, "not our payment"),
        ({"type": "PaymentInteractionAdded"}, "asks nothing"),
        ({"type": "SomethingNew"}, "asks nothing"),
        ({"projectKey": "other"}, "another project"),
        ({"resource": {"typeId": "order", "id": "o"}}, "not about a payment"),
        ({"notificationType": "ResourceCreated", "resource": {"typeId": "subscription", "id": "s"}}, "asks nothing"),
        ({"notificationType": "Event", "data": {}}, "asks nothing"),
    ],
)
def test_everything_else_asks_nothing_and_says_why(change, reason):
    asking = read(BASE | change)
    assert asking.asked == ()
    assert reason in asking.reason


def test_a_payload_that_was_left_out_is_to_be_read():
    document = BASE | {"payloadNotIncluded": {"reason": "Payload too large.", "payloadType": "x"}}
    assert read(document).read_payment == "pay-1"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b"[]",
        b"1",
        b"{}",
        b"[" * 100_000,
        b'{"specversion":"1.0"}',
        json.dumps(BASE).encode(),
        json.dumps({**BASE, "transaction": {"id": "t", "type": "Sorcery"}}).encode(),
        json.dumps({**BASE, "resource": None}).encode(),
    ],
)
def test_what_is_no_notification_is_named_unreadable(data):
    with pytest.raises(UnreadableMessageError):
        read_notification(data, project_key="demo", interface="ctpay-test")


def test_half_of_a_pair_of_surrogates_is_unreadable_and_a_whole_pair_is_text():
    document = BASE | {"transaction": transaction("t", "Charge")}
    assert asked(document | {"note": "\N{BANKNOTE WITH EURO SIGN} and \u00e9"}) == [("pay-1", "t", Kind.CHARGE)]
    for half in ("\ud83d", "\udcb6"):
        with pytest.raises(UnreadableMessageError):
            read(document | {"note": half})


def added(**change):
    return BASE | {"transaction": transaction("t", "Charge")} | change


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(added(resource={"typeId": "payment", "id": "ZZZ"})).encode().replace(b"ZZZ", b"\xed\xa0\x80"),
        json.dumps(added(id="ZZZ")).encode().replace(b"ZZZ", b"\xed\xa0\x80"),
        json.dumps(added()).encode("utf-16"),
        json.dumps(added(more="x" * 9_000_000)).encode(),
        *(
            json.dumps(added(**change)).encode()
            for wrong in (5, None, "", "..", "a/b", "x" * 65, ["t"], "\ud800", "a\nb")
            for change in (
                {"id": wrong},
                {"resource": {"typeId": "payment", "id": wrong}},
                {"resource": {"typeId": "payment", "id": wrong}, "payloadNotIncluded": {"reason": "too large"}},
                {"transaction": transaction("t", "Charge") | {"id": wrong}},
            )
        ),
    ],
)
def test_what_cannot_be_commercetools_is_unreadable_and_asks_nothing(body):
    with pytest.raises(UnreadableMessageError):
        read_notification(body, project_key="demo", interface="ctpay-test")


def padded(size):
    document = BASE | {"type": "PaymentStatusInterfaceCodeSet", "padding": ""}
    short = len(json.dumps(document))
    return json.dumps(document | {"padding": "x" * (size - short)}).encode()


def test_a_notification_may_have_a_million_bytes_and_not_one_more():
    read_notification(padded(1_000_000), project_key="demo", interface="ctpay-test")
    with pytest.raises(UnreadableMessageError, match="has 1000001 bytes; 1000000 are the most"):
        read_notification(padded(1_000_001), project_key="demo", interface="ctpay-test")
