"""Money on a superseded attempt goes back by tries of ours that are bounded, and a person is told of what is left."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.ct_documents import payment, transaction
from support.house import with_psp
from support.psp_servers import SECRET_KEY

from bus.topics import Topic
from psp.errors import RefusedError
from psp.facts import Kind, State
from workers.reconcile import Pass, Step, take_up
from workers.superseded import is_kept


async def refuses(_request):
    raise RefusedError(code="processing", message="The bank is at it.")


async def challenged(house):
    """A challenge is left open: the cart, and the Payment."""
    cart = await house.cart()
    first = house.pay(cart, "tok_3ds")
    await house.deliver(first)
    return cart, await house.payment(house.standing(first).payment_reference)


async def paid_otherwise(house, cart, work=None):
    house.clock.pass_(minutes=2)
    await house.deliver(house.pay(cart), work=work)
    await pump(house, work)


async def pump(house, work=None):
    while house.queue.waiting:
        topic, data = house.queue.waiting.popleft()
        await house.deliver(data, topic, work=work)


async def approved_after_all(house, payment, work=None):
    """The shopper passes the challenge, and the PSP needs nobody to complete it."""
    house.clock.pass_(minutes=1)
    result = (await house.control(f"/payments/{payment.interface_id}/challenge", decision="approve"))["result"]
    url = f"{house.psp.url}/v1/payments/{payment.interface_id}/complete"
    async with house.http.post(url, json={"result": result}, headers={"Authorization": f"Bearer {SECRET_KEY}"}):
        pass
    for event in house.events():
        await house.deliver(event, work=work)
    await pump(house, work)


async def passes(house, count, work=None):
    """What the last of so many said."""
    steps = []
    for number in range(count):
        house.clock.pass_(hours=2)
        this = Pass(cause=f"pass-{number}", rested=timedelta(minutes=5), since_last=None)
        steps = [taken async for taken in take_up(work or house.work, this)]
        await pump(house, work)
    return steps


def held(house):
    return [one.id for one in house.psp.house.books.payments.values() if one.status == "authorized"]


async def test_what_a_merchant_asked_for_in_vain_is_no_try_of_ours(house):
    cart, payment = await challenged(house)
    for _ in range(6):
        await house.deliver(await house.put(payment.id, "Refund", 100), topic=Topic.COMMERCETOOLS)
        await house.pump()
    await paid_otherwise(house, cart)
    assert house.psp.house.books.payments[payment.interface_id].status == "canceled"
    assert len(held(house)) == 1


async def test_tries_before_the_money_came_do_not_count_against_those_after_it(house):
    """The PSP cancels nothing while the shopper's bank is at it, and does once it is done."""
    busy = with_psp(house, cancel=refuses)
    cart, payment = await challenged(house)
    await paid_otherwise(house, cart, busy)
    await passes(house, 8, busy)
    tried = (await house.payment(payment.id)).of_kind(Kind.CANCEL_AUTHORIZATION)
    assert [one.state for one in tried] == [State.FAILURE] * 5
    await approved_after_all(house, payment)
    assert payment.interface_id not in held(house)


async def test_after_five_tries_in_vain_a_person_is_told_and_the_psp_is_left_alone(house):
    stubborn = with_psp(house, cancel=refuses)
    cart, payment = await challenged(house)
    await paid_otherwise(house, cart, stubborn)
    await approved_after_all(house, payment, stubborn)
    await passes(house, 8, stubborn)
    tries = len((await house.payment(payment.id)).of_kind(Kind.CANCEL_AUTHORIZATION))
    (told,) = await passes(house, 3, stubborn)
    assert len((await house.payment(payment.id)).of_kind(Kind.CANCEL_AUTHORIZATION)) == tries
    assert (told.step, told.payment_id, told.transaction.kind) == (Step.UNKNOWN, payment.id, Kind.AUTHORIZATION)
    assert "will not give this back" in told.reason
    assert payment.interface_id in held(house)


def logged(kind, minute, **fields):
    values = {"Kind": kind, "At": f"2026-03-01T12:{minute:02}:00.000Z", "TransactionId": "auth"} | fields
    return {"type": {}, "fields": {f"ctpay{name}": value for name, value in values.items()}}


#: Five tries of ours, until five past.
TRIES = [logged("reserved", minute, Cause=f"superseded-auth-{minute}", TransactionId="gone") for minute in range(1, 6)]
HELD = transaction("auth", state="Success", command="c", fields={"ctpaySuperseded": True})


def kept(*more, log=()):
    return is_kept(payment(HELD, *more, interfaceInteractions=[*TRIES, *log]))


def test_money_that_five_tries_did_not_give_back_is_kept():
    assert kept()
    assert not is_kept(payment(HELD, interfaceInteractions=TRIES[1:]))


@pytest.mark.parametrize("kind", ["CancelAuthorization", "Refund"])
@pytest.mark.parametrize("state", ["Initial", "Pending"])
def test_what_is_being_given_back_is_not_kept(kind, state):
    charge = [transaction("taken", "Charge", "Success")] if kind == "Refund" else []
    assert not kept(*charge, transaction("back", kind, state, command="superseded-auth-5"))
    assert kept(*charge, transaction("a-merchants", kind, "Initial"))
    assert kept(*charge, transaction("back", kind, "Failure", command="superseded-auth-5"))


def test_what_a_capture_under_way_takes_has_to_wait_for_it_and_is_not_kept():
    assert not kept(transaction("capture", "Charge", "Pending", command="m"))


@pytest.mark.parametrize(
    "came",
    [
        {"Kind": "fact", "State": "Success"},
        {"Kind": "late", "State": "Success"},
        {"Kind": "fact", "State": "Success", "TransactionId": "taken"},
        {"Kind": "late", "State": "Success", "TransactionId": "taken"},
        {"Kind": "reversed", "TransactionId": "dispute"},
    ],
)
def test_tries_are_counted_anew_when_money_has_come(came):
    others = [transaction("taken", "Charge", "Success"), transaction("dispute", "Chargeback", "Failure")]
    kind = came["Kind"]
    assert kept(*others, log=[logged(kind, 0, Cause="evt", **came)])
    assert not kept(*others, log=[logged(kind, 6, Cause="evt", **came)])


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("fact", {"State": "Success", "TransactionId": "back"}),
        ("fact", {"State": "Pending"}),
        ("late", {"State": "Failure"}),
        ("unknown", {"State": "Success"}),
        # A bank that undoes each refund would keep us at it without end.
        ("reversed", {"TransactionId": "back"}),
    ],
)
def test_news_of_anything_else_begins_no_new_count(kind, told):
    back = transaction("back", "Refund", "Failure", command="s")
    assert kept(back, log=[logged(kind, 6, Cause="evt", **told)])
