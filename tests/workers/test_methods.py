"""Stored payment methods: stored once and by consent alone, paid with by whose they are, and forgotten when deleted."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from support.house import Fault, with_psp

from bus.messages import DeletePaymentMethod, StorePaymentMethod, decode
from bus.port import Verdict
from ct import stored
from ct.errors import UnavailableError
from ct.fields import InteractionKind
from psp.errors import RetryableError
from psp.outcome import Outcome
from psp.stored import Initiator
from sandbox.psp.faults import Fault as PspFault
from sandbox.psp.faults import FaultKind, FaultPlan

CUSTOMER = "customer-1"


async def _pay(house, *, customer=CUSTOMER, total=4200, cart=None, **more):
    """A payment by this customer; its command, delivered once."""
    cart = cart or await house.cart(total, **({"customerId": customer} if customer else {}))
    command = house.pay(cart, **more)
    await house.deliver(command)
    return command


async def _stored(house, **more):
    """A customer with one stored method; the method's id."""
    await _pay(house, store=True, **more)
    await house.pump()
    return (await stored.of_customer(house.work.ledger, CUSTOMER))[0].id


def _methods(house):
    return house.core.documents("payment-method")


def _kept(house):
    """What the PSP keeps."""
    return list(house.psp.house.books.stored)


def _delete(house, method_id, **more):
    values = {"command_id": "del-1", "correlation_id": "c", "accepted_at": house.clock(), "reply_to": "instance"}
    return DeletePaymentMethod(**(values | {"method_id": method_id, "customer_id": CUSTOMER} | more))


def _psp_fault(house, kind, on):
    house.psp.house.desk.faults = FaultPlan(faults=(PspFault(kind=kind, on=on, times=99),))


async def test_a_method_is_stored_with_what_its_customer_recognises_it_by(house):
    command = await _pay(house, store=True)
    assert house.standing(command).outcome is Outcome.APPROVED
    assert [one.verdict for one in await house.pump()] == [Verdict.DONE]
    (method,) = await stored.of_customer(house.work.ledger, CUSTOMER)
    shown = (method.method, method.brand, method.last_four, method.expiry_month, method.expiry_year)
    assert shown == ("card", "Visa", "4242", 12, 2029)
    (document,) = _methods(house)
    assert document["paymentInterface"] == "ctpay-sandbox"
    assert [document["token"]["value"]] == _kept(house)


async def test_storing_costs_the_payment_no_call_and_itself_three(house):
    cart = await house.cart(customerId=CUSTOMER)
    async with house.counting() as calls:
        await house.deliver(house.pay(cart, store=True))
    assert len(calls) == 4
    async with house.counting() as calls:
        await house.pump()
    assert ["/".join(one.split("/")[:2]).replace("/", "") for one in calls] == [
        "GET payments",
        "POST payment-methods",
        "POST payments",
    ]


async def test_without_consent_nothing_is_stored(house):
    await _pay(house)
    await _pay(house, store=False)
    assert not house.queue.waiting
    assert _methods(house) == _kept(house) == []


async def test_guests_cannot_store_and_nothing_is_attached_to_their_cart(house):
    cart = await house.cart()
    command = await _pay(house, cart=cart, store=True)
    standing = house.standing(command)
    assert (standing.outcome, standing.reason.code) == (Outcome.REFUSED, "guest")
    assert house.payments() == house.effects() == []
    assert "paymentInfo" not in await house.client.get(f"/carts/{cart}")


async def test_a_declined_card_is_not_stored(house):
    await _pay(house, token="tok_declined", store=True)
    assert not house.queue.waiting
    assert _kept(house) == []


async def test_a_repeated_message_and_every_event_about_it_make_no_second_method(house):
    await _pay(house, store=True)
    ((topic, data),) = house.queue.waiting
    for _ in range(3):
        await house.deliver(data, topic)
    for event in house.events():
        await house.deliver(event)
    await house.pump()
    assert len(_methods(house)) == 1


async def test_two_deliveries_at_once_make_one_method(house):
    await _pay(house, store=True)
    ((topic, data),) = house.queue.waiting
    await asyncio.gather(house.deliver(data, topic), house.deliver(data, topic))
    assert len(_methods(house)) == 1


async def test_a_lost_write_after_the_psp_stored_it_loses_no_method(house):
    cart = await house.cart(customerId=CUSTOMER)
    command = house.pay(cart, store=True)
    house.fault(*[Fault(before=True)] * 3, Fault(error=UnavailableError("down"), before=False))
    assert (await house.deliver(command)).verdict is Verdict.AGAIN
    assert (await house.deliver(command)).verdict is Verdict.DONE
    await house.pump()
    assert len(_methods(house)) == len(_kept(house)) == 1


async def test_the_event_alone_stores_it_where_the_reply_was_lost(house):
    cart = await house.cart(customerId=CUSTOMER)

    async def lost(request):
        await house.work.psp.authorize(request)
        raise RetryableError("the reply was lost")

    command = house.pay(cart, store=True)
    await house.deliver(command, work=with_psp(house, authorize=lost))
    assert not house.queue.waiting
    (event,) = house.events()
    await house.deliver(event)
    await house.pump()
    assert len(_methods(house)) == 1


async def test_a_card_is_stored_after_its_challenge_and_not_before(house):
    cart = await house.cart(customerId=CUSTOMER)
    command = house.pay(cart, "tok_3ds", store=True)
    await house.deliver(command)
    assert not house.queue.waiting
    payment = await house.payment(house.standing(command).payment_reference)
    answered = await house.control(f"/payments/{payment.interface_id}/challenge", decision="approve")
    await house.deliver(house.come_back(command, answered["result"]))
    await house.pump()
    assert len(_methods(house)) == 1


async def test_a_stored_method_pays_with_one_more_call(house):
    method = await _stored(house)
    cart = await house.cart(1000, customerId=CUSTOMER)
    async with house.counting() as calls:
        command = house.pay(cart, token=None, stored_method_id=method)
        await house.deliver(command)
    assert house.standing(command).outcome is Outcome.APPROVED
    assert len(calls) == 5
    assert house.effects("authorization")[-1]["amount"] == 1000
    await house.pump()
    assert len(_methods(house)) == 1


@pytest.mark.parametrize(
    "wrong",
    [{"customer": "customer-2"}, {"customer": None}, {"method": "invoice"}, {"stored_method_id": "no-such-method"}],
    ids=str,
)
async def test_a_stored_method_that_is_not_the_cart_customers_is_refused_and_nothing_is_attached(house, wrong):
    method = await _stored(house)
    before = len(house.payments())
    work = replace(house.work, others={})
    asked = {"customer": CUSTOMER, "token": None, "stored_method_id": method} | wrong
    cart = await house.cart(**({"customerId": customer} if (customer := asked.pop("customer")) else {}))
    command = house.pay(cart, **asked)
    await house.deliver(command, work=work)
    standing = house.standing(command)
    assert (standing.outcome, standing.reason.code) == (Outcome.REFUSED, "no-such-stored-method")
    assert len(house.payments()) == before
    assert "paymentInfo" not in await house.client.get(f"/carts/{cart}")


async def test_a_merchant_charges_a_stored_card_without_a_challenge(house):
    cart = await house.cart(customerId=CUSTOMER)
    first = house.pay(cart, "tok_3ds", store=True)
    await house.deliver(first)
    payment = await house.payment(house.standing(first).payment_reference)
    answered = await house.control(f"/payments/{payment.interface_id}/challenge", decision="approve")
    await house.deliver(house.come_back(first, answered["result"]))
    await house.pump()
    (method,) = await stored.of_customer(house.work.ledger, CUSTOMER)
    renewal = await _pay(house, token=None, stored_method_id=method.id, initiator=Initiator.MERCHANT.value)
    assert house.standing(renewal).outcome is Outcome.APPROVED


async def test_a_method_that_is_deleted_between_reservation_and_call_costs_no_money_and_is_closed_by_evidence(house):
    method = await _stored(house)
    effects = len(house.effects())
    cart = await house.cart(customerId=CUSTOMER)
    command = house.pay(cart, token=None, stored_method_id=method)

    async def down(_request):
        raise RetryableError("not sent")

    assert (await house.deliver(command, work=with_psp(house, authorize=down))).verdict is Verdict.AGAIN
    await house.deliver(_delete(house, method))
    assert (await house.deliver(command)).verdict is Verdict.AGAIN
    house.clock.pass_(minutes=30)
    assert (await house.deliver(command)).verdict is Verdict.DONE
    assert house.standing(command).outcome is Outcome.REJECTED
    assert len(house.effects()) == effects


async def test_a_deleted_method_is_gone_here_and_forgotten_there(house):
    method = await _stored(house)
    command = _delete(house, method)
    async with house.counting() as calls:
        assert (await house.deliver(command)).verdict is Verdict.DONE
    assert [one.split()[0] for one in calls] == ["GET", "POST", "DELETE"]
    assert house.standing(command).outcome is Outcome.APPROVED
    assert _methods(house) == _kept(house) == []
    assert (await house.deliver(command)).verdict is Verdict.IGNORED


async def test_a_method_is_off_the_list_at_once_and_forgotten_when_the_psp_is_back(house):
    method = await _stored(house)
    command = _delete(house, method)
    _psp_fault(house, FaultKind.ERROR_BEFORE, "stored_methods.forget")
    assert (await house.deliver(command)).verdict is Verdict.AGAIN
    assert house.standing(command).outcome is Outcome.APPROVED
    assert await stored.of_customer(house.work.ledger, CUSTOMER) == ()
    refused = await _pay(house, token=None, stored_method_id=method)
    assert house.standing(refused).outcome is Outcome.REFUSED
    house.psp.house.desk.faults = FaultPlan()
    assert (await house.deliver(command)).verdict is Verdict.DONE
    assert _methods(house) == _kept(house) == []


@pytest.mark.parametrize("at", [0, 1, 2])
async def test_a_deletion_that_breaks_off_anywhere_is_finished_by_its_repetition(house, at):
    method = await _stored(house)
    command = _delete(house, method)
    house.fault(*[Fault()] * at, Fault(error=UnavailableError("down"), before=False))
    await house.deliver(command)
    assert (await house.deliver(command)).verdict in {Verdict.DONE, Verdict.IGNORED}
    assert _methods(house) == _kept(house) == []


async def test_nobody_deletes_another_customers_method(house):
    method = await _stored(house)
    command = _delete(house, method, customer_id="customer-2")
    await house.deliver(command)
    assert house.standing(command).outcome is Outcome.NOT_FOUND
    assert len(_methods(house)) == len(_kept(house)) == 1


async def test_an_event_that_comes_late_brings_no_deleted_method_back(house):
    method = await _stored(house)
    await house.deliver(_delete(house, method))
    for event in house.events():
        await house.deliver(event)
    await house.pump()
    assert _methods(house) == []


async def test_all_methods_of_a_customer_are_listed_however_many(house, monkeypatch):
    await _stored(house)
    (document,) = _methods(house)
    draft = {name: document[name] for name in ("customer", "method", "paymentInterface", "custom")}
    for number in range(23):
        more = {"key": f"more-{number}", "token": {"value": f"pm_{number}"}}
        await house.client.post("/payment-methods", draft | more)
    others = draft | {"customer": {"typeId": "customer", "id": "customer-2"}, "token": {"value": "pm_x"}}
    await house.client.post("/payment-methods", others | {"key": "theirs"})
    await house.client.post("/payment-methods", draft | {"paymentInterface": "another", "key": "not-ours"})
    assert len(await stored.of_customer(house.work.ledger, CUSTOMER)) == 24
    monkeypatch.setattr(stored, "PAGE_SIZE", 10)
    listed = await stored.of_customer(house.work.ledger, CUSTOMER)
    assert len({one.id for one in listed}) == 24
    # What looks like the end of a predicate is a part of the name.
    assert await stored.of_customer(house.work.ledger, f'{CUSTOMER}") or id != ("') == ()


async def test_what_was_stored_is_noted_on_its_payment_without_its_token(house):
    command = await _pay(house, store=True)
    ((_, data),) = house.queue.waiting
    token = decode(data).token.get_secret_value()
    assert isinstance(decode(data), StorePaymentMethod)
    await house.pump()
    payment = await house.payment(house.standing(command).payment_reference)
    assert InteractionKind.STORED in {one.kind for one in payment.interactions}
    assert token not in str(house.core.documents("payment"))


async def test_a_payment_without_a_customer_is_on_nobodys_list(house):
    guest = await house.authorized()
    values = {"command_id": "s-1", "correlation_id": "c", "accepted_at": house.clock(), "payment_id": guest.id}
    instrument = {"method": "card"}
    forged = StorePaymentMethod(**values, token="pm_x", instrument=instrument)
    assert (await house.deliver(forged)).verdict is Verdict.IGNORED
    assert (await house.deliver(forged.model_copy(update={"payment_id": "gone"}))).verdict is Verdict.IGNORED
    assert _methods(house) == []
