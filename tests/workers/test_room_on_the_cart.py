"""How much of an attempt its cart bears: what came late is kept, given back, or left to a person."""

from __future__ import annotations

from contextlib import suppress

import pytest
from structlog.testing import capture_logs
from support.off_cart import (
    approved_late,
    back_on,
    changed,
    closed,
    costs,
    eur,
    gift_card,
    held,
    off,
    passes,
    told,
    unheard,
    without_carts,
)

from bus.messages import CapturePayment
from ct.errors import UnavailableError
from ct.fields import InteractionKind
from psp.facts import State
from psp.outcome import Outcome
from workers.superseded import give_back_if_superseded


async def test_what_was_given_up_and_is_not_back_yet_does_not_make_the_payment_that_is_kept_go_back_too(house):
    """Both came late: one after it was told as expired, the other while it was off its cart, where it has been put again."""
    cart = await house.cart()
    await closed(house, cart)
    late = house.events()
    await house.deliver(house.pay(cart, "tok_pending"))
    (kept,) = [one for one in house.payments() if one.authorization.state is State.PENDING]
    await changed(house, cart, off(kept))
    await house.control(f"/payments/{kept.interface_id}/settle")
    for event in house.events():
        if kept.interface_id in str(event):
            await house.deliver(event)
    await changed(house, cart, {"action": "addPayment", "payment": {"typeId": "payment", "id": kept.id}})
    await house.deliver(house.ask(CapturePayment, kept.id, amount=eur(4200)))
    for event in late:
        await house.deliver(event)
    await told(house)
    await passes(house)
    kept = await house.payment(kept.id)
    assert house.rows(kept) == [("Authorization", "Success", 4200), ("Charge", "Success", 4200)]
    assert not kept.authorization.superseded
    (other,) = [one for one in house.payments() if one.id != kept.id]
    assert ("CancelAuthorization", "Success", 4200) in house.rows(other)


@pytest.mark.parametrize("first", [0, 1])
async def test_of_two_that_came_late_and_are_weighed_in_one_moment_one_is_kept(house, first):
    """Each is read with the other on the cart, and neither is marked yet."""
    cart = await house.cart()
    await house.deliver(house.pay(cart, "tok_pending", attempt_key="key-1"))
    (one,) = house.payments()
    await changed(house, cart, off(one))
    await house.deliver(house.pay(cart, "tok_pending", attempt_key="key-2"))
    (other,) = [found for found in house.payments() if found.id != one.id]
    await changed(house, cart, off(other))
    for payment in (one, other):
        # It is marked, and nobody gets to weigh it.
        back = without_carts(house, after=1)
        with suppress(UnavailableError):
            await approved_late(house, payment)
        back()
    await changed(house, cart, back_on(one), back_on(other))
    pair = [await house.payment(payment.id) for payment in (one, other)]
    get = house.client.get

    async def first_looks(path, *, params=None):
        """The other is weighed after the first has read the cart, and before it writes."""
        found = await get(path, params=params)
        if path == "/carts":
            house.client.get = get
            await give_back_if_superseded(house.work, pair[1 - first], cause="weighs-second")
        return found

    house.client.get = first_looks
    await give_back_if_superseded(house.work, pair[first], cause="weighs-first")
    await house.pump()
    await passes(house)
    after = [await house.payment(payment.id) for payment in (one, other)]
    assert [payment.authorization.superseded for payment in after] == [False, True]
    assert len(held(house)) == 1


@pytest.mark.parametrize("asked_again", ["never", "by its message"])
async def test_what_was_never_told_as_declined_is_left_to_a_person_where_its_cheaper_cart_bears_a_part(
    house, asked_again
):
    """A gift card pays for the other part: to give back the whole would leave the order unpaid."""
    cart = await house.cart()
    command = house.pay(cart, "tok_pending", gift_card_planned=eur(1000))
    await house.deliver(command)
    (payment,) = house.payments()
    await gift_card(house, cart, 1000)
    await changed(house, cart, off(payment))
    with capture_logs() as lines:
        await approved_late(house, payment)
        await changed(house, cart, await costs(house, cart, 3000))
        if asked_again == "by its message":
            house.clock.pass_(seconds=11)
            await house.deliver(command)
            assert house.standing(command).outcome is Outcome.APPROVED
        else:
            await changed(house, cart, back_on(payment))
        await passes(house)
    after = await house.payment(payment.id)
    assert not after.authorization.superseded
    assert sum(one.amount for one in held(house)) == 3200
    advice = "Others pay for a part of its cart. Capture no more than is left to pay, or cancel it."
    assert [one["reason"] for one in lines if one.get("payment_id") == payment.id][-1] == advice
    assert [one.message for one in after.interactions if one.kind is InteractionKind.OFF_CART][-1] == advice


async def test_what_was_never_told_as_declined_goes_back_where_its_cart_bears_nothing_of_it(house):
    cart = await house.cart()
    await house.deliver(house.pay(cart, "tok_pending", gift_card_planned=eur(1000)))
    (payment,) = house.payments()
    await gift_card(house, cart, 1000)
    await changed(house, cart, off(payment))
    await changed(house, cart, await costs(house, cart, 1000))
    await approved_late(house, payment)
    await house.pump()
    assert (await house.payment(payment.id)).authorization.superseded
    assert held(house) == []


@pytest.mark.parametrize("decided", ["before its message comes again", "after it"])
@pytest.mark.parametrize("is_paid", ["paid otherwise", "not paid"])
async def test_a_payment_that_the_shop_has_moved_to_another_cart_stays_there(house, is_paid, decided):
    """Its message comes again, and its first cart must neither take it back nor give it up."""
    cart, other = await house.cart(), await house.cart()
    command = house.pay(cart, "tok_pending", attempt_key="key-1")
    await house.deliver(command)
    (payment,) = house.payments()
    await changed(house, cart, off(payment))
    await changed(house, other, back_on(payment))
    if is_paid == "paid otherwise":
        await house.deliver(house.pay(cart, attempt_key="key-2"))
    if decided == "before its message comes again":
        await approved_late(house, payment)
    await house.deliver(command)
    if decided == "after it":
        await approved_late(house, payment)
    await house.pump()
    await passes(house)
    assert not (await house.payment(payment.id)).authorization.superseded
    assert sum(one.amount for one in held(house)) == (8400 if is_paid == "paid otherwise" else 4200)
    document = await house.client.get(f"/carts/{cart}")
    assert payment.id not in [one["id"] for one in document.get("paymentInfo", {}).get("payments", ())]


async def test_a_request_whose_payment_was_moved_while_its_answer_was_lost_stays_on_the_other_cart(house):
    cart, other = await house.cart(), await house.cart()
    command = house.pay(cart, attempt_key="key-1")
    await house.deliver(command, work=unheard(house))
    (payment,) = house.payments()
    await changed(house, cart, off(payment))
    await changed(house, other, back_on(payment))
    await house.deliver(house.pay(cart, attempt_key="key-2"))
    await house.deliver(command)
    await house.pump()
    assert house.standing(command).outcome is Outcome.APPROVED
    assert not (await house.payment(payment.id)).authorization.superseded
    assert sum(one.amount for one in held(house)) == 8400
