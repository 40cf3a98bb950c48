"""Capture, cancel, refund and reverse: by a command, and by what a merchant puts on the Payment."""

from __future__ import annotations

import asyncio

import pytest
from support.house import PASS, Fault, with_psp

from bus.messages import CancelPayment, CapturePayment, RefundPayment, ReversePayment
from bus.port import Verdict
from bus.topics import Topic
from ct.errors import ConflictError, UnavailableError
from ct.fields import InteractionKind
from psp.errors import OutcomeUnknownError
from psp.facts import Fact, Kind, State
from psp.money import Money
from psp.outcome import Outcome
from psp.port import Answer

HELD = ("Authorization", "Success", 4200)


def eur(amount):
    return Money(amount=amount, currency="EUR")


async def done(house, command):
    await house.deliver(command)
    return house.standing(command).outcome


async def captured(house, amount=4200):
    payment = await house.authorized()
    assert await done(house, house.ask(CapturePayment, payment.id, amount=eur(amount))) is Outcome.APPROVED
    return payment


@pytest.mark.parametrize(
    ("kind", "amount", "row"),
    [
        (CapturePayment, 1500, ("Charge", "Success", 1500)),
        (CancelPayment, None, ("CancelAuthorization", "Success", 4200)),
    ],
)
async def test_an_operation_costs_three_calls(house, kind, amount, row):
    payment = await house.authorized()
    more = {} if amount is None else {"amount": eur(amount)}
    async with house.counting() as calls:
        assert await done(house, house.ask(kind, payment.id, **more)) is Outcome.APPROVED
    assert len(calls) == 3
    assert house.rows(await house.payment(payment.id)) == sorted([HELD, row])


async def test_a_refund_costs_three_calls_and_may_name_its_charge(house):
    payment = await captured(house)
    (charge,) = (await house.payment(payment.id)).of_kind(Kind.CHARGE)
    async with house.counting() as calls:
        refund = house.ask(RefundPayment, payment.id, amount=eur(700), charge_id=charge.id, merchant_reference="ret-1")
        assert await done(house, refund) is Outcome.APPROVED
    assert len(calls) == 3
    (made,) = (await house.payment(payment.id)).of_kind(Kind.REFUND)
    assert (made.charge_id, made.state) == (charge.id, State.SUCCESS)


async def test_two_partial_captures_of_equal_amount_are_two_charges(house):
    payment = await house.authorized()
    for _ in range(2):
        assert await done(house, house.ask(CapturePayment, payment.id, amount=eur(1500))) is Outcome.APPROVED
    assert len((await house.payment(payment.id)).of_kind(Kind.CHARGE)) == 2
    assert len(house.effects("capture")) == 2


async def test_two_refunds_in_the_same_second_are_two_refunds(house):
    payment = await captured(house)
    commands = [house.ask(RefundPayment, payment.id, amount=eur(500)) for _ in range(2)]
    await asyncio.gather(*(house.deliver(one) for one in commands))
    assert [house.standing(one).outcome for one in commands] == [Outcome.APPROVED] * 2
    assert len((await house.payment(payment.id)).of_kind(Kind.REFUND)) == 2
    assert len(house.effects("refund")) == 2


async def test_a_capture_redelivered_after_the_psp_did_it_is_settled_and_not_refused(house):
    payment = await house.authorized()
    command = house.ask(CapturePayment, payment.id, amount=eur(4200))
    # Read, reserve, and then commercetools is gone before the result could be written.
    house.fault(PASS, PASS, Fault(error=UnavailableError("crash")))
    assert (await house.deliver(command)).verdict is Verdict.AGAIN
    assert len(house.effects("capture")) == 1
    assert await done(house, command) is Outcome.APPROVED
    assert len(house.effects("capture")) == 1
    assert house.rows(await house.payment(payment.id)) == [HELD, ("Charge", "Success", 4200)]


@pytest.mark.parametrize("crash_at", range(3))
@pytest.mark.parametrize("before", [True, False])
async def test_a_crash_at_any_call_is_repaired_by_the_same_message(house, crash_at, before):
    payment = await house.authorized()
    command = house.ask(CapturePayment, payment.id, amount=eur(4200))
    house.fault(*[PASS] * crash_at, Fault(error=UnavailableError("crash"), before=before))
    await house.deliver(command)
    house.client.shared["faults"].clear()
    assert await done(house, command) is Outcome.APPROVED
    assert len(house.effects("capture")) == 1
    assert house.rows(await house.payment(payment.id)) == [HELD, ("Charge", "Success", 4200)]


async def test_on_a_conflict_the_payment_is_read_and_judged_again(house):
    payment = await house.authorized()
    rival, command = (house.ask(CapturePayment, payment.id, amount=eur(3000)) for _ in range(2))

    async def somebody_captures():
        await house.deliver(rival)

    house.fault(PASS, Fault(action=somebody_captures))
    # The rival runs inside the turn of the first, so it needs a process of its own.
    house.work.ledger.turns.of = lambda _name: _no_turn()
    await house.deliver(command)
    assert {house.standing(one).outcome for one in (rival, command)} == {Outcome.APPROVED, Outcome.REFUSED}
    assert len(house.effects("capture")) == 1


class _no_turn:  # noqa: N801 - stands in for a function
    async def __aenter__(self):
        return None

    async def __aexit__(self, *_):
        return None


async def test_conflicts_without_end_give_the_message_back(house):
    payment = await house.authorized()
    command = house.ask(CapturePayment, payment.id, amount=eur(1))
    loop = asyncio.get_running_loop()
    started = loop.time()
    times = iter([started, started + 100])
    house.fault(PASS, Fault(error=ConflictError("somebody else")))
    original, loop.time = loop.time, lambda: next(times, started + 200)
    try:
        ending = await house.deliver(command)
    finally:
        loop.time = original
    assert ending.verdict is Verdict.AGAIN
    assert house.effects("capture") == []


@pytest.mark.parametrize(
    ("kind", "more", "code"),
    [
        (CapturePayment, {"amount": eur(4201)}, "exceeds-authorization"),
        (CapturePayment, {"amount": Money(amount=1, currency="USD")}, "currency-mismatch"),
        (RefundPayment, {"amount": eur(1)}, "exceeds-captures"),
        (RefundPayment, {"amount": eur(1), "charge_id": "zz"}, "unknown-charge"),
    ],
)
async def test_what_the_law_forbids_is_refused_recorded_and_never_reaches_the_psp(house, kind, more, code):
    payment = await house.authorized()
    before = len(house.effects())
    command = house.ask(kind, payment.id, **more)
    assert (await house.deliver(command)).verdict is Verdict.IGNORED
    standing = house.standing(command)
    assert (standing.outcome, standing.reason.code) == (Outcome.REFUSED, code)
    after = await house.payment(payment.id)
    note = after.interaction(InteractionKind.REFUSAL, cause=command.command_id)
    assert note.code == code
    assert len(house.effects()) == before
    async with house.counting() as calls:
        await house.deliver(command)
    assert house.standing(command) == standing
    assert len(calls) == 1


async def test_a_capture_after_a_cancel_is_refused(house):
    payment = await house.authorized()
    assert await done(house, house.ask(CancelPayment, payment.id)) is Outcome.APPROVED
    late = house.ask(CapturePayment, payment.id, amount=eur(1))
    await house.deliver(late)
    assert house.standing(late).reason.code == "cancelled"


async def test_a_reversal_cancels_the_rest_and_refunds_the_captured(house):
    payment = await captured(house, 1200)
    assert await done(house, house.ask(ReversePayment, payment.id)) is Outcome.APPROVED
    rows = house.rows(await house.payment(payment.id))
    assert rows == sorted(
        [HELD, ("Charge", "Success", 1200), ("CancelAuthorization", "Success", 3000), ("Refund", "Success", 1200)]
    )


@pytest.mark.parametrize(
    ("cancel", "refund", "outcome"),
    [
        (State.SUCCESS, State.PENDING, Outcome.PENDING),
        (State.PENDING, State.SUCCESS, Outcome.PENDING),
        (State.FAILURE, State.PENDING, Outcome.REJECTED),
        (State.PENDING, State.FAILURE, Outcome.REJECTED),
        (State.SUCCESS, State.FAILURE, Outcome.REJECTED),
    ],
)
async def test_a_reversal_is_told_as_the_worst_of_its_parts(house, cancel, refund, outcome):
    payment = await captured(house, 1200)

    def answering(kind, state):
        async def answer(request):
            fact = Fact(
                kind=kind, state=state, amount=request.amount, at=house.clock(), reference=request.reference,
                psp_reference=f"psp-{kind}",
            )  # fmt: skip
            return Answer(facts=(fact,))

        return answer

    work = with_psp(house, cancel=answering(Kind.CANCEL_AUTHORIZATION, cancel), refund=answering(Kind.REFUND, refund))
    command = house.ask(ReversePayment, payment.id)
    await house.deliver(command, work=work)
    assert house.standing(command).outcome is outcome


async def test_a_reversal_after_a_partial_refund_refunds_what_remains(house):
    payment = await captured(house)
    assert await done(house, house.ask(RefundPayment, payment.id, amount=eur(200))) is Outcome.APPROVED
    assert await done(house, house.ask(ReversePayment, payment.id)) is Outcome.APPROVED
    refunds = (await house.payment(payment.id)).of_kind(Kind.REFUND)
    assert sorted(one.amount.amount for one in refunds) == [200, 4000]


async def test_no_such_payment_is_told_so(house):
    command = house.ask(CapturePayment, "00000000-0000-4000-8000-999999999999", amount=eur(1))
    assert await done(house, command) is Outcome.NOT_FOUND


async def test_a_key_reused_for_another_amount_is_told(house):
    payment = await house.authorized()
    first = house.ask(CapturePayment, payment.id, amount=eur(5), command_id="key", request_hash="a")
    assert await done(house, first) is Outcome.APPROVED
    other = house.ask(CapturePayment, payment.id, amount=eur(7), command_id="key", request_hash="b")
    assert await done(house, other) is Outcome.KEY_REUSED
    assert len(house.effects("capture")) == 1


async def test_payments_of_another_interface_are_left_alone(house):
    money = {"centAmount": 100, "currencyCode": "EUR"}
    draft = {
        "amountPlanned": money,
        "paymentMethodInfo": {"paymentInterface": "somebody-else"},
        "transactions": [{"type": "Authorization", "state": "Success", "amount": money}],
    }
    theirs = await house.client.post("/payments", draft)
    notice = await house.put(theirs["id"], "Charge", 100)
    await house.deliver(notice, Topic.COMMERCETOOLS)
    assert [one.verdict for one in await house.pump()] == [Verdict.IGNORED]
    command = house.ask(CapturePayment, theirs["id"], amount=eur(100))
    assert await done(house, command) is Outcome.REFUSED
    assert (await house.client.get(f"/payments/{theirs['id']}"))["version"] == theirs["version"] + 1
    assert house.effects() == []


@pytest.mark.parametrize("kind", ["Charge", "CancelAuthorization"])
async def test_a_merchants_initial_transaction_is_carried_out_in_three_calls(house, kind):
    payment = await house.authorized()
    notice = await house.put(payment.id, kind, 4200)
    async with house.counting() as calls:
        await house.deliver(notice, Topic.COMMERCETOOLS)
        await house.pump()
    assert len(calls) == 3
    assert house.rows(await house.payment(payment.id)) == sorted([HELD, (kind, "Success", 4200)])
    # Delivered again, it changes nothing and costs one read.
    async with house.counting() as calls:
        await house.deliver(notice, Topic.COMMERCETOOLS)
        await house.pump()
    assert len(calls) == 1


async def test_a_merchants_refund_is_carried_out(house):
    payment = await captured(house)
    notice = await house.put(payment.id, "Refund", 1000)
    await house.deliver(notice, Topic.COMMERCETOOLS)
    await house.pump()
    assert ("Refund", "Success", 1000) in house.rows(await house.payment(payment.id))


async def test_of_two_initial_charges_that_do_not_both_fit_one_goes_through_and_the_other_fails_with_a_reason(house):
    payment = await house.authorized()
    notices = [await house.put(payment.id, "Charge", 3000) for _ in range(2)]
    for notice in notices:
        await house.deliver(notice, Topic.COMMERCETOOLS)
    await house.pump()
    after = await house.payment(payment.id)
    assert sorted(one.state for one in after.of_kind(Kind.CHARGE)) == [State.FAILURE, State.SUCCESS]
    failed = next(one for one in after.of_kind(Kind.CHARGE) if one.state is State.FAILURE)
    assert after.last_word(failed.id).code == "exceeds-authorization"
    assert len(house.effects("capture")) == 1


async def test_a_message_without_its_payload_makes_the_worker_read(house):
    payment = await house.authorized()
    notice = await house.put(payment.id, "Charge", 100)
    bare = notice.replace(b'"transaction"', b'"payloadNotIncluded"')
    await house.deliver(bare, Topic.COMMERCETOOLS)
    await house.pump()
    assert ("Charge", "Success", 100) in house.rows(await house.payment(payment.id))
    gone = bare.replace(payment.id.encode(), b"00000000-0000-4000-8000-999999999999")
    assert (await house.deliver(gone, Topic.COMMERCETOOLS)).verdict is Verdict.IGNORED


async def test_an_unknown_outcome_is_looked_up_and_after_the_keys_life_only_looked_up(house):
    payment = await house.authorized()
    command = house.ask(CapturePayment, payment.id, amount=eur(10))

    async def lost(_request):
        raise OutcomeUnknownError("no reply")

    async def nothing(_request):
        return Answer(facts=())

    dark = with_psp(house, capture=lost, lookup=nothing)
    assert (await house.deliver(command, work=dark)).verdict is Verdict.AGAIN
    house.clock.pass_(hours=23, minutes=5)
    asked = []

    async def capture(request):
        asked.append(request)

    late = with_psp(house, capture=capture, lookup=nothing)
    assert (await house.deliver(command, work=late)).verdict is Verdict.AGAIN
    house.clock.pass_(minutes=10)
    assert (await house.deliver(command, work=late)).verdict is Verdict.DONE
    assert asked == []
    assert house.standing(command).reason.code == "expired"


async def test_a_claim_on_a_typed_transaction_counts_its_time_from_the_log(house):
    payment = await house.authorized()
    type_draft = {
        "key": "merchants-own",
        "name": {"en": "own"},
        "resourceTypeIds": ["transaction"],
        "fieldDefinitions": [],
    }
    await house.client.post("/types", type_draft)
    before = await house.client.get(f"/payments/{payment.id}")
    draft = {
        "type": "Charge",
        "state": "Initial",
        "amount": {"centAmount": 100, "currencyCode": "EUR"},
        "custom": {"type": {"typeId": "type", "key": "merchants-own"}, "fields": {}},
    }
    action = {"action": "addTransaction", "transaction": draft}
    after = await house.client.post(f"/payments/{payment.id}", {"version": before["version"], "actions": [action]})
    transaction = after["transactions"][-1]
    command = house.ask(CapturePayment, payment.id, transaction_id=transaction["id"])
    assert await done(house, command) is Outcome.APPROVED
    kept = (await house.client.get(f"/payments/{payment.id}"))["transactions"][-1]
    assert kept["custom"] == transaction["custom"]


async def test_a_claim_of_a_transaction_that_an_old_read_does_not_show_yet_comes_again(house):
    payment = await house.authorized()
    early = house.ask(CapturePayment, payment.id, transaction_id="00000000-0000-4000-8000-999999999999")
    assert (await house.deliver(early)).verdict is Verdict.AGAIN
    assert house.effects("capture") == []


async def test_a_merchants_other_word_for_the_method_does_not_change_whom_the_money_is_asked_of(house):
    """Not even a method that nobody is asked about: what is held at the PSP is captured and refunded there."""
    payment = await house.authorized()
    await renamed(house, payment.id, "invoice")
    capture = house.ask(CapturePayment, payment.id, amount=eur(4200))
    await house.deliver(capture)
    refund = house.ask(RefundPayment, payment.id, amount=eur(1000))
    await house.deliver(refund)
    assert [one["amount"] for kind in ("capture", "refund") for one in house.effects(kind)] == [4200, 1000]


async def test_what_is_on_account_stays_so_under_another_word_for_the_method(house):
    await house.deliver(house.pay(await house.cart(), method="invoice"))
    (payment,) = house.payments()
    await renamed(house, payment.id, "card")
    await house.deliver(house.ask(CapturePayment, payment.id, amount=eur(4200)))
    assert house.rows(await house.payment(payment.id)) == [
        ("Authorization", "Success", 4200),
        ("Charge", "Success", 4200),
    ]
    assert house.effects() == []


async def renamed(house, payment_id, method):
    current = await house.client.get(f"/payments/{payment_id}")
    change = {"action": "setMethodInfoMethod", "method": method}
    await house.client.post(f"/payments/{payment_id}", {"version": current["version"], "actions": [change]})
