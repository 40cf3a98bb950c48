"""`ctpay resolve`: a person's word, after the PSP was asked; over the stand-ins."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.house import Fault, with_psp

from bus.messages import CapturePayment
from ct.actions import change_transaction_state
from ct.errors import NotFoundError
from ct.fields import InteractionKind
from ct.resolution import Resolution
from psp.capabilities import Capabilities
from psp.errors import OutcomeUnknownError, RefusedError, RetryableError
from psp.facts import Kind, State
from psp.money import Money
from psp.port import Answer
from workers.resolve import End, resolve


async def away(_request):
    raise RetryableError("not there")


async def lost(_request):
    raise OutcomeUnknownError("no reply")


async def refuses(_request):
    raise RefusedError(code="no", message="We do not tell.")


async def nothing(_request):
    return Answer(facts=())


def word(house, transaction, state=State.FAILURE, **more):
    values = {
        "transaction_id": transaction.id,
        "state": state,
        "evidence": "ticket 4711",
        "by": "Ada",
        "at": house.clock(),
        "cause": "resolve-1",
    }
    return Resolution(**(values | more))


async def lost_capture(house):
    """A Charge of which nobody knows what became."""
    payment = await house.authorized()
    capture = house.ask(CapturePayment, payment.id, amount=Money(amount=1000, currency="EUR"))
    await house.deliver(capture, work=with_psp(house, capture=lost, lookup=lost))
    payment = await house.payment(payment.id)
    (charge,) = payment.of_kind(Kind.CHARGE)
    # Until then its message may come again and be sent.
    house.clock.pass_(hours=24)
    return payment, charge


def without_lookup(house):
    known = {name: getattr(house.work.psp.capabilities, name) for name in Capabilities.__slots__}
    work = with_psp(house, lookup=away)
    work.psp.__class__.capabilities = Capabilities(**(known | {"lookup_by": frozenset()}))
    return work


SILENT = {
    "knows nothing": lambda house: with_psp(house, lookup=nothing),
    "refuses": lambda house: with_psp(house, lookup=refuses),
    "gives no answer": lambda house: with_psp(house, lookup=lost),
    "cannot be asked": without_lookup,
}


@pytest.mark.parametrize("silence", SILENT)
@pytest.mark.parametrize("state", [State.SUCCESS, State.FAILURE])
async def test_where_the_psp_cannot_tell_the_persons_word_is_written(house, silence, state):
    payment, charge = await lost_capture(house)
    ended = await resolve(SILENT[silence](house), payment.id, word(house, charge, state))
    assert (ended.end, ended.state, ended.refusal) == (End.WRITTEN, state, None)
    then = await house.payment(payment.id)
    assert then.transaction(charge.id).state is state
    (entry,) = [one for one in then.interactions if one.kind is InteractionKind.RESOLVED]
    assert (entry.cause, entry.message) == ("Ada", "ticket 4711")
    assert house.effects("capture") == []


@pytest.mark.parametrize("state", [State.SUCCESS, State.FAILURE])
async def test_what_may_still_be_under_way_is_ended_by_nobody(house, state):
    """Not a capture whose message is on its way, and not an authorization that the PSP is being asked for."""
    payment = await house.authorized()
    capture = house.ask(CapturePayment, payment.id, amount=Money(amount=1000, currency="EUR"))
    await house.deliver(capture, work=with_psp(house, capture=away))
    (charge,) = (await house.payment(payment.id)).of_kind(Kind.CHARGE)
    ended = await resolve(house.work, payment.id, word(house, charge, state))
    assert (ended.end, ended.state, ended.refusal.code) == (End.REFUSED, State.INITIAL, "still-under-way")
    assert "until 20" in ended.refusal.message
    await house.deliver(capture)
    assert house.rows(await house.payment(payment.id))[1:] == [("Charge", "Success", 1000)]
    assert len(house.effects("capture")) == 1


async def test_what_is_ended_is_not_sent_when_its_message_comes_again(house):
    payment, charge = await lost_capture(house)
    await resolve(with_psp(house, lookup=nothing), payment.id, word(house, charge))
    again = house.ask(
        CapturePayment, payment.id, amount=charge.amount, command_id=charge.command_id, request_hash=charge.request_hash
    )
    await house.deliver(again)
    assert house.effects("capture") == []


@pytest.mark.parametrize(("state", "end"), [(State.SUCCESS, End.AGREED), (State.FAILURE, End.REFUSED)])
async def test_what_the_psp_can_tell_is_written_and_not_the_persons_word(house, state, end):
    command = house.pay(await house.cart(), "tok_error_after")
    await house.deliver(command, work=with_psp(house, lookup=lost))
    (payment,) = house.payments()
    ended = await resolve(house.work, payment.id, word(house, payment.authorization, state))
    assert (ended.end, ended.state) == (end, State.SUCCESS)
    (then,) = house.payments()
    assert then.authorization.state is State.SUCCESS
    assert InteractionKind.RESOLVED not in [one.kind for one in then.interactions]
    assert (ended.refusal is None) is (end is End.AGREED)


async def test_what_the_psp_has_not_decided_is_nobody_elses_to_end(house):
    await house.deliver(house.pay(await house.cart(), "tok_pending"))
    (payment,) = house.payments()
    ended = await resolve(house.work, payment.id, word(house, payment.authorization))
    assert (ended.end, ended.state, ended.refusal.code) == (End.REFUSED, State.PENDING, "psp-says-otherwise")
    assert "Pending" in ended.refusal.message


async def test_a_psp_that_cannot_be_reached_is_waited_for(house):
    payment, charge = await lost_capture(house)
    with pytest.raises(RetryableError):
        await resolve(with_psp(house, lookup=away), payment.id, word(house, charge))
    assert await house.payment(payment.id) == payment


async def test_nobody_is_asked_about_what_may_not_be_ended(house):
    payment = await house.authorized()
    work = with_psp(house, lookup=away)
    ended = await resolve(work, payment.id, word(house, payment.authorization))
    assert (ended.end, ended.state, ended.refusal.code) == (End.REFUSED, State.SUCCESS, "already-decided")
    absent = replace(word(house, payment.authorization), transaction_id="no-such")
    ended = await resolve(work, payment.id, absent)
    assert (ended.end, ended.state, ended.refusal.code) == (End.REFUSED, None, "no-such-transaction")
    with pytest.raises(NotFoundError):
        await resolve(work, "00000000-0000-4000-8000-999999999999", absent)


async def test_who_decides_it_meanwhile_wins(house):
    payment, charge = await lost_capture(house)

    async def somebody_decides():
        current = await house.client.get(f"/payments/{payment.id}")
        change = change_transaction_state(charge.id, State.SUCCESS)
        await house.client.post(f"/payments/{payment.id}", {"version": current["version"], "actions": [change]})

    house.fault(Fault(), Fault(action=somebody_decides))
    ended = await resolve(with_psp(house, lookup=nothing), payment.id, word(house, charge))
    assert (ended.end, ended.state, ended.refusal.code) == (End.REFUSED, State.SUCCESS, "already-decided")
    then = await house.payment(payment.id)
    assert InteractionKind.RESOLVED not in [one.kind for one in then.interactions]


async def test_money_that_a_person_found_on_a_superseded_attempt_goes_back(house):
    cart = await house.cart()
    first = house.pay(cart, "tok_3ds")
    await house.deliver(first)
    house.clock.pass_(minutes=2)
    await house.deliver(house.pay(cart))
    await house.pump()
    (mine,) = [one for one in house.payments() if one.id == house.standing(first).payment_reference]
    # The cancel ended it; as if nobody had heard of that, and nothing were on it but the attempt.
    lonely = {
        "amountPlanned": {"centAmount": 4200, "currencyCode": "EUR"},
        "paymentMethodInfo": {"paymentInterface": "ctpay-sandbox"},
        "transactions": [
            {
                "type": "Authorization",
                "amount": {"centAmount": 4200, "currencyCode": "EUR"},
                "state": "Pending",
                "custom": {
                    "type": {"typeId": "type", "key": "ctpay-transaction"},
                    "fields": {
                        "ctpayCommandId": mine.authorization.command_id,
                        "ctpaySuperseded": True,
                        "ctpaySendBy": (house.clock() - timedelta(hours=1)).isoformat(),
                    },
                },
            }
        ],
    }
    made = await house.client.post("/payments", lonely)
    payment = await house.payment(made["id"])
    ended = await resolve(
        with_psp(house, lookup=nothing), payment.id, word(house, payment.authorization, State.SUCCESS)
    )
    assert ended.end is End.WRITTEN
    ((topic, _),) = house.queue.waiting
    assert topic == "cancel"


async def test_an_amount_that_the_psp_did_not_do_is_ended_by_a_person_beside_what_it_did(house):
    payment = await house.authorized()

    async def other_amount(request):
        await house.work.psp.capture(replace(request, amount=Money(amount=999, currency="EUR")))
        raise OutcomeUnknownError("the reply is lost")

    capture = house.ask(CapturePayment, payment.id, amount=Money(amount=1000, currency="EUR"))
    await house.deliver(capture, work=with_psp(house, capture=other_amount, lookup=lost))
    (charge,) = (await house.payment(payment.id)).of_kind(Kind.CHARGE)
    ended = await resolve(house.work, payment.id, word(house, charge))
    assert (ended.end, ended.state) == (End.WRITTEN, State.FAILURE)
    assert house.rows(await house.payment(payment.id))[1:] == [("Charge", "Failure", 1000), ("Charge", "Success", 999)]


def test_how_a_persons_word_ended_is_told_in_words_that_stay():
    """Whoever reads the JSON of `ctpay resolve` goes by them."""
    assert [one.value for one in End] == ["written", "agreed", "refused"]
