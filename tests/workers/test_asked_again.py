"""What is asked again, or told twice: a wish is carried out once it may be, and no operation of the PSP counts twice."""

from __future__ import annotations

from datetime import timedelta

from support.house import with_psp
from support.off_cart import eur, hand, passes

from bus.messages import CancelPayment, CapturePayment
from bus.port import Verdict
from bus.topics import Topic
from ct.actions import add_interaction
from ct.fields import InteractionKind
from ct.resolution import Resolution
from psp.errors import OutcomeUnknownError, RetryableError
from psp.facts import Fact, Kind, Reference, State
from psp.outcome import Outcome
from psp.port import Answer
from workers.reconcile import Pass, Step, take_up
from workers.resolve import End, resolve


def told(house, kind, money, name, *, payment, transaction):
    """A success of the PSP's."""
    return Fact(
        kind=kind,
        state=State.SUCCESS,
        amount=money,
        at=house.clock(),
        psp_reference=name,
        payment_reference=payment.interface_id,
        reference=Reference(project_key="demo", payment_id=payment.id, transaction_id=transaction),
    )


def word(house, transaction, state=State.SUCCESS, reference=None):
    return Resolution(
        transaction_id=transaction,
        state=state,
        evidence="ticket 4711",
        by="Ada",
        at=house.clock(),
        cause="resolve-1",
        psp_reference=reference,
    )


async def test_a_refund_that_a_merchant_asks_for_again_is_made_although_a_run_had_taken_it_on_and_came_no_further(
    house,
):
    payment = await house.authorized()
    await house.deliver(await house.put(payment.id, "Refund", 1000), Topic.COMMERCETOOLS)
    await house.pump()
    (refund,) = (await house.payment(payment.id)).of_kind(Kind.REFUND)
    assert refund.state is State.FAILURE
    await house.deliver(house.ask(CapturePayment, payment.id, amount=eur(4200)))
    await hand(house, payment, action="changeTransactionState", transactionId=refund.id, state="Initial")
    house.clock.pass_(minutes=6)
    this = Pass(cause="pass", rested=timedelta(minutes=5), since_last=None)
    assert [one.step async for one in take_up(house.work, this)] == [Step.RESUMED]
    topic, again = house.queue.waiting.popleft()

    async def away(_request):
        raise RetryableError("busy")

    assert (await house.deliver(again, topic, work=with_psp(house, refund=away))).verdict is Verdict.AGAIN
    assert (await house.deliver(again, topic)).verdict is Verdict.DONE
    await passes(house)
    assert [one["amount"] for one in house.effects("refund")] == [1000]


async def test_no_person_can_say_that_one_capture_of_the_psp_is_two(house):
    """There are two of one amount, and the reference of the wrong one is easily given."""
    payment = await house.authorized()
    await house.deliver(house.ask(CapturePayment, payment.id, amount=eur(1000)))
    (first,) = (await house.payment(payment.id)).of_kind(Kind.CHARGE)

    async def lost(_request):
        raise OutcomeUnknownError("no reply")

    second = house.ask(CapturePayment, payment.id, amount=eur(1000))
    dark = with_psp(house, capture=lost, lookup=lost)
    await house.deliver(second, work=dark)
    house.clock.pass_(hours=30)
    charge = next(one for one in (await house.payment(payment.id)).of_kind(Kind.CHARGE) if one.id != first.id)
    said = await resolve(dark, payment.id, word(house, charge.id, reference=first.interaction_id))
    assert (said.end, said.refusal.code) == (End.REFUSED, "reference-in-use")
    assert (await resolve(dark, payment.id, word(house, charge.id, reference="cap-of-its-own"))).end is End.WRITTEN


async def test_no_person_can_call_successful_what_the_psp_did_in_another_amount(house):
    payment = await house.authorized()
    asked = []

    async def capture(request):
        asked.append(request.reference.transaction_id)
        return await lookup(request)

    async def lookup(_request):
        return Answer(facts=(told(house, Kind.CHARGE, eur(1400), "cap_x", payment=payment, transaction=asked[0]),))

    work = with_psp(house, capture=capture, lookup=lookup)
    await house.deliver(house.ask(CapturePayment, payment.id, amount=eur(1500)), work=work)
    house.clock.pass_(hours=30)
    said = await resolve(work, payment.id, word(house, asked[0]))
    assert (said.end, said.refusal.code) == (End.REFUSED, "psp-says-otherwise")
    assert "1400" in said.refusal.message or "14.00" in said.refusal.message
    assert (await resolve(work, payment.id, word(house, asked[0], State.FAILURE))).end is End.WRITTEN
    charges = (await house.payment(payment.id)).of_kind(Kind.CHARGE)
    assert sum(one.amount.amount for one in charges if one.state is State.SUCCESS) == 1400


async def test_a_cancel_that_released_another_amount_is_told_as_done_although_the_log_is_full(house):
    payment = await house.authorized()
    current = await house.client.get(f"/payments/{payment.id}")
    noise = [
        add_interaction(kind=InteractionKind.FACT, cause=f"event-{number}", at=house.clock(), message="x")
        for number in range(100)
    ]
    await house.client.post(f"/payments/{payment.id}", {"version": current["version"], "actions": noise})

    async def cancel(request):
        ours = request.reference.transaction_id
        return Answer(
            facts=(told(house, Kind.CANCEL_AUTHORIZATION, eur(3000), "can_9", payment=payment, transaction=ours),)
        )

    command = house.ask(CancelPayment, payment.id)
    await house.deliver(command, work=with_psp(house, cancel=cancel))
    assert house.standing(command).outcome is Outcome.APPROVED
