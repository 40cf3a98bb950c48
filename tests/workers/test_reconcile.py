"""The stuck: what a lost message, a dead worker or a silent PSP left behind, and the pass that takes it up."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta

import pytest
from support.ct_documents import NOON, payment_document, transaction
from support.house import PASS, Fault, with_psp

from bus.messages import CancelPayment, CapturePayment, RefundPayment, ReversePayment, decode
from bus.port import Cause, PublishError, Verdict
from ct.actions import set_transaction_custom_field
from ct.errors import ConflictError, ForbiddenError, UnavailableError
from ct.fields import InteractionKind, TransactionField
from ct.payment import parse_payment
from psp.capabilities import Capabilities
from psp.errors import OutcomeUnknownError, RefusedError, RetryableError
from psp.money import Money
from psp.port import Answer
from workers.reconcile import AwayError, Pass, Step, is_away, is_due, take_up
from workers.resume import command_for
from workers.superseded import CartMovedError

RESTED = timedelta(minutes=5)


def eur(amount):
    return Money(amount=amount, currency="EUR")


async def reconcile(house, work=None, since_last=None):
    """One pass; each step with the transaction's kind."""
    this = Pass(cause="reconcile-1", rested=RESTED, since_last=since_last)
    return [
        (taken.step, taken.transaction.kind.value if taken.transaction else None)
        async for taken in take_up(work or house.work, this)
    ]


def test_what_a_pass_did_is_told_in_words_that_stay():
    """Whoever reads the JSON of `ctpay reconcile`, or counts its log lines, goes by them."""
    words = ["settled", "closed", "resumed", "waiting", "unknown", "away", "skipped", "failed"]
    assert [one.value for one in Step] == words


@pytest.mark.parametrize(
    "error",
    [
        RetryableError("busy"),
        UnavailableError("away"),
        ForbiddenError("no scope"),
        ConflictError("others write"),
        PublishError("no bus"),
        CartMovedError("moved"),
        TimeoutError(),
    ],
)
def test_what_passes_by_itself_is_left_for_the_next_pass_and_nothing_else(error):
    assert is_away(error)
    assert not is_away(ValueError("a defect"))
    assert not is_away(OutcomeUnknownError("for a look-up"))


@pytest.mark.parametrize(
    ("kind", "command"),
    [("Charge", CapturePayment), ("Refund", RefundPayment), ("CancelAuthorization", CancelPayment)],
)
@pytest.mark.parametrize("by", [None, "c-1"])
def test_what_is_taken_up_again_goes_to_the_worker_of_its_kind(kind, command, by):
    payment = parse_payment(payment_document(transaction("t", kind, command=by)))
    resumed = command_for(payment, payment.transaction("t"), correlation_id="r", accepted_at=NOON)
    assert type(resumed) is command
    assert (resumed.command_id, resumed.transaction_id) == (by or "merchant-t", None if by else "t")


async def lost(_request):
    raise OutcomeUnknownError("no reply")


async def away(_request):
    raise RetryableError("not there")


async def nothing(_request):
    return Answer(facts=())


async def reserved(house, kind, payment_id, **more):
    """A command that was reserved, and whose message was lost before the PSP was asked."""
    await house.deliver(
        house.ask(kind, payment_id, **more), work=with_psp(house, capture=away, cancel=away, refund=away)
    )


async def captured(house, amount=1000):
    payment = await house.authorized()
    await house.deliver(house.ask(CapturePayment, payment.id, amount=eur(amount)))
    return await house.payment(payment.id)


# Authorizations.


async def test_an_authorization_that_the_psp_has_is_settled(house):
    command = house.pay(await house.cart(), "tok_error_after")
    await house.deliver(command, work=with_psp(house, lookup=lost))
    (payment,) = house.payments()
    assert house.rows(payment) == [("Authorization", "Initial", 4200)]
    house.clock.pass_(minutes=6)
    assert await reconcile(house) == [(Step.SETTLED, "Authorization")]
    assert house.rows(house.payments()[0]) == [("Authorization", "Success", 4200)]
    assert await reconcile(house) == []


async def test_an_authorization_is_never_sent_and_closed_only_when_nobody_can_be_sending_it(house):
    command = house.pay(await house.cart())
    await house.deliver(command, work=with_psp(house, authorize=away, lookup=away))
    house.clock.pass_(minutes=24)
    assert await reconcile(house) == [(Step.WAITING, "Authorization")]
    house.clock.pass_(minutes=2)
    assert await reconcile(house) == [(Step.CLOSED, "Authorization")]
    (payment,) = house.payments()
    assert house.rows(payment) == [("Authorization", "Failure", 4200)]
    assert house.effects() == []
    assert not house.queue.waiting


async def test_an_attempt_that_is_on_no_cart_is_closed(house):
    cart = await house.cart()

    def dies():
        raise SystemExit

    house.fault(Fault(), Fault(before=False), Fault(action=dies))
    with pytest.raises(SystemExit):
        await house.deliver(house.pay(cart))
    (orphan,) = house.payments()
    assert await house.work.ledger.find_cart(orphan.id) is None
    house.clock.pass_(minutes=26)
    assert await reconcile(house) == [(Step.CLOSED, "Authorization")]
    assert house.rows(house.payments()[0]) == [("Authorization", "Failure", 4200)]


async def test_a_late_word_of_the_psp_reaches_a_pending_authorization_although_its_webhook_was_lost(house):
    command = house.pay(await house.cart(), "tok_pending")
    await house.deliver(command)
    (payment,) = house.payments()
    house.clock.pass_(minutes=6)
    assert await reconcile(house) == [(Step.WAITING, "Authorization")]
    await house.control(f"/payments/{payment.interface_id}/settle", decision="approve")
    assert await reconcile(house) == [(Step.SETTLED, "Authorization")]
    assert house.rows(house.payments()[0]) == [("Authorization", "Success", 4200)]


# Captures, cancels and refunds.


async def test_a_capture_whose_message_was_lost_is_resumed_under_its_own_id_with_everything_it_had(house):
    payment = await house.authorized()
    await reserved(
        house, CapturePayment, payment.id, amount=eur(1000), merchant_reference="Order 7", request_hash="hash-7"
    )
    house.clock.pass_(minutes=6)
    assert await reconcile(house) == [(Step.RESUMED, "Charge")]
    ((_, data),) = house.queue.waiting
    command = decode(data)
    (charge,) = [one for one in (await house.payment(payment.id)).transactions if one.kind == "Charge"]
    assert command.command_id == charge.command_id
    assert (command.merchant_reference, command.request_hash, command.amount) == ("Order 7", "hash-7", eur(1000))
    assert [one.verdict for one in await house.pump()] == [Verdict.DONE]
    assert house.effects("capture")[0]["merchant_reference"] == "Order 7"
    assert [one["amount"] for one in house.effects("capture")] == [1000]


async def test_resuming_what_is_not_lost_has_no_second_effect(house):
    payment = await house.authorized()
    capture = house.ask(CapturePayment, payment.id, amount=eur(1000))
    await house.deliver(capture, work=with_psp(house, capture=away))
    house.clock.pass_(minutes=6)
    for _ in range(3):
        assert await reconcile(house) == [(Step.RESUMED, "Charge")]
    await house.deliver(capture)
    await house.pump()
    assert [one["amount"] for one in house.effects("capture")] == [1000]


async def test_what_is_resumed_too_late_is_closed_by_its_worker(house):
    payment = await house.authorized()
    await reserved(house, CapturePayment, payment.id, amount=eur(1000))
    house.clock.pass_(hours=24)
    assert await reconcile(house) == [(Step.RESUMED, "Charge")]
    await house.pump()
    assert ("Charge", "Failure", 1000) in house.rows(await house.payment(payment.id))
    assert house.effects("capture") == []


async def test_a_capture_whose_reply_was_lost_is_settled_and_not_resumed(house):
    payment = await house.authorized()
    await house.deliver(
        house.ask(CapturePayment, payment.id, amount=eur(1000)),
        work=with_psp(house, capture=captures_and_is_lost(house), lookup=lost),
    )
    house.clock.pass_(minutes=6)
    assert await reconcile(house) == [(Step.SETTLED, "Charge")]
    assert ("Charge", "Success", 1000) in house.rows(await house.payment(payment.id))
    assert not house.queue.waiting


def captures_and_is_lost(house):
    async def capture(request):
        await house.work.psp.capture(request)
        raise OutcomeUnknownError("the reply is lost")

    return capture


async def test_each_part_of_a_reversal_is_resumed_by_the_reversal(house):
    payment = await captured(house)
    await reserved(house, ReversePayment, payment.id)
    house.clock.pass_(minutes=6)
    assert await reconcile(house) == [(Step.RESUMED, "CancelAuthorization"), (Step.RESUMED, "Refund")]
    commands = [decode(data) for _, data in house.queue.waiting]
    assert {(type(one), one.command_id) for one in commands} == {(ReversePayment, commands[0].command_id)}
    await house.pump()
    assert [one["amount"] for one in house.effects("refund")] == [1000]
    assert [one["amount"] for one in house.effects("cancel")] == [3200]


@pytest.mark.parametrize("lost_when", ["before the claim", "after the claim"])
async def test_a_merchants_own_transaction_is_resumed_as_a_merchants(house, lost_when):
    payment = await house.authorized()
    notice = await house.put(payment.id, "Charge", 700)
    if lost_when == "after the claim":
        await house.deliver(notice, "commercetools")
        topic, data = house.queue.waiting.popleft()
        await house.deliver(data, topic, work=with_psp(house, capture=away))
    house.clock.pass_(minutes=6)
    assert await reconcile(house) == [(Step.RESUMED, "Charge")]
    ((_, data),) = house.queue.waiting
    assert decode(data).command_id.startswith("merchant-")
    await house.pump()
    assert [one["amount"] for one in house.effects("capture")] == [700]


async def test_what_a_merchant_may_not_ask_for_and_what_is_of_another_interface_is_left_alone(house):
    payment = await house.authorized()
    await house.put(payment.id, "Chargeback", 100)
    await house.put(payment.id, "Charge", 100, state="Pending")
    house.clock.pass_(minutes=6)
    assert await reconcile(house) == []
    theirs = {
        "amountPlanned": {"centAmount": 1, "currencyCode": "EUR"},
        "paymentMethodInfo": {"paymentInterface": "other"},
        "transactions": [{"type": "Charge", "amount": {"centAmount": 1, "currencyCode": "EUR"}}],
    }
    await house.client.post("/payments", theirs)
    house.clock.pass_(minutes=6)
    assert await reconcile(house) == []


async def test_what_was_touched_a_moment_ago_is_left_alone(house):
    payment = await house.authorized()
    await reserved(house, CapturePayment, payment.id, amount=eur(1000))
    house.clock.pass_(minutes=4)
    assert await reconcile(house) == []


# Superseded attempts.


async def test_money_on_a_superseded_attempt_goes_back_although_the_command_was_lost(house):
    cart = await house.cart()
    first = house.pay(cart, "tok_3ds")
    await house.deliver(first)
    house.clock.pass_(minutes=2)
    await house.deliver(house.pay(cart))
    house.queue.waiting.clear()
    abandoned = await house.payment(house.standing(first).payment_reference)
    house.clock.pass_(minutes=6)
    assert (Step.WAITING, "Authorization") in await reconcile(house)
    await house.pump()
    assert house.rows(await house.payment(abandoned.id)) == [
        ("Authorization", "Failure", 4200),
        ("CancelAuthorization", "Success", 4200),
    ]
    house.clock.pass_(minutes=6)
    await reconcile(house)
    assert not house.queue.waiting


# What nobody can tell.


async def refuses(_request):
    raise RefusedError(code="no", message="We do not tell.")


@pytest.mark.parametrize("silence", ["refuses", "cannot be asked"])
async def test_what_the_psp_will_not_tell_is_shown_to_a_person_once_and_sent_no_more(house, silence):
    command = house.pay(await house.cart())
    mute = with_psp(house, authorize=away, lookup=refuses)
    if silence == "cannot be asked":
        known = {name: getattr(mute.psp.capabilities, name) for name in Capabilities.__slots__}
        mute.psp.__class__.capabilities = Capabilities(**(known | {"lookup_by": frozenset()}))
    await house.deliver(command, work=mute)
    house.clock.pass_(minutes=26)
    assert await reconcile(house, mute) == [(Step.UNKNOWN, "Authorization")]
    house.clock.pass_(minutes=6)
    assert await reconcile(house, mute) == [(Step.UNKNOWN, "Authorization")]
    (payment,) = house.payments()
    assert house.rows(payment) == [("Authorization", "Pending", 4200)]
    assert [one.kind for one in payment.interactions] == [InteractionKind.RESERVED, InteractionKind.UNKNOWN]
    # When it can tell again, its evidence ends it.
    house.clock.pass_(minutes=6)
    assert await reconcile(house) == [(Step.CLOSED, "Authorization")]


async def test_what_the_psp_told_of_once_is_not_closed_because_it_has_forgotten(house):
    await house.deliver(house.pay(await house.cart(), "tok_pending"))
    house.clock.pass_(days=2)
    assert await reconcile(house, with_psp(house, lookup=nothing)) == [(Step.UNKNOWN, "Authorization")]
    (payment,) = house.payments()
    assert house.rows(payment) == [("Authorization", "Pending", 4200)]


# Failures, and two at once.


async def test_one_payment_that_cannot_be_looked_at_hides_no_other(house):
    payment = await house.authorized()
    await reserved(house, CapturePayment, payment.id, amount=eur(1000))
    other = await house.authorized()
    await reserved(house, CapturePayment, other.id, amount=eur(2000))
    lookups = []

    async def lookup(request):
        lookups.append(request.reference.payment_id)
        if request.reference.payment_id == payment.id:
            raise OutcomeUnknownError("The PSP's answer cannot be read.")
        return await house.work.psp.lookup(request)

    house.clock.pass_(minutes=6)
    assert sorted(await reconcile(house, with_psp(house, lookup=lookup))) == [
        (Step.FAILED, "Charge"),
        (Step.RESUMED, "Charge"),
    ]


async def test_however_many_cannot_be_read_the_pass_gets_to_the_end(house):
    for _ in range(7):
        await house.deliver(house.pay(await house.cart()), work=with_psp(house, authorize=away, lookup=away))
    house.clock.pass_(minutes=6)
    assert await reconcile(house, with_psp(house, lookup=lost)) == [(Step.FAILED, "Authorization")] * 7


async def test_what_one_look_up_tells_of_all_is_not_asked_again(house):
    payment = await house.authorized()
    for amount in (1000, 2000):
        capture = house.ask(CapturePayment, payment.id, amount=eur(amount))
        await house.deliver(capture, work=with_psp(house, capture=captures_and_is_lost(house), lookup=lost))
    house.clock.pass_(minutes=6)
    assert await reconcile(house) == [(Step.SETTLED, "Charge")]
    assert [row[1:] for row in house.rows(await house.payment(payment.id))] == [
        ("Success", 4200),
        ("Success", 1000),
        ("Success", 2000),
    ]


async def test_a_pass_ends_when_everybody_is_away(house):
    for _ in range(7):
        await house.deliver(house.pay(await house.cart()), work=with_psp(house, authorize=away))
    house.clock.pass_(minutes=6)
    steps = []

    async def all_of_it():
        this = Pass(cause="reconcile-1", rested=RESTED, since_last=None)
        async for taken in take_up(with_psp(house, lookup=away), this):
            steps.append(taken)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(AwayError, match="5 in a row"):
        await all_of_it()
    assert [one.step for one in steps] == [Step.AWAY] * 5 + [Step.SKIPPED] * 2
    assert len({one.payment_id for one in steps}) == 7


async def test_payments_that_nobody_can_be_asked_about_do_not_hide_the_others_from_every_pass(house):
    """Their merchant account was closed, say: the PSP says "not you" of five, and would tell of the sixth."""
    payments = []
    for _ in range(6):
        payments.append(await house.authorized())
        capture = house.ask(CapturePayment, payments[-1].id, amount=eur(1000))
        await house.deliver(capture, work=with_psp(house, capture=captures_and_is_lost(house), lookup=lost))
    house.clock.pass_(minutes=6)
    (told_of, *barred) = sorted(payments, key=lambda one: one.id, reverse=True)

    async def lookup(request):
        if request.reference.payment_id in {one.id for one in barred}:
            raise RetryableError("The PSP does not accept our key (403).")
        return await house.work.psp.lookup(request)

    work = with_psp(house, lookup=lookup)
    missed = {Step.SKIPPED: set(), Step.AWAY: set()}
    settled = set()
    for number in range(2):
        this = Pass(
            cause=f"pass-{number}",
            rested=RESTED,
            since_last=timedelta(seconds=1),
            skipped=frozenset(missed[Step.SKIPPED]),
            in_vain=frozenset(missed[Step.AWAY]),
        )
        this = replace(this, since_last=None) if number == 0 else this
        missed = {Step.SKIPPED: set(), Step.AWAY: set()}
        with contextlib.suppress(AwayError):
            async for taken in take_up(work, this):
                if taken.step in missed:
                    missed[taken.step].add(taken.payment_id)
                elif taken.step is Step.SETTLED:
                    settled.add(taken.payment_id)
    assert settled == {told_of.id}
    assert missed[Step.AWAY] == {one.id for one in barred}


async def test_an_outage_of_commercetools_ends_the_pass_and_one_of_the_bus_is_told(house):
    payment = await house.authorized()
    await reserved(house, CapturePayment, payment.id, amount=eur(1000))
    house.clock.pass_(minutes=6)
    house.queue.fails = 1
    assert await reconcile(house) == [(Step.AWAY, "Charge")]
    house.fault(Fault(error=UnavailableError("down")))
    with pytest.raises(UnavailableError):
        await reconcile(house)
    assert await reconcile(house) == [(Step.RESUMED, "Charge")]


async def test_two_passes_at_once_do_no_more_than_one(house):
    command = house.pay(await house.cart(), "tok_error_after")
    await house.deliver(command, work=with_psp(house, lookup=lost))
    house.clock.pass_(minutes=6)
    steps = await asyncio.gather(reconcile(house), reconcile(house))
    assert [(Step.SETTLED, "Authorization")] in steps
    (payment,) = house.payments()
    assert house.rows(payment) == [("Authorization", "Success", 4200)]
    assert [entry.kind for entry in payment.interactions] == [InteractionKind.RESERVED, InteractionKind.FACT]


async def test_a_pass_moves_no_money_itself(house):
    payment = await captured(house)
    await reserved(house, ReversePayment, payment.id)
    await house.deliver(house.pay(await house.cart(), "tok_error_after"), work=with_psp(house, lookup=lost))
    house.clock.pass_(minutes=26)
    asked = len(house.psp.house.requests)
    await reconcile(house)
    assert {one["method"] for one in list(house.psp.house.requests)[asked:]} == {"GET"}


@pytest.mark.parametrize(
    ("age", "since_last", "due"),
    [
        (4, 100, False),
        (5, 1, True),
        (9, 4, False),
        (10, 1, True),
        (20, 5, True),
        (25, 5, False),
        (40, 1, True),
        (80, 1, True),
        (139, 50, False),
        (140, 1, True),
        (200, 1, True),
        (60 * 24 + 20, 1, True),
    ],
)
def test_rest_is_looked_at_after_once_twice_four_times_and_then_every_hour(age, since_last, due):
    minutes = timedelta(minutes=1)
    assert is_due(age * minutes, rested=RESTED, since_last=since_last * minutes) is due


async def test_a_pass_takes_up_what_is_due_since_the_pass_before(house):
    payment = await house.authorized()
    await reserved(house, CapturePayment, payment.id, amount=eur(1000))
    house.clock.pass_(minutes=7)
    assert await reconcile(house, since_last=timedelta(minutes=1)) == []
    assert await reconcile(house, since_last=timedelta(minutes=5)) == [(Step.RESUMED, "Charge")]


async def test_a_payment_that_cannot_be_read_is_told_and_hides_no_other(house):
    payments = [await house.authorized(), await house.authorized()]
    for payment in payments:
        await reserved(house, CapturePayment, payment.id, amount=eur(1000))
    broken = await house.payment(payments[0].id)
    nonsense = set_transaction_custom_field(broken.transactions[0].id, TransactionField.ACTION, value="{")
    await house.client.post(f"/payments/{broken.id}", {"version": broken.version, "actions": [nonsense]})
    house.clock.pass_(minutes=6)
    assert sorted(await reconcile(house), key=str) == [(Step.FAILED, None), (Step.RESUMED, "Charge")]


async def test_a_promise_to_pay_that_was_lost_is_closed_and_what_was_asked_of_it_is_resumed(house):
    lost_one = house.pay(await house.cart(), method="invoice", token=None)
    house.fault(Fault(), Fault(), Fault(), Fault(error=UnavailableError("down")))
    await house.deliver(lost_one)
    (payment,) = house.payments()
    assert house.rows(payment) == [("Authorization", "Initial", 4200)]
    house.clock.pass_(minutes=26)
    assert await reconcile(house) == [(Step.CLOSED, "Authorization")]
    kept = house.pay(await house.cart(), method="invoice", token=None)
    await house.deliver(kept)
    mine = house.standing(kept).payment_reference
    await house.put(mine, "Charge", 700)
    house.clock.pass_(minutes=6)
    assert await reconcile(house) == [(Step.RESUMED, "Charge")]
    await house.pump()
    assert house.rows(await house.payment(mine)) == [("Authorization", "Success", 4200), ("Charge", "Success", 700)]
    assert house.effects() == []


async def test_another_amount_at_the_psp_is_noted_once_and_left_for_a_person(house):
    payment = await house.authorized()

    async def other_amount(request):
        await house.work.psp.capture(replace(request, amount=eur(999)))
        raise OutcomeUnknownError("the reply is lost")

    capture = house.ask(CapturePayment, payment.id, amount=eur(1000))
    await house.deliver(capture, work=with_psp(house, capture=other_amount, lookup=lost))
    for _ in range(2):
        house.clock.pass_(minutes=6)
        assert await reconcile(house) == [(Step.UNKNOWN, "Charge")]
    assert house.rows(await house.payment(payment.id))[1:] == [("Charge", "Initial", 1000), ("Charge", "Success", 999)]
    assert not house.queue.waiting


async def challenged(house):
    """An authorization whose shopper was asked something, and said nothing."""
    await house.deliver(house.pay(await house.cart(), "tok_3ds"))
    (payment,) = house.payments()
    assert payment.authorization.action is not None
    return payment


async def test_a_challenge_that_nobody_answers_is_cancelled_at_the_psp_after_a_day(house):
    await challenged(house)
    house.clock.pass_(hours=23)
    assert await reconcile(house) == [(Step.WAITING, "Authorization")]
    assert not house.queue.waiting
    house.clock.pass_(hours=2)
    assert await reconcile(house) == [(Step.WAITING, "Authorization")]
    await house.pump()
    (payment,) = house.payments()
    assert house.rows(payment)[0] == ("Authorization", "Failure", 4200)
    assert house.effects("authorization") == []
    house.clock.pass_(hours=2)
    assert await reconcile(house) == []
    assert not house.queue.waiting


async def test_a_shopper_who_has_answered_waits_for_the_bank_as_long_as_it_takes(house):
    payment = await challenged(house)

    async def decides(request):
        return replace(await house.work.psp.lookup(request), action=None)

    house.clock.pass_(hours=72)
    assert await reconcile(house, with_psp(house, lookup=decides)) == [(Step.WAITING, "Authorization")]
    assert not house.queue.waiting
    assert not (await house.payment(payment.id)).authorization.superseded


async def test_gap_5_a_payment_that_never_got_onto_its_cart_is_closed_and_has_cost_nothing(house):
    """The cart is deleted between the Payment's birth and its way to the cart: nobody is asked for money."""
    cart = await house.cart()
    command = house.pay(cart)

    async def gone():
        current = await house.client.get(f"/carts/{cart}")
        await house.client.delete(f"/carts/{cart}", params={"version": str(current["version"])})

    house.fault(PASS, Fault(action=gone))
    # A letter that replays by itself.
    assert (await house.deliver(command)).cause is Cause.MISSING_PAYMENT
    # An earlier run may have asked the PSP, for all that this one knows.
    assert (await house.deliver(command)).verdict is Verdict.AGAIN
    assert [house.rows(one) for one in house.payments()] == [[("Authorization", "Initial", 4200)]]
    house.clock.pass_(minutes=30)
    assert await reconcile(house) == [(Step.CLOSED, "Authorization")]
    assert [house.rows(one) for one in house.payments()] == [[("Authorization", "Failure", 4200)]]
    await house.deliver(command)
    assert house.standing(command).reason.code == "expired"
    assert house.effects() == []


async def test_what_is_stuck_is_found_although_other_software_writes_to_its_payment_all_the_time(house):
    payment = await house.authorized()
    await reserved(house, CapturePayment, payment.id, amount=eur(1000))
    taken_up = []
    for minute in range(4 * 60):
        house.clock.pass_(minutes=1)
        current = await house.payment(payment.id)
        name = {"action": "setMethodInfoName", "name": {"en": f"export {minute}"}}
        await house.client.post(f"/payments/{payment.id}", {"version": current.version, "actions": [name]})
        if minute % 5 == 0 and await reconcile(house, since_last=timedelta(minutes=5)):
            taken_up.append(minute)
    # When its workers are done with it, and then as seldom as any other.
    assert taken_up == [60, 120, 180]
    await house.pump()
    assert ("Charge", "Success", 1000) in house.rows(await house.payment(payment.id))
    assert len(house.effects("capture")) == 1
