"""What came late is weighed more than once, by whoever comes by: in the end just what the cart needs is held."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs
from support.house import with_psp
from support.off_cart import (
    approved_late,
    back_on,
    changed,
    closed,
    costs,
    eur,
    gift_card,
    hand,
    held,
    off,
    ordered,
    passes,
    told,
    unheard,
    without_carts,
)

from bus.messages import CancelPayment, CapturePayment, RefundPayment
from bus.port import Verdict
from ct.errors import NotFoundError, UnavailableError
from ct.fields import InteractionKind
from psp.errors import RefusedError
from psp.facts import State
from psp.outcome import Outcome
from workers.superseded import give_back_if_superseded


def behind(house, **time):
    """A worker whose clock is behind."""
    return replace(house.work, clock=lambda: house.clock() - timedelta(**time))


def about(house, payment):
    return [one for one in house.events() if payment.id in str(one.body)]


async def begun(house, cart, token="tok_pending", **more):
    """The Payment of a new attempt."""
    command = house.pay(cart, token, **more)
    known = {one.id for one in house.payments()}
    await house.deliver(command)
    (payment,) = [one for one in house.payments() if one.id not in known]
    return command, payment


async def is_given_up(house, payment):
    return (await house.payment(payment.id)).authorization.superseded


def errors(lines):
    return [one["event"] for one in lines if one["log_level"] == "error"]


@pytest.mark.parametrize("asked_again", ["never", "by its message"])
async def test_what_is_off_its_cart_takes_nothing_from_what_was_put_back_and_captured(house, asked_again):
    """The one that came first stays off the cart, so it does not go before the other."""
    cart = await house.cart()
    command, first = await begun(house, cart, attempt_key="key-1")
    await changed(house, cart, off(first))
    _, second = await begun(house, cart, attempt_key="key-2")
    await changed(house, cart, off(second))
    await approved_late(house, first)
    house.clock.pass_(minutes=1)
    await approved_late(house, second)
    await changed(house, cart, back_on(second))
    await house.deliver(house.ask(CapturePayment, second.id, amount=eur(4200)))
    if asked_again == "by its message":
        await house.deliver(command)
    await house.pump()
    await passes(house)
    assert await is_given_up(house, first)
    assert not await is_given_up(house, second)
    assert len(held(house)) == 1


async def test_what_was_captured_stays_although_another_came_before_it_by_a_clock_that_is_behind(house):
    cart = await house.cart()
    await closed(house, cart)
    (first,) = house.payments()
    late = house.events()
    _, second = await begun(house, cart, attempt_key="key-2")
    await changed(house, cart, off(second))
    await approved_late(house, second)
    await changed(house, cart, back_on(second))
    for event in late:
        await house.deliver(event, work=behind(house, seconds=1))
    await house.pump()
    await house.deliver(house.ask(CapturePayment, second.id, amount=eur(4200)))
    await passes(house)
    assert await is_given_up(house, first)
    assert not await is_given_up(house, second)


async def test_what_no_pass_will_find_stays_whatever_the_clocks_say(house):
    """Other software has replaced its mark, so it is not weighed again: the other one is."""
    cart = await house.cart()
    await closed(house, cart, attempt_key="key-1")
    (first,) = house.payments()
    await closed(house, cart, attempt_key="key-2")
    (second,) = [one for one in house.payments() if one.id != first.id]
    await hand(house, second, action="setTransactionCustomType", transactionId=second.authorization.id)
    for event in about(house, second):
        await house.deliver(event)
    for event in about(house, first):
        await house.deliver(event, work=behind(house, milliseconds=50))
    await house.pump()
    await passes(house)
    assert await is_given_up(house, first)
    assert len(held(house)) == 1


async def test_what_is_left_of_it_counts_and_not_what_it_was_for(house):
    """Most of it went back, and the shopper pays for that once more: the rest is needed still."""
    cart = await house.cart()
    _, first = await begun(house, cart, "tok_declined", attempt_key="key-1")
    await approved_late(house, first)
    await house.pump()
    await house.deliver(house.ask(CapturePayment, first.id, amount=eur(4200)))
    await house.deliver(house.ask(RefundPayment, first.id, amount=eur(3200)))
    again = house.pay(cart, attempt_key="key-2")
    await house.deliver(again)
    assert house.standing(again).outcome is Outcome.APPROVED
    await passes(house)
    assert not await is_given_up(house, first)


async def test_what_was_captured_is_not_given_back_for_an_overlap(house):
    """It was told as declined once; that it was captured since says that somebody reckons with it."""
    cart = await house.cart()
    _, first = await begun(house, cart, "tok_declined", attempt_key="key-1")
    await approved_late(house, first)
    await house.pump()
    await house.deliver(house.ask(CapturePayment, first.id, amount=eur(4200)))
    await changed(house, cart, await costs(house, cart, 5000))
    await house.deliver(house.pay(cart, attempt_key="key-2"))
    await changed(house, cart, await costs(house, cart, 4900))
    await ordered(house, cart)
    with capture_logs() as lines:
        await passes(house)
    assert not await is_given_up(house, first)
    assert errors(lines) == ["late_success.on_no_cart"]


@pytest.mark.parametrize("way", ["off its cart", "put back", "asked for again"])
@pytest.mark.parametrize("end", ["passed", "left open"])
async def test_an_open_challenge_takes_the_place_of_no_money_that_is_there(house, way, end):
    """Whether that money is wanted is known when the challenge is decided: until then both wait."""
    cart = await house.cart()
    command, first = await begun(house, cart, "tok_approved" if way == "asked for again" else "tok_pending")
    await changed(house, cart, off(first))
    if way == "put back":
        await approved_late(house, first)
    challenge, second = await begun(house, cart, "tok_3ds", attempt_key="key-2")
    if way == "put back":
        await changed(house, cart, back_on(first))
    elif way == "off its cart":
        await approved_late(house, first)
    else:
        house.clock.pass_(seconds=11)
        await house.deliver(command)
        assert house.standing(command).outcome is Outcome.APPROVED
    await house.pump()
    await passes(house)
    assert not await is_given_up(house, first)
    if end == "passed":
        result = (await house.control(f"/payments/{second.interface_id}/challenge", decision="approve"))["result"]
        await house.deliver(house.come_back(challenge, result))
        await house.pump()
        await passes(house)
    else:
        await passes(house, days=1)
    assert len(held(house)) == 1
    assert await is_given_up(house, first) is not await is_given_up(house, second)


async def test_its_message_comes_again_when_the_cart_was_ordered_with_another(house):
    cart = await house.cart()
    command, first = await begun(house, cart, "tok_approved", attempt_key="key-1")
    await changed(house, cart, off(first))
    await house.deliver(house.pay(cart, attempt_key="key-2"))
    await ordered(house, cart)
    await house.deliver(command)
    await house.pump()
    assert await is_given_up(house, first)
    assert len(held(house)) == 1


async def test_another_amount_of_what_is_off_its_cart_is_asked_about_once_in_a_delivery(house):
    cart = await house.cart()
    command = house.pay(cart, attempt_key="key-1")
    await house.deliver(command, work=unheard(house))
    (payment,) = house.payments()
    await changed(house, cart, off(payment), await costs(house, cart, 2000))
    asked = 0

    async def another_amount(request):
        nonlocal asked
        asked += 1
        known = await house.work.psp.lookup(request)
        return replace(known, facts=tuple(replace(one, amount=eur(4100)) for one in known.facts))

    ending = await house.deliver(command, work=with_psp(house, lookup=another_amount))
    assert (ending.verdict, asked) == (Verdict.DONE, 1)


async def test_that_the_psp_will_not_tell_is_no_answer_for_what_is_off_its_cart(house):
    cart = await house.cart()
    command = house.pay(cart, attempt_key="key-1")
    await house.deliver(command, work=unheard(house))
    (payment,) = house.payments()
    await changed(house, cart, off(payment), await costs(house, cart, 2000))

    async def refuse(_request):
        raise RefusedError(message="no", code="not-allowed")

    assert (await house.deliver(command, work=with_psp(house, lookup=refuse))).verdict is Verdict.AGAIN


@pytest.mark.parametrize("by_hand", ["both succeeded", "one was called pending"])
async def test_of_two_weighed_at_once_one_stays_although_no_log_says_when_it_came(house, by_hand):
    cart = await house.cart()
    await closed(house, cart, attempt_key="key-1")
    (first,) = house.payments()
    await closed(house, cart, attempt_key="key-2")
    (second,) = [one for one in house.payments() if one.id != first.id]
    states = {first: "Success", second: "Success"} if by_hand == "both succeeded" else {first: "Pending"}
    get = house.client.get
    for payment in (first, second):
        if payment in states:
            state = {"transactionId": payment.authorization.id, "state": states[payment]}
            await hand(house, payment, action="changeTransactionState", **state)
        if by_hand == "one was called pending":
            await written_and_not_weighed(house, payment)
    pair = [await house.payment(payment.id) for payment in (first, second)]
    assert [one.authorization.state for one in pair] == [State.SUCCESS] * 2

    async def first_looks(path, *, params=None):
        found = await get(path, params=params)
        if path == "/carts":
            house.client.get = get
            await give_back_if_superseded(house.work, pair[1], cause="weighs-second")
        return found

    house.client.get = first_looks
    await give_back_if_superseded(house.work, pair[0], cause="weighs-first")
    await house.pump()
    await passes(house)
    assert len(held(house)) == 1


async def written_and_not_weighed(house, payment):
    """Its events are written down, and then no cart can be read."""
    get = house.client.get

    async def fail(path, *, params=None):
        if path == "/carts" and (await house.payment(payment.id)).authorization.state is State.SUCCESS:
            raise UnavailableError("commercetools is away")
        return await get(path, params=params)

    house.client.get = fail
    for event in about(house, payment):
        with suppress(UnavailableError):
            await house.deliver(event)
    house.client.get = get


async def test_one_for_which_there_is_no_room_itself_takes_none_from_what_came_after_it(house):
    """A gift card pays for a part, and what came first is too large for the rest, which is what came second is for."""
    cart = await house.cart()
    _, first = await begun(house, cart, "tok_declined", attempt_key="key-1")
    await gift_card(house, cart, 1000)
    _, second = await begun(house, cart, "tok_declined", attempt_key="key-2")
    assert second.authorization.amount == eur(3200)
    back = without_carts(house, after=1)
    with suppress(UnavailableError):
        await approved_late(house, first)
    back()
    house.clock.pass_(seconds=1)
    await approved_late(house, second)
    await told(house)
    await passes(house)
    assert [one.amount for one in held(house)] == [3200]


@pytest.mark.parametrize("token", ["tok_pending", "tok_3ds"])
@pytest.mark.parametrize("put_on", ["its own cart", "another cart"])
async def test_what_is_put_on_a_cart_that_is_paid_for_goes_back_when_it_succeeds(house, put_on, token):
    """A shop takes payments off while it recalculates, and puts them back; or merges what two devices had."""
    cart = await house.cart()
    paid = cart if put_on == "its own cart" else await house.cart()
    command, first = await begun(house, cart, token, attempt_key="key-1")
    await changed(house, cart, off(first))
    await house.deliver(house.pay(paid, attempt_key="key-2"))
    await changed(house, paid, back_on(first))
    if token == "tok_3ds":
        result = (await house.control(f"/payments/{first.interface_id}/challenge", decision="approve"))["result"]
        await house.deliver(house.come_back(command, result))
    else:
        await approved_late(house, first)
    await house.pump()
    assert await is_given_up(house, first)
    assert len(held(house)) == 1


async def test_a_person_is_told_where_no_more_payments_fit_on_the_cart(house):
    cart = await house.cart()
    command, first = await begun(house, cart, "tok_approved", attempt_key="key-1")
    await changed(house, cart, off(first))
    for _ in range(30):
        draft = {
            "amountPlanned": {"centAmount": 1, "currencyCode": "EUR"},
            "paymentMethodInfo": {"paymentInterface": "giftcards"},
        }
        made = await house.client.post("/payments", draft)
        await changed(house, cart, {"action": "addPayment", "payment": {"typeId": "payment", "id": made["id"]}})
    with capture_logs() as lines:
        await house.deliver(command)
    assert house.standing(command).outcome is Outcome.APPROVED
    assert errors(lines) == ["late_success.on_no_cart"]


async def test_nothing_is_given_back_by_what_a_cart_shows_of_others_as_they_were(house):
    """The other payment was cancelled a moment ago, and the cart shows it as it was before."""
    cart = await house.cart()
    _, first = await begun(house, cart, "tok_declined", attempt_key="key-1")
    _, second = await begun(house, cart, "tok_approved", attempt_key="key-2")
    old = await house.client.get(f"/payments/{second.id}")
    await house.deliver(house.ask(CancelPayment, second.id))
    get = house.client.get

    async def as_it_was(path, *, params=None):
        found = await get(path, params=params)
        for shown in found["results"] if path == "/carts" else ():
            for reference in shown.get("paymentInfo", {}).get("payments", ()):
                if reference["id"] == second.id and "obj" in reference:
                    reference["obj"] = old
        return found

    house.client.get = as_it_was
    await approved_late(house, first)
    house.client.get = get
    await house.pump()
    await passes(house)
    assert not await is_given_up(house, first)
    assert len(held(house)) == 1


async def test_what_waits_for_a_challenge_is_marked_once_so_that_passes_find_it(house):
    cart = await house.cart()
    command, first = await begun(house, cart, "tok_approved")
    await changed(house, cart, off(first))
    await begun(house, cart, "tok_3ds", attempt_key="key-2")
    house.clock.pass_(seconds=11)
    await house.deliver(command)
    await house.deliver(command)
    kinds = [one.kind for one in (await house.payment(first.id)).interactions]
    assert kinds.count(InteractionKind.LATE) == 1
    (shown,) = (await house.client.get(f"/payments/{first.id}"))["transactions"]
    assert shown["custom"]["fields"]["ctpayLate"] is True


async def test_a_person_is_told_of_what_has_waited_for_a_day_for_what_nobody_decides(house):
    """A gift card of other software stays pending: nobody here can ask about it, or end it."""
    cart = await house.cart()
    _, first = await begun(house, cart)
    await changed(house, cart, off(first))
    await gift_card(house, cart, 1000, state="Pending")
    with capture_logs() as lines:
        await approved_late(house, first)
        await house.pump()
        await passes(house)
        assert errors(lines) == []
        await passes(house, count=3, days=1)
    assert errors(lines) == ["late_success.on_no_cart"]
    assert not await is_given_up(house, first)


async def test_what_is_deleted_when_it_is_read_by_itself_pays_for_nothing(house):
    cart = await house.cart()
    await closed(house, cart)
    (first,) = house.payments()
    await gift_card(house, cart, 4200)
    (card,) = [one for one in house.payments() if one.id != first.id]
    get = house.client.get

    async def gone(path, *, params=None):
        if path == f"/payments/{card.id}":
            raise NotFoundError("It was deleted a moment ago.")
        return await get(path, params=params)

    house.client.get = gone
    await told(house)
    house.client.get = get
    assert not await is_given_up(house, first)
    assert len(held(house)) == 1


async def test_nothing_is_marked_that_is_no_success_any_more_when_it_is_to_wait(house):
    """Its bank takes it back in the moment in which the mark is written."""
    cart = await house.cart()
    command, first = await begun(house, cart, "tok_approved")
    await changed(house, cart, off(first))
    await begun(house, cart, "tok_3ds", attempt_key="key-2")
    house.clock.pass_(seconds=11)
    post = house.client.post

    async def overtaken(path, body):
        if path == f"/payments/{first.id}" and "ctpayLate" in str(body):
            house.client.post = post
            await hand(
                house, first, action="changeTransactionState", transactionId=first.authorization.id, state="Failure"
            )
        return await post(path, body)

    house.client.post = overtaken
    await house.deliver(command)
    after = await house.payment(first.id)
    assert after.authorization.state is State.FAILURE
    assert InteractionKind.LATE not in {one.kind for one in after.interactions}
