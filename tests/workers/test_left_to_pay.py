"""What is left to pay of a cart is computed from amounts: named parts fit in, planned gift cards are left out."""

from __future__ import annotations

import pytest
from support.house import PASS, Fault

from bus.port import Verdict
from ct.errors import UnavailableError
from psp.money import Money
from psp.outcome import Outcome


def eur(amount):
    return Money(amount=amount, currency="EUR")


async def paid(house, cart, **more):
    command = house.pay(cart, **more)
    await house.deliver(command)
    return house.standing(command)


def held(house):
    return [one["amount"] for one in house.effects("authorization")]


async def test_a_cart_is_paid_in_named_parts_and_not_beyond_its_total(house):
    cart = await house.cart(10000)
    for number, part in enumerate((4000, 6000)):
        standing = await paid(house, cart, amount=eur(part), attempt_key=f"key-{number}")
        assert standing.outcome is Outcome.APPROVED
    assert held(house) == [4000, 6000]
    refused = await paid(house, cart, amount=eur(1), attempt_key="key-3")
    assert (refused.outcome, refused.reason.code) == (Outcome.REFUSED, "nothing-to-pay")


async def test_a_named_part_that_is_more_than_what_is_left_is_refused(house):
    cart = await house.cart(10000)
    await paid(house, cart, amount=eur(4000), attempt_key="key-1")
    refused = await paid(house, cart, amount=eur(6001), attempt_key="key-2")
    assert (refused.outcome, refused.reason.code) == (Outcome.REFUSED, "exceeds-cart")
    assert held(house) == [4000]


async def test_the_same_part_asked_for_twice_without_a_key_is_one_payment(house):
    cart = await house.cart(10000)
    first, second = [await paid(house, cart, amount=eur(4000)) for _ in range(2)]
    assert first == second
    assert held(house) == [4000]


@pytest.mark.parametrize("named", ["amount", "gift_card_planned"])
async def test_an_amount_in_another_currency_than_the_carts_is_refused(house, named):
    cart = await house.cart(10000)
    refused = await paid(house, cart, **{named: Money(amount=100, currency="USD")})
    assert (refused.outcome, refused.reason.code) == (Outcome.REFUSED, "currency-mismatch")
    assert held(house) == []


async def test_gift_cards_that_are_to_pay_everything_leave_nothing_to_pay(house):
    cart = await house.cart(10000)
    refused = await paid(house, cart, gift_card_planned=eur(10000))
    assert (refused.outcome, refused.reason.code) == (Outcome.REFUSED, "nothing-to-pay")
    assert held(house) == []


async def test_two_clicks_beside_a_planned_gift_card_are_one_payment(house):
    cart = await house.cart(10000)
    first, second = [await paid(house, cart, gift_card_planned=eur(3000)) for _ in range(2)]
    assert first == second
    assert held(house) == [7000]


async def test_a_reserved_part_that_the_cart_has_no_room_for_is_closed_when_nobody_can_be_sending_it_any_more(house):
    """It may have been on the cart, and been asked for, before somebody took it off: only time and the PSP can tell."""
    cart = await house.cart(10000)
    slow = house.pay(cart, amount=eur(6000), attempt_key="key-1")
    # The Payment is made, and the process dies before it is on the cart.
    house.fault(PASS, Fault(error=UnavailableError("down"), before=False))
    assert (await house.deliver(slow)).verdict is Verdict.AGAIN
    await paid(house, cart, amount=eur(5000), attempt_key="key-2")
    assert (await house.deliver(slow)).verdict is Verdict.AGAIN
    house.clock.pass_(minutes=26)
    await house.deliver(slow)
    standing = house.standing(slow)
    assert (standing.outcome, standing.reason.code) == (Outcome.REJECTED, "expired")
    assert held(house) == [5000]


async def test_what_was_refunded_is_left_to_pay_again_and_no_more_than_that(house):
    cart = await house.cart(10000)
    first = await paid(house, cart, amount=eur(4000), attempt_key="key-1")
    payment = await house.payment(first.payment_reference)
    await house.put(payment.id, "Charge", 4000, "Success")
    await house.put(payment.id, "Refund", 1500, "Success")
    await paid(house, cart, attempt_key="key-2")
    assert held(house) == [4000, 7500]
