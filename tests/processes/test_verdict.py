"""The verdict on real processes finds what is wrong in what the control APIs tell, and nothing where nothing is."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
from processes.crowd import Purchase
from processes.verdict import everything_wrong

PAYMENT, CART, AUTHORIZATION, CHARGE = "payment-1", "cart-1", "transaction-1", "transaction-2"


def at(second):
    return f"2026-01-01T12:00:{second:02}.000Z"


def transaction(name, kind, state, amount, reference):
    fields = {"ctpayCommandId": f"command-{name}"}
    return {
        "id": name,
        "type": kind,
        "state": state,
        "amount": {"centAmount": amount, "currencyCode": "EUR"},
        "custom": {"fields": fields},
        **({"interactionId": reference} if state == "Success" else {}),
    }


def version(number, second, *transactions):
    return {
        "id": PAYMENT,
        "version": number,
        "createdAt": at(1),
        "lastModifiedAt": at(second),
        "lastModifiedBy": {"clientId": "demo-client"},
        "paymentMethodInfo": {"paymentInterface": "ctpay-sandbox"},
        "interfaceId": "pay_1",
        "interfaceInteractions": [],
        "transactions": [*transactions],
    }


def effect(kind, name, transaction, amount, second):
    metadata = {"payment_id": PAYMENT, "transaction_id": transaction, "project_key": "demo-shop"}
    return {
        "kind": kind, "id": name, "payment": "pay_1", "amount": amount, "currency": "EUR", "at": at(second),
        "key": transaction, "merchant_reference": f"{PAYMENT}.{transaction}", "metadata": metadata,
    }  # fmt: skip


def asked(path, transaction, second):
    return {
        "at": at(second), "method": "POST", "path": path, "key": transaction, "body_sha256": f"hash {transaction}",
        "status": 201,
    }  # fmt: skip


def operation(name, transaction, amount, second):
    return {
        "object": "capture", "id": name, "payment": "pay_1", "amount": amount, "currency": "EUR", "failure": None,
        "status": "succeeded", "metadata": {"payment_id": PAYMENT, "transaction_id": transaction}, "succeeded_at":
        at(second), "created": at(second), "updated": at(second), "payment_metadata": {"payment_id": PAYMENT},
        "payment_amount_authorized": 4200,
    }  # fmt: skip


def event(name, data):
    return {"id": name, "type": "capture.succeeded", "created": at(7), "data": data}


@pytest.fixture
def left():
    """What an authorization and a capture leave behind when all goes well."""
    held = transaction(AUTHORIZATION, "Authorization", "Success", 4200, "pay_1")
    taken = transaction(CHARGE, "Charge", "Success", 1000, "cap_1")
    return SimpleNamespace(
        versions=[
            version(1, 1, held | {"state": "Initial"}),
            version(2, 4, held),
            version(3, 5, held, taken | {"state": "Initial"}),
            version(4, 8, held, taken),
        ],
        effects=[
            effect("authorization", "pay_1", AUTHORIZATION, 4200, 3),
            effect("capture", "cap_1", CHARGE, 1000, 7),
        ],
        requests=[asked("/v1/payments", AUTHORIZATION, 2), asked("/v1/payments/pay_1/captures", CHARGE, 6)],
        psp={
            "object": "payment", "id": "pay_1", "amount": 4200, "currency": "EUR", "status": "authorized",
            "metadata": {"payment_id": PAYMENT, "transaction_id": AUTHORIZATION}, "failure": None, "action": None,
            "amount_authorized": 4200, "authorized_at": at(3), "amount_captured": 1000, "amount_refunded": 0,
            "amount_disputed": 0, "amount_capturable": 3200, "captures": [operation("cap_1", CHARGE, 1000, 7)],
            "cancels": [], "refunds": [], "disputes": [], "created": at(2), "updated": at(7),
        },
        cart={
            "id": CART, "version": 2, "createdAt": at(0), "totalPrice": {"centAmount": 4200, "currencyCode": "EUR"},
            "paymentInfo": {"payments": [{"typeId": "payment", "id": PAYMENT}]},
        },
        lines=[{"process": "capture", "event": "message.done", "topic": "capture", "message_id": "1"}],
        strays=[],
        events={
            "data": [event("evt_1", operation("cap_1", CHARGE, 1000, 7))],
            "attempts": [{"event": "evt_1", "type": "capture.succeeded", "at": at(8), "status": 200}],
        },
    )  # fmt: skip


def gives(document):
    async def give(*_):
        return copy.deepcopy(document)

    return give


async def verdict(left):
    stack = SimpleNamespace(
        environment={"CTP_PROJECT_KEY": "demo-shop", "CTP_CLIENT_SECRET": "hush-hush"},
        lines=left.lines,
        strays=left.strays,
        effects=gives(left.effects),
        history=gives(left.versions),
        psp_requests=gives(left.requests),
        psp_payment=gives(left.psp),
        cart=gives(left.cart),
        psp_control=gives(left.events),
    )
    purchase = Purchase(stack=stack, name="one", cart=CART, ends={PAYMENT: []})
    return {one.split(":")[0] for one in await everything_wrong(stack, [purchase], since=0)}


async def test_where_nothing_is_wrong_nothing_is_said(left):
    assert await verdict(left) == set()


def twice(left):
    left.effects.append(effect("capture", "cap_2", CHARGE, 1000, 9))


def unreserved(left):
    left.requests[1] = asked("/v1/payments/pay_1/captures", CHARGE, 4)
    left.versions[2]["lastModifiedAt"] = at(5)


def fallen(left):
    left.versions.append(version(5, 9, *copy.deepcopy(left.versions[-1]["transactions"])))
    left.versions[-1]["transactions"][1]["state"] = "Pending"


def forgotten(left):
    del left.versions[3]


def made_up(left):
    left.psp["captures"].clear()


def unheard(left):
    left.events["data"].append(event("evt_2", operation("cap_9", "transaction-9", 500, 7)))
    left.events["attempts"].append({"event": "evt_2", "type": "", "at": at(9), "status": 200})


def too_dear(left):
    left.cart["totalPrice"]["centAmount"] = 4100


def buried(left):
    left.lines.append({"process": "capture", "event": "message.dead", "topic": "capture", "message_id": "2"})


def told(left):
    left.lines.append({"process": "capture", "event": "x", "reason": "it is hush-hush"})


def printed(left):
    left.strays.append("capture: Traceback (most recent call last)")


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        (twice, "S1"),
        (unreserved, "S4"),
        (fallen, "S6"),
        (forgotten, "L1"),
        (made_up, "L1"),
        (unheard, "L3"),
        (too_dear, "M1"),
        (buried, "capture said"),
        (told, "a log line tells a secret"),
        (printed, "no log line"),
    ],
)
async def test_each_kind_of_wrong_is_found(left, wrong, found):
    wrong(left)
    assert found in await verdict(left)
