"""What other software and people write to our Payments by hand: it may confuse a person, and never moves money twice."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from support.house import with_psp

from bus.messages import CancelPayment, CapturePayment, RefundPayment, ReversePayment
from bus.port import Verdict
from ct.fields import InteractionKind
from psp.errors import OutcomeUnknownError, RetryableError
from psp.facts import Kind, State
from psp.money import Money
from psp.outcome import Outcome
from workers.reconcile import Pass, Step, take_up

EUR_10 = Money(amount=1000, currency="EUR")
ERP_TYPE = {
    "key": "erp",
    "name": {"en": "What the ERP keeps"},
    "resourceTypeIds": ["transaction"],
    "fieldDefinitions": [
        {"name": "erpNumber", "label": {"en": "Number"}, "required": False, "type": {"name": "String"}},
    ],
}
#: What is asked for -> the kind of its first transaction, and its method at the PSP.
ASKED = {
    "authorize": (Kind.AUTHORIZATION, "authorize"),
    "capture": (Kind.CHARGE, "capture"),
    "refund": (Kind.REFUND, "refund"),
    "cancel": (Kind.CANCEL_AUTHORIZATION, "cancel"),
    "reverse": (Kind.CANCEL_AUTHORIZATION, "cancel"),
}


@pytest.fixture(params=["another type", "no type"])
async def stamped(request, house):
    """Replaces the custom types of all transactions of a Payment, as an ERP's export may do."""
    await house.client.post("/types", ERP_TYPE)
    theirs = {"type": {"typeId": "type", "key": "erp"}, "fields": {"erpNumber": "7"}}

    async def stamp(payment_id):
        document = await house.client.get(f"/payments/{payment_id}")
        action = {"action": "setTransactionCustomType", **(theirs if request.param == "another type" else {})}
        actions = [{**action, "transactionId": one["id"]} for one in document["transactions"]]
        await house.client.post(f"/payments/{payment_id}", {"version": document["version"], "actions": actions})

    return stamp


async def asked(house, what):
    """A command, ready to be delivered for the first time."""
    if what == "authorize":
        return house.pay(await house.cart())
    payment = await house.authorized()
    if what in {"refund", "reverse"}:
        await house.deliver(house.ask(CapturePayment, payment.id, amount=EUR_10))
    match what:
        case "capture":
            return house.ask(CapturePayment, payment.id, amount=EUR_10)
        case "refund":
            return house.ask(RefundPayment, payment.id, amount=EUR_10)
        case "cancel":
            return house.ask(CancelPayment, payment.id)
        case "reverse":
            return house.ask(ReversePayment, payment.id)


async def lost(_request):
    raise OutcomeUnknownError("no reply")


async def away(_request):
    raise RetryableError("not there")


def unheard(house, name):
    """The same means, with a PSP that does as it is asked and whose answers are lost."""
    real = getattr(house.work.psp, name)

    async def effect(request):
        await real(request)
        raise OutcomeUnknownError("the reply was lost")

    return with_psp(house, **{name: effect}, lookup=lost)


def only(house):
    (payment,) = house.payments()
    return payment


@pytest.mark.parametrize("what", ASKED)
async def test_what_the_psp_did_before_our_fields_were_replaced_is_found_and_not_done_again(house, stamped, what):
    command = await asked(house, what)
    kind, method = ASKED[what]
    await house.deliver(command, work=unheard(house, method))
    payment = only(house)
    before = len(house.effects()), len(payment.transactions)
    await stamped(payment.id)

    await house.deliver(command)
    await house.pump()

    after = only(house)
    assert [one.state for one in after.of_kind(kind)][-1] is State.SUCCESS
    assert len(after.transactions) == before[1]
    # A reversal has more to do than its first part: that was reserved, and hidden before it was asked for.
    assert len(house.effects()) == before[0]
    if what != "reverse":
        assert house.standing(command).outcome is Outcome.APPROVED


@pytest.mark.parametrize("what", ASKED)
async def test_what_was_done_before_our_fields_were_replaced_is_not_begun_again(house, stamped, what):
    command = await asked(house, what)
    await house.deliver(command)
    payment = only(house)
    before = len(house.effects())
    await stamped(payment.id)

    await house.deliver(command)
    await house.pump()

    after = only(house)
    assert len(house.effects()) == before
    assert house.rows(after) == house.rows(payment)


@pytest.mark.parametrize("what", ASKED)
async def test_what_was_reserved_and_hidden_before_it_was_asked_for_is_never_sent_and_closed_in_the_end(
    house, stamped, what
):
    command = await asked(house, what)
    kind, method = ASKED[what]
    await house.deliver(command, work=with_psp(house, **{method: away}))
    payment = only(house)
    before = len(house.effects()), len(payment.transactions)
    await stamped(payment.id)

    # An attempt is over in minutes; what lives as long as a key is left to reconcile.
    ending = await house.deliver(command)
    assert ending.verdict is (Verdict.AGAIN if what == "authorize" else Verdict.IGNORED)
    house.clock.pass_(days=2)
    await house.deliver(command)
    await house.pump()

    after = only(house)
    assert (len(house.effects()), len(after.transactions)) == before
    assert [one.state for one in after.of_kind(kind)][-1] is State.FAILURE


async def test_an_attempt_that_was_given_up_stays_given_up_when_its_fields_are_replaced(house, stamped):
    cart = await house.cart()
    first = house.pay(cart, "tok_3ds")
    await house.deliver(first)
    house.clock.pass_(minutes=2)
    await house.deliver(house.pay(cart))
    given_up = next(one for one in house.payments() if one.authorization.command_id == first.command_id)
    assert given_up.authorization.superseded
    await stamped(given_up.id)

    after = await house.payment(given_up.id)
    assert after.authorization.superseded
    assert not after.authorization.writable


async def test_an_attempt_whose_fields_are_replaced_can_be_given_up(house, stamped):
    cart = await house.cart()
    first = house.pay(cart, "tok_3ds")
    await house.deliver(first)
    await stamped(only(house).id)
    await house.deliver(house.ask(CancelPayment, only(house).id))
    house.clock.pass_(minutes=2)
    again = house.pay(cart)
    await house.deliver(again)
    await house.pump()
    assert house.standing(again).outcome is Outcome.APPROVED
    assert len([one for one in house.psp.house.books.payments.values() if one.status == "authorized"]) == 1


async def test_a_payment_that_a_merchant_had_set_to_failed_is_weighed_when_the_psp_tells_of_its_success(house):
    """The shopper has paid otherwise meanwhile, as nothing told them that this attempt was not over."""
    cart = await house.cart()
    command = house.pay(cart)
    await house.deliver(command, work=unheard(house, "authorize"))
    first = only(house)
    change = {"action": "changeTransactionState", "transactionId": first.authorization.id, "state": "Failure"}
    await house.client.post(f"/payments/{first.id}", {"version": first.version, "actions": [change]})
    house.clock.pass_(minutes=1)
    await house.deliver(house.pay(cart))

    for event in house.events():
        await house.deliver(event)
    await house.pump()

    after = await house.payment(first.id)
    assert after.authorization.superseded
    assert InteractionKind.LATE in {one.kind for one in after.interactions}
    assert len([one for one in house.psp.house.books.payments.values() if one.status == "authorized"]) == 1


async def test_a_merchants_own_name_on_a_charge_gives_way_to_the_psps_so_that_it_can_be_refunded(house):
    payment = await house.authorized()
    charge = {"type": "Charge", "amount": {"centAmount": 1000, "currencyCode": "EUR"}, "interactionId": "ERP-7"}
    action = {"action": "addTransaction", "transaction": charge}
    house.client.shared["notices"].clear()
    await house.client.post(f"/payments/{payment.id}", {"version": payment.version, "actions": [action]})
    (added,) = house.client.shared["notices"]
    await house.deliver(json.dumps(added).encode(), "commercetools")
    await house.pump()
    (captured,) = (await house.payment(payment.id)).of_kind(Kind.CHARGE)
    assert (captured.state, captured.interaction_id.startswith("cap")) == (State.SUCCESS, True)

    refund = house.ask(RefundPayment, payment.id, amount=EUR_10, charge_id=captured.id)
    await house.deliver(refund)
    assert house.standing(refund).outcome is Outcome.APPROVED


async def test_what_somebody_has_set_to_pending_and_the_psp_never_heard_of_is_closed_by_one_pass(house):
    payment = await house.authorized()
    await house.deliver(house.ask(CapturePayment, payment.id, amount=EUR_10), work=with_psp(house, capture=away))
    reserved = only(house)
    (charge,) = reserved.of_kind(Kind.CHARGE)
    change = {"action": "changeTransactionState", "transactionId": charge.id, "state": "Pending"}
    await house.client.post(f"/payments/{payment.id}", {"version": reserved.version, "actions": [change]})
    house.clock.pass_(days=2)
    this = Pass(cause="pass-1", rested=timedelta(minutes=5), since_last=None)
    assert [one.step async for one in take_up(house.work, this)] == [Step.CLOSED]
    assert [one.step async for one in take_up(house.work, this)] == []
    assert [one.state for one in only(house).of_kind(Kind.CHARGE)] == [State.FAILURE]


async def test_money_on_an_attempt_that_was_given_up_goes_back_although_its_cancel_was_hidden(house, stamped):
    """The cancel is not sent once more under a name whose fields are gone: it ends, and another one is made."""
    cart = await house.cart()
    first = house.pay(cart, "tok_3ds")
    await house.deliver(first)
    house.clock.pass_(minutes=2)
    await house.deliver(house.pay(cart))
    given_up = next(one for one in house.payments() if one.authorization.command_id == first.command_id)
    (psp_payment,) = (one.id for one in house.psp.house.books.payments.values() if one.status == "requires_action")
    topic, cancel = house.queue.waiting.popleft()
    await house.deliver(cancel, topic, work=with_psp(house, cancel=away))
    await stamped(given_up.id)
    assert (await house.deliver(cancel, topic)).verdict is Verdict.IGNORED
    house.clock.pass_(days=2)

    await house.deliver(cancel, topic)
    await house.pump()

    assert house.psp.house.books.payments[psp_payment].status == "canceled"
    cancels = (await house.payment(given_up.id)).of_kind(Kind.CANCEL_AUTHORIZATION)
    assert [one.state for one in cancels] == [State.FAILURE, State.SUCCESS]
