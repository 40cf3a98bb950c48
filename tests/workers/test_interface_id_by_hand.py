"""Other software sets a Payment's `interfaceId`, which can be set only once, before the PSP's first answer is written.

The PSP is then never asked under that name alone, and it is called by its own name as soon as it has told it.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.house import PASS, Fault, with_psp

from bus.messages import CancelPayment, CapturePayment, RefundPayment, ReversePayment
from bus.port import Verdict
from ct.fields import InteractionKind
from psp.errors import OutcomeUnknownError
from psp.facts import State
from psp.money import Money
from psp.outcome import Outcome
from psp.port import Page
from workers.reconcile import Pass, take_up
from workers.reconcile_lists import Job, Place, Repair, compare

EUR_10 = Money(amount=1000, currency="EUR")


async def lost(_request):
    raise OutcomeUnknownError("no reply")


def unheard(house, name):
    """The PSP does as it is asked, and its reply is lost."""
    real = getattr(house.work.psp, name)

    async def effect(request):
        await real(request)
        raise OutcomeUnknownError("the reply was lost")

    return with_psp(house, **{name: effect}, lookup=lost)


async def hand(house, payment_id, *actions):
    document = await house.client.get(f"/payments/{payment_id}")
    await house.client.post(f"/payments/{payment_id}", {"version": document["version"], "actions": list(actions)})


async def named(house, payment_id):
    await hand(house, payment_id, {"action": "setInterfaceId", "interfaceId": "ERP-4711"})


def statuses(house):
    return [one.status for one in house.psp.house.books.payments.values()]


async def begun(house, token="tok_approved", **more):
    """An attempt that the PSP has heard of, and whose Payment bears somebody else's name meanwhile."""
    command = house.pay(await house.cart(), token, **more)
    await house.deliver(command, work=unheard(house, "authorize"))
    (payment,) = house.payments()
    await named(house, payment.id)
    return command, payment.id


async def settled(house):
    """A Payment whose money is held, and which bears somebody else's name."""
    command, payment_id = await begun(house)
    await house.deliver(command)
    assert house.standing(command).outcome is Outcome.APPROVED
    return payment_id


async def test_money_that_is_held_is_found_by_our_own_reference_and_not_closed_as_never_sent(house):
    command, payment_id = await begun(house)
    house.clock.pass_(minutes=26)
    await house.deliver(command)

    assert house.standing(command).outcome is Outcome.APPROVED
    assert (await house.payment(payment_id)).authorization.state is State.SUCCESS
    assert statuses(house) == ["authorized"]


async def test_a_pass_finds_it_too(house):
    _, payment_id = await begun(house)
    house.clock.pass_(hours=1)
    this = Pass(cause="pass-1", rested=timedelta(minutes=5), since_last=None)
    assert [one.payment_id async for one in take_up(house.work, this)] == [payment_id]
    assert (await house.payment(payment_id)).authorization.state is State.SUCCESS


async def test_a_pass_asks_by_our_reference_too_where_the_psp_is_said_to_have_told(house):
    """Whoever sets the one name may well set the other."""
    _, payment_id = await begun(house)
    payment = await house.payment(payment_id)
    other = {"action": "changeTransactionInteractionId", "transactionId": payment.authorization.id}
    await hand(house, payment_id, {**other, "interactionId": "ERP-4712"})
    house.clock.pass_(hours=1)
    this = Pass(cause="pass-1", rested=timedelta(minutes=5), since_last=None)
    assert [one.payment_id async for one in take_up(house.work, this)] == [payment_id]
    assert (await house.payment(payment_id)).authorization.state is State.SUCCESS
    capture = house.ask(CapturePayment, payment_id, amount=EUR_10)
    await house.deliver(capture)
    assert house.standing(capture).outcome is Outcome.APPROVED


async def test_the_comparison_asks_by_our_reference_too(house):
    _, payment_id = await begun(house)
    house.clock.pass_(hours=1)
    now = house.clock()
    job = Job(cause="c", since=now - timedelta(days=1), until=now, rested=timedelta(minutes=5), repair=Repair.EVIDENT)

    async def nothing(_request):
        return Page(facts=(), cursor=None)

    found = [leaf async for leaf in compare(with_psp(house, page=nothing), job, Place())]
    assert [row.repaired for leaf in found for row in leaf.rows] == [True]
    assert (await house.payment(payment_id)).authorization.state is State.SUCCESS


@pytest.mark.parametrize("kind", [CapturePayment, CancelPayment, ReversePayment])
async def test_what_is_asked_next_goes_by_the_name_that_the_psp_told(house, kind):
    payment_id = await settled(house)
    more = {"amount": EUR_10} if kind is CapturePayment else {}
    command = house.ask(kind, payment_id, **more)
    await house.deliver(command)

    assert house.standing(command).outcome is Outcome.APPROVED
    payment = await house.payment(payment_id)
    (psp_payment,) = house.psp.house.books.payments
    assert (payment.interface_id, payment.known_as) == ("ERP-4711", psp_payment)
    assert [one.message for one in payment.interactions if one.kind is InteractionKind.NAMED] == [psp_payment]


async def test_a_refund_goes_by_it_too(house):
    payment_id = await settled(house)
    await house.deliver(house.ask(CapturePayment, payment_id, amount=EUR_10))
    refund = house.ask(RefundPayment, payment_id, amount=EUR_10)
    await house.deliver(refund)
    assert house.standing(refund).outcome is Outcome.APPROVED


async def test_a_capture_whose_reply_is_lost_is_found_by_it(house):
    payment_id = await settled(house)
    capture = house.ask(CapturePayment, payment_id, amount=EUR_10)
    await house.deliver(capture, work=unheard(house, "capture"))
    house.clock.pass_(days=2)
    await house.deliver(capture)
    assert house.standing(capture).outcome is Outcome.APPROVED
    assert len(house.effects("capture")) == 1


async def test_an_attempt_that_the_psp_has_not_told_of_is_cancelled_by_our_reference(house):
    _, payment_id = await begun(house, "tok_3ds")
    cancel = house.ask(CancelPayment, payment_id)
    await house.deliver(cancel)
    assert house.standing(cancel).outcome is Outcome.APPROVED
    assert statuses(house) == ["canceled"]


async def test_so_it_is_where_the_authorization_bears_somebody_elses_name_as_well(house):
    _, payment_id = await begun(house, "tok_3ds")
    attempt = (await house.payment(payment_id)).authorization
    other = {"action": "changeTransactionInteractionId", "transactionId": attempt.id, "interactionId": "ERP-4712"}
    await hand(house, payment_id, other)
    await house.deliver(house.ask(CancelPayment, payment_id))
    assert statuses(house) == ["canceled"]


async def test_a_challenge_is_completed_under_the_psps_name(house):
    command, _ = await begun(house, "tok_3ds")
    await house.deliver(command)
    assert house.standing(command).outcome is Outcome.ACTION
    (psp_payment,) = house.psp.house.books.payments
    result = (await house.control(f"/payments/{psp_payment}/challenge", decision="approve"))["result"]
    back = house.come_back(command, result)
    await house.deliver(back)
    assert house.standing(back).outcome is Outcome.APPROVED


async def test_the_psps_name_is_noted_once_whatever_it_tells_afterwards(house):
    payment_id = await settled(house)
    before = (await house.payment(payment_id)).version
    for event in house.events():
        assert (await house.deliver(event)).verdict is Verdict.DONE
    assert (await house.payment(payment_id)).version == before


async def test_what_is_on_account_stays_so(house):
    """Its capture is nothing that the PSP has ever heard of."""

    async def name_it():
        (payment,) = house.payments()
        await named(house, payment.id)

    house.fault(PASS, PASS, PASS, Fault(action=name_it))
    await house.deliver(house.pay(await house.cart(), method="invoice", token=None))
    (payment,) = house.payments()
    capture = house.ask(CapturePayment, payment.id, amount=EUR_10)
    await house.deliver(capture)
    assert house.standing(capture).outcome is Outcome.APPROVED
    assert payment.interface_id == "ERP-4711"
