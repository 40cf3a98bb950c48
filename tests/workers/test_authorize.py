from __future__ import annotations

import asyncio

import pytest
from support.house import PASS, Fault, open_house, with_psp
from support.psp_servers import SECRET_KEY

from bus.port import Verdict
from ct.actions import change_transaction_state
from ct.errors import UnavailableError
from ct.fields import InteractionKind
from psp.errors import OutcomeUnknownError, RetryableError
from psp.facts import Kind, State
from psp.outcome import Outcome
from psp.port import Answer, LookupRequest


async def test_a_payment_is_authorized_in_four_calls_however_many_payments_the_cart_has(house):
    cart = await house.cart()
    for number in range(3):
        declined = house.pay(cart, "tok_declined")
        await house.deliver(declined)
        assert house.standing(declined).outcome is Outcome.REJECTED, number
        house.clock.pass_(seconds=10)
    command = house.pay(cart)
    async with house.counting() as calls:
        ending = await house.deliver(command)
    assert ending.verdict is Verdict.DONE
    assert [one.split()[0] for one in calls] == ["GET", "POST", "POST", "POST"]
    standing = house.standing(command)
    payment = await house.payment(standing.payment_reference)
    assert (standing.outcome, house.rows(payment)) == (Outcome.APPROVED, [("Authorization", "Success", 4200)])
    assert payment.interface_id == payment.authorization.interaction_id
    assert payment.method_name == "Visa •••• 4242"
    assert len(house.payments()) == 4


async def test_a_decline_is_answered_with_the_psps_reason(house):
    command = house.pay(await house.cart(), "tok_insufficient_funds")
    await house.deliver(command)
    standing = house.standing(command)
    assert (standing.outcome, standing.reason.code) == (Outcome.REJECTED, "insufficient_funds")


@pytest.mark.parametrize("key", [None, "attempt-key-1"])
async def test_two_identical_requests_at_once_are_one_authorization(house, key):
    cart = await house.cart()
    same = {"attempt_key": key, "command_id": "keyed"} if key else {}
    first, second = house.pay(cart, **same), house.pay(cart, **same)
    endings = await asyncio.gather(house.deliver(first), house.deliver(second))
    for command, ending in zip((first, second), endings, strict=True):
        if ending.verdict is Verdict.AGAIN:
            await house.deliver(command)
    references = {house.standing(one).payment_reference for one in (first, second)}
    assert len(references) == 1
    assert {house.standing(one).outcome for one in (first, second)} == {Outcome.APPROVED}
    assert len(house.effects("authorization")) == 1


async def test_two_tabs_with_different_cards_are_one_payment(house):
    cart = await house.cart()
    one, two = house.pay(cart, owner="tab-1"), house.pay(cart, "tok_approved", owner="tab-2")
    await asyncio.gather(house.deliver(one), house.deliver(two))
    outcomes = sorted(house.standing(command).outcome for command in (one, two))
    assert outcomes == [Outcome.APPROVED, Outcome.REFUSED]
    assert len(house.effects("authorization")) == 1


async def test_a_redelivered_request_is_answered_alike_and_asks_for_nothing(house):
    command = house.pay(await house.cart())
    await house.deliver(command)
    before = house.standing(command)
    async with house.counting() as calls:
        await house.deliver(command)
    assert house.standing(command) == before
    assert len(calls) == 1
    assert len(house.effects("authorization")) == 1


async def test_after_a_decline_another_try_is_a_new_payment_and_the_first_redelivered_is_no_third(house):
    cart = await house.cart()
    first, click = house.pay(cart, "tok_declined"), house.pay(cart, "tok_declined")
    await house.deliver(first)
    await house.deliver(click)
    assert house.standing(click).outcome is Outcome.REJECTED
    house.clock.pass_(seconds=5)
    second = house.pay(cart)
    await house.deliver(second)
    for late in (first, click):
        await house.deliver(late)
        assert house.standing(late).outcome is Outcome.REJECTED
    assert house.standing(second).outcome is Outcome.APPROVED
    assert len(house.payments()) == 2


async def test_a_challenge_left_open_then_another_card_does_not_charge_twice(house):
    cart = await house.cart()
    first = house.pay(cart, "tok_3ds")
    await house.deliver(first)
    opened = house.standing(first)
    assert (opened.outcome, opened.action is not None) == (Outcome.ACTION, True)
    house.clock.pass_(minutes=2)
    second = house.pay(cart)
    await house.deliver(second)
    assert house.standing(second).outcome is Outcome.APPROVED
    psp_payment = (await house.payment(opened.payment_reference)).interface_id
    # The shopper goes back to the challenge before the cancel is through, and the PSP lets it pass.
    result = (await house.control(f"/payments/{psp_payment}/challenge", decision="approve"))["result"]
    late = house.come_back(first, result)
    await house.deliver(late)
    assert house.standing(late).outcome is Outcome.REFUSED
    await house.pump()
    given_up = await house.payment(opened.payment_reference)
    assert ("CancelAuthorization", "Success", 4200) in house.rows(given_up)
    held = [one for one in house.psp.house.books.payments.values() if one.status == "authorized"]
    assert len(held) == 1


async def test_a_completion_that_could_not_be_written_down_is_written_also_where_the_attempt_was_given_up_since(house):
    cart = await house.cart()
    first = house.pay(cart, "tok_3ds")
    await house.deliver(first)
    payment = await house.payment(house.standing(first).payment_reference)
    result = (await house.control(f"/payments/{payment.interface_id}/challenge", decision="approve"))["result"]
    back = house.come_back(first, result)
    house.fault(PASS, Fault(error=UnavailableError("killed before it could settle")))
    assert (await house.deliver(back)).verdict is Verdict.AGAIN
    house.clock.pass_(minutes=2)
    await house.deliver(house.pay(cart))
    # No webhook has arrived, and the PSP has the money.
    await house.deliver(back)
    assert house.standing(back).outcome is Outcome.REFUSED
    assert ("Authorization", "Success", 4200) in house.rows(await house.payment(payment.id))
    await house.pump()
    assert ("CancelAuthorization", "Success", 4200) in house.rows(await house.payment(payment.id))
    assert len([one for one in house.psp.house.books.payments.values() if one.status == "authorized"]) == 1


async def test_money_that_moves_on_a_superseded_attempt_all_the_same_is_given_back(house):
    cart = await house.cart()
    first = house.pay(cart, "tok_3ds")
    await house.deliver(first)
    house.clock.pass_(minutes=2)
    await house.deliver(house.pay(cart))
    psp_payment = (await house.payment(house.standing(first).payment_reference)).interface_id
    result = (await house.control(f"/payments/{psp_payment}/challenge", decision="approve"))["result"]
    house.queue.waiting.clear()  # the first cancel is lost
    # The PSP authorizes it without us, as PSPs do when a browser comes back to them.
    url = f"{house.psp.url}/v1/payments/{psp_payment}/complete"
    key = {"Authorization": f"Bearer {SECRET_KEY}"}
    async with house.http.post(url, json={"result": result}, headers=key) as response:
        assert response.status == 200
    for event in house.events():
        await house.deliver(event)
    await house.pump()
    given_up = await house.payment(house.standing(first).payment_reference)
    assert house.rows(given_up) == [("Authorization", "Success", 4200), ("CancelAuthorization", "Success", 4200)]


async def test_a_pending_authorization_is_told_as_pending_and_settles_by_webhook(house):
    command = house.pay(await house.cart(), "tok_pending")
    await house.deliver(command)
    standing = house.standing(command)
    assert standing.outcome is Outcome.PENDING
    payment = await house.payment(standing.payment_reference)
    await house.control(f"/payments/{payment.interface_id}/settle", decision="approve")
    for event in house.events():
        await house.deliver(event)
    assert (await house.payment(payment.id)).authorization.state is State.SUCCESS


async def test_a_reply_that_never_comes_is_fetched_by_the_same_key_and_charges_once(house):
    command = house.pay(await house.cart(), "tok_timeout")
    ending = await house.deliver(command)
    if ending.verdict is Verdict.AGAIN:
        await house.deliver(command)
    assert house.standing(command).outcome is Outcome.APPROVED
    assert len(house.effects("authorization")) == 1


async def test_an_unknown_outcome_is_never_a_failure_and_is_looked_up(house):
    command = house.pay(await house.cart())

    async def lost(request):
        await house.work.psp.authorize(request)
        raise OutcomeUnknownError("the reply was lost")

    await house.deliver(command, work=with_psp(house, authorize=lost))
    assert house.standing(command).outcome is Outcome.APPROVED


async def test_what_a_lookup_cannot_tell_stays_open_until_nothing_found_is_proof(house):
    command = house.pay(await house.cart())

    async def lost(_request):
        raise OutcomeUnknownError("no reply, and no effect")

    async def nothing(_request):
        return Answer(facts=())

    dark = with_psp(house, authorize=lost, lookup=nothing)
    assert (await house.deliver(command, work=dark)).verdict is Verdict.AGAIN
    (payment,) = house.payments()
    assert payment.authorization.state is State.INITIAL
    house.clock.pass_(minutes=16)
    assert (await house.deliver(command, work=dark)).verdict is Verdict.AGAIN
    house.clock.pass_(minutes=10)
    assert (await house.deliver(command, work=dark)).verdict is Verdict.DONE
    standing = house.standing(command)
    assert (standing.outcome, standing.reason.code) == (Outcome.REJECTED, "expired")


async def test_an_attempt_whose_cart_is_deleted_is_not_let_go_until_nothing_found_is_proof(house):
    cart = await house.cart()
    command = house.pay(cart)

    async def lost(_request):
        raise OutcomeUnknownError("no reply, and the request may still arrive")

    await house.deliver(command, work=with_psp(house, authorize=lost))
    current = await house.client.get(f"/carts/{cart}")
    await house.client.delete(f"/carts/{cart}", params={"version": str(current["version"])})
    assert (await house.deliver(command)).verdict is Verdict.AGAIN
    assert [one.authorization.state for one in house.payments()] == [State.INITIAL]
    house.clock.pass_(minutes=26)
    assert (await house.deliver(command)).verdict is Verdict.DONE
    standing = house.standing(command)
    assert (standing.outcome, standing.reason.code) == (Outcome.REJECTED, "expired")
    assert [house.rows(one) for one in house.payments()] == [[("Authorization", "Failure", 4200)]]


async def test_what_certainly_had_no_effect_comes_again(house):
    async def busy(_request):
        raise RetryableError("too many requests", retry_after=1)

    command = house.pay(await house.cart())
    assert (await house.deliver(command, work=with_psp(house, authorize=busy))).verdict is Verdict.AGAIN
    assert (await house.deliver(command)).verdict is Verdict.DONE
    assert house.standing(command).outcome is Outcome.APPROVED


async def test_a_request_that_is_too_old_is_never_sent(house):
    command = house.pay(await house.cart())
    house.clock.pass_(minutes=15)
    await house.deliver(command)
    assert house.standing(command).reason.code == "expired"
    assert house.effects() == []
    assert [house.rows(one) for one in house.payments()] == [[("Authorization", "Failure", 4200)]]


async def test_a_key_reused_for_another_payment_is_told(house):
    cart = await house.cart()
    await house.deliver(house.pay(cart, attempt_key="key-1", command_id="k"))
    other = house.pay(cart, attempt_key="key-1", command_id="k", request_hash="another")
    await house.deliver(other)
    assert house.standing(other).outcome is Outcome.KEY_REUSED


async def test_no_such_cart_is_refused_with_its_reason(house):
    command = house.pay("00000000-0000-4000-8000-999999999999")
    assert (await house.deliver(command)).verdict is Verdict.IGNORED
    assert house.standing(command).reason.code == "no-such-cart"


async def test_a_paid_cart_is_refused_and_a_person_finds_the_refusal_on_it(house):
    cart = await house.cart()
    await house.deliver(house.pay(cart))
    again = house.pay(cart, owner="owner-2", merchant_reference="order-1")
    await house.deliver(again)
    standing = house.standing(again)
    assert (standing.outcome, standing.reason.code) == (Outcome.REFUSED, "nothing-to-pay")
    refused = await house.payment(standing.payment_reference)
    assert refused.authorization.state is State.FAILURE
    assert [one.kind for one in refused.interactions] == [InteractionKind.REFUSAL]
    assert len(house.effects()) == 1


@pytest.mark.parametrize("crash_at", range(5))
@pytest.mark.parametrize("before", [True, False])
async def test_a_crash_at_any_call_is_repaired_by_the_same_message(house, crash_at, before):
    cart = await house.cart()
    command = house.pay(cart)
    house.fault(*[PASS] * crash_at, Fault(error=UnavailableError("crash"), before=before))
    await house.deliver(command)
    house.client.shared["faults"].clear()
    await house.deliver(command)
    await house.deliver(command)
    assert house.standing(command).outcome is Outcome.APPROVED
    assert len(house.effects("authorization")) == 1
    assert [house.rows(one) for one in house.payments()] == [[("Authorization", "Success", 4200)]]
    document = await house.client.get(f"/carts/{cart}")
    assert len(document["paymentInfo"]["payments"]) == 1


async def test_a_cart_that_changes_while_it_is_paid_is_weighed_again(house):
    cart = await house.cart()
    command = house.pay(cart)

    async def somebody_pays():
        await house.deliver(house.pay(cart, owner="owner-2"))

    # Between reading the cart and creating the Payment, another session pays the whole of it.
    house.fault(PASS, Fault(action=somebody_pays))
    await house.deliver(command)
    assert house.standing(command).outcome is Outcome.REFUSED
    assert len(house.effects("authorization")) == 1


async def test_only_our_payments_on_a_cart_are_given_up(house):
    cart = await house.cart(5000)
    draft = {
        "key": "gift",
        "amountPlanned": {"centAmount": 800, "currencyCode": "EUR"},
        "paymentMethodInfo": {"paymentInterface": "gift-cards"},
        "transactions": [{"type": "Charge", "state": "Success", "amount": {"centAmount": 800, "currencyCode": "EUR"}}],
    }
    gift = await house.client.post("/payments", draft)
    document = await house.client.get(f"/carts/{cart}")
    add = {"action": "addPayment", "payment": {"typeId": "payment", "id": gift["id"]}}
    await house.client.post(f"/carts/{cart}", {"version": document["version"], "actions": [add]})
    command = house.pay(cart)
    await house.deliver(command)
    payment = await house.payment(house.standing(command).payment_reference)
    assert payment.planned.amount == 4200
    assert (await house.client.get(f"/payments/{gift['id']}"))["version"] == gift["version"]


async def test_nobody_waits_and_nothing_breaks(house):
    command = house.pay(await house.cart(), reply_to=None)
    assert (await house.deliver(command)).verdict is Verdict.DONE
    assert house.queue.results == {}


async def test_a_result_that_cannot_be_published_does_not_undo_the_payment(house):
    command = house.pay(await house.cart())
    house.queue.fails = 1
    assert (await house.deliver(command)).verdict is Verdict.DONE
    assert house.payments()[0].authorization.state is State.SUCCESS


async def test_types_that_are_missing_hold_payments_back_and_lose_none():
    async with open_house(types=False) as house:
        command = house.pay(await house.cart())
        ending = await house.deliver(command)
        assert ending.verdict in (Verdict.AGAIN, Verdict.DEAD)
        assert house.effects() == []


async def test_completing_what_nobody_began_is_told_so(house):
    command = house.pay(await house.cart())
    nobody = house.come_back(command, "x")
    await house.deliver(nobody, attempt=5)
    assert house.standing(nobody).outcome is Outcome.NOT_FOUND
    no_cart = house.come_back(command, "x", cart_id="00000000-0000-4000-8000-999999999999")
    endings = [(await house.deliver(no_cart, attempt=number)).verdict for number in (1, 2, 3, 4)]
    # Nothing is said before it is sure: a no would make the browser forget its payment.
    assert no_cart.command_id not in house.queue.results
    endings.append((await house.deliver(no_cart, attempt=5)).verdict)
    assert house.standing(no_cart).outcome is Outcome.NOT_FOUND
    assert endings == [Verdict.AGAIN] * 4 + [Verdict.IGNORED]


async def passed(house, cart):
    """A challenge that the shopper has passed: the command, the Payment, and what the browser brings back."""
    command = house.pay(cart, "tok_3ds")
    await house.deliver(command)
    payment = await house.payment(house.standing(command).payment_reference)
    result = (await house.control(f"/payments/{payment.interface_id}/challenge", decision="approve"))["result"]
    return command, payment, result


@pytest.mark.parametrize("owner", ["theirs", None])
async def test_a_passed_challenge_is_completed_although_the_payment_was_taken_off_its_cart(house, owner):
    cart = await house.cart()
    command, payment, result = await passed(house, cart)
    current = await house.client.get(f"/carts/{cart}")
    off = {"action": "removePayment", "payment": {"typeId": "payment", "id": payment.id}}
    await house.client.post(f"/carts/{cart}", {"version": current["version"], "actions": [off]})
    back = house.come_back(command, result, **({} if owner else {"owner": None}))
    assert (await house.deliver(back)).verdict is Verdict.DONE
    assert house.standing(back).outcome is Outcome.APPROVED
    stranger = house.come_back(command, result, owner="somebody-else")
    await house.deliver(stranger, attempt=5)
    assert house.standing(stranger).outcome is Outcome.NOT_FOUND


async def test_a_passed_challenge_is_completed_although_the_cart_shows_the_payment_as_it_was_before(house):
    cart = await house.cart()
    command = house.pay(cart, "tok_3ds")
    house.fault(PASS, PASS, PASS, Fault(error=UnavailableError("killed before it could settle")))
    await house.deliver(command)
    before = await house.client.get(f"/carts/{cart}", params={"expand": "paymentInfo.payments[*]"})
    await house.deliver(command)
    payment = await house.payment(house.standing(command).payment_reference)
    result = (await house.control(f"/payments/{payment.interface_id}/challenge", decision="approve"))["result"]
    get = house.client.get

    async def stale(path, *, params=None):
        return before if path == f"/carts/{cart}" else await get(path, params=params)

    house.client.get = stale
    back = house.come_back(command, result)
    assert (await house.deliver(back)).verdict is Verdict.DONE
    assert house.standing(back).outcome is Outcome.APPROVED


async def test_an_attempt_that_was_closed_is_not_asked_for_although_the_cart_shows_it_open(house):
    async def away(_request):
        raise RetryableError("not there")

    cart = await house.cart()
    command = house.pay(cart)
    await house.deliver(command, work=with_psp(house, authorize=away))
    before = await house.client.get(f"/carts/{cart}", params={"expand": "paymentInfo.payments[*]"})
    (payment,) = house.payments()
    failed = change_transaction_state(payment.authorization.id, State.FAILURE)
    await house.client.post(f"/payments/{payment.id}", {"version": payment.version, "actions": [failed]})
    get, shown = house.client.get, [before]

    async def stale_once(path, *, params=None):
        return shown.pop() if shown and path == f"/carts/{cart}" else await get(path, params=params)

    house.client.get = stale_once
    assert (await house.deliver(command)).verdict is Verdict.DONE
    assert house.standing(command).outcome is Outcome.REJECTED
    assert (house.effects(), shown) == ([], [])


async def test_what_the_shopper_brings_waits_for_the_psps_name_of_the_payment(house):
    command = house.pay(await house.cart(), "tok_3ds")
    house.fault(PASS, PASS, PASS, Fault(error=UnavailableError("killed before it could settle")))
    await house.deliver(command)
    back = house.come_back(command, "too early")
    assert (await house.deliver(back)).verdict is Verdict.AGAIN


async def test_a_challenge_is_completed_once_in_two_calls_by_its_owner_alone(house):
    command = house.pay(await house.cart(), "tok_3ds")
    await house.deliver(command)
    payment = await house.payment(house.standing(command).payment_reference)
    result = (await house.control(f"/payments/{payment.interface_id}/challenge", decision="approve"))["result"]
    stranger = house.come_back(command, result, owner="somebody-else")
    await house.deliver(stranger, attempt=5)
    assert house.standing(stranger).outcome is Outcome.NOT_FOUND
    back = house.come_back(command, result)
    async with house.counting() as calls:
        await house.deliver(back)
    assert (house.standing(back).outcome, len(calls)) == (Outcome.APPROVED, 2)
    again = house.come_back(command, result, owner=None)
    async with house.counting() as calls:
        await house.deliver(again)
    assert (house.standing(again).outcome, len(calls)) == (Outcome.APPROVED, 1)
    assert (await house.payment(payment.id)).authorization.action is None


async def test_what_the_shopper_answered_is_told_again_until_the_psp_has_heard_it(house):
    """The page may be closed by then: nobody else can tell it."""
    command = house.pay(await house.cart(), "tok_3ds")
    await house.deliver(command)
    payment = await house.payment(house.standing(command).payment_reference)
    result = (await house.control(f"/payments/{payment.interface_id}/challenge", decision="approve"))["result"]

    async def unheard(_request):
        raise OutcomeUnknownError("no reply")

    back = house.come_back(command, result)
    assert (await house.deliver(back, work=with_psp(house, complete=unheard))).verdict is Verdict.AGAIN
    assert (await house.deliver(back)).verdict is Verdict.DONE
    assert house.standing(back).outcome is Outcome.APPROVED


async def test_a_shopper_who_has_answered_is_asked_no_more_while_the_bank_takes_its_time(house):
    command = house.pay(await house.cart(), "tok_3ds")
    await house.deliver(command)
    payment = await house.payment(house.standing(command).payment_reference)

    async def later(request):
        told = await house.work.psp.lookup(
            LookupRequest(
                reference=request.reference,
                authorization=request.reference,
                payment_reference=request.payment_reference,
            )
        )
        return Answer(facts=told.facts)

    back = house.come_back(command, "res")
    await house.deliver(back, work=with_psp(house, complete=later))
    assert house.standing(back).outcome is Outcome.PENDING
    assert house.standing(back).payment_reference == payment.id
    assert (await house.payment(payment.id)).authorization.action is None


async def test_an_answer_that_comes_a_day_after_the_challenge_is_told_to_nobody_and_holds_no_money(house):
    """The shopper has gone; a message that is so late must not take their money."""
    cart = await house.cart()
    command, payment, result = await passed(house, cart)
    back = house.come_back(command, result)
    house.clock.pass_(hours=24, seconds=1)
    assert (await house.deliver(back)).verdict is Verdict.DONE
    assert house.standing(back).outcome is Outcome.REFUSED
    assert house.effects("authorization") == []
    await house.pump()
    assert house.psp.house.books.payments[payment.interface_id].status == "canceled"
    assert (await house.deliver(back)).verdict is Verdict.DONE
    assert house.effects("authorization") == []


async def test_an_answer_within_a_day_is_told_however_late_its_message_is(house):
    command, _, result = await passed(house, await house.cart())
    back = house.come_back(command, result)
    house.clock.pass_(hours=24)
    await house.deliver(back)
    assert house.standing(back).outcome is Outcome.APPROVED


async def test_an_answer_that_was_told_in_time_and_comes_again_late_gives_nothing_up(house):
    """The bank may take longer than the shopper."""
    command, payment, result = await passed(house, await house.cart())

    async def later(request):
        names = {"reference": request.reference, "authorization": request.reference}
        told = await house.work.psp.lookup(LookupRequest(**names, payment_reference=request.payment_reference))
        return Answer(facts=told.facts)

    back = house.come_back(command, result)
    await house.deliver(back, work=with_psp(house, complete=later))
    house.clock.pass_(days=3)
    await house.deliver(back)
    assert not (await house.payment(payment.id)).authorization.superseded


async def test_an_answer_that_was_told_in_time_and_not_written_down_is_still_written_down_late(house):
    command, _, result = await passed(house, await house.cart())
    back = house.come_back(command, result)
    house.fault(PASS, Fault(error=UnavailableError("killed before it could settle")))
    assert (await house.deliver(back)).verdict is Verdict.AGAIN
    house.clock.pass_(days=3)
    await house.deliver(back)
    assert house.standing(back).outcome is Outcome.APPROVED


async def test_an_answer_that_is_late_to_a_challenge_decided_meanwhile_comes_again(house):
    command, payment, result = await passed(house, await house.cart())
    back = house.come_back(command, result)
    house.clock.pass_(days=2)

    async def decided():
        current = await house.payment(payment.id)
        failed = change_transaction_state(current.authorization.id, State.FAILURE)
        await house.client.post(f"/payments/{payment.id}", {"version": current.version, "actions": [failed]})

    house.fault(PASS, Fault(action=decided))
    assert (await house.deliver(back)).verdict is Verdict.AGAIN
    await house.deliver(back)
    assert house.standing(back).outcome is Outcome.REJECTED


async def test_a_wrong_result_from_the_browser_proves_nothing(house):
    command = house.pay(await house.cart(), "tok_3ds")
    await house.deliver(command)
    wrong = house.come_back(command, "forged")
    await house.deliver(wrong)
    assert house.standing(wrong).outcome is Outcome.ACTION
    payment = await house.payment(house.standing(command).payment_reference)
    assert payment.authorization.state is State.PENDING


async def test_a_refused_challenge_is_a_decline(house):
    command = house.pay(await house.cart(), "tok_3ds")
    await house.deliver(command)
    payment = await house.payment(house.standing(command).payment_reference)
    result = (await house.control(f"/payments/{payment.interface_id}/challenge", decision="refuse"))["result"]
    back = house.come_back(command, result)
    await house.deliver(back)
    assert house.standing(back).outcome is Outcome.REJECTED
    assert payment.of_kind(Kind.CHARGE) == ()
