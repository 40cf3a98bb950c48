"""A cart that takes no payment: an extension of the merchant's, or commercetools itself, says no for good."""

from __future__ import annotations

import pytest
from support.house import PASS, Fault

from bus.port import Verdict
from ct.errors import InvalidRequestError, UnavailableError
from psp.outcome import Outcome


@pytest.fixture
def shut(house, monkeypatch):
    """From the call on, no cart takes a change."""
    post = house.client.post

    async def refuse(path, body, *, params=None):
        if path.startswith("/carts/"):
            raise InvalidRequestError("400 InvalidInput: no more than 8 crates.", code="InvalidInput")
        return await post(path, body, params=params)

    return lambda: monkeypatch.setattr(house.client, "post", refuse)


async def refused(house, command):
    """The shopper is told no, twice the same, and nobody is asked for money."""
    for _ in range(2):
        ending = await house.deliver(command)
        assert ending.verdict in {Verdict.IGNORED, Verdict.DONE}
        standing = house.standing(command)
        assert standing.outcome in {Outcome.REFUSED, Outcome.REJECTED}
        house.clock.pass_(minutes=1)
    assert house.effects() == []
    return standing


async def test_the_shopper_is_told_no_and_no_money_is_asked_for(house, shut):
    command = house.pay(await house.cart())
    shut()
    standing = await refused(house, command)
    assert standing.reason.code == "cart-refused"
    (payment,) = house.payments()
    assert house.rows(payment) == [("Authorization", "Failure", 4200)]


async def test_an_attempt_of_an_earlier_run_is_closed_once_the_psp_has_surely_never_heard_of_it(house, shut):
    command = house.pay(await house.cart(), attempt_key="a-key")
    house.fault(PASS, PASS, Fault(error=UnavailableError("killed between the two writes")))
    assert (await house.deliver(command)).verdict is Verdict.AGAIN
    shut()
    assert (await house.deliver(command)).verdict is Verdict.AGAIN
    house.clock.pass_(hours=2)
    await refused(house, command)
    (payment,) = house.payments()
    assert house.rows(payment) == [("Authorization", "Failure", 4200)]


async def test_money_on_an_attempt_that_its_cart_does_not_take_back_goes_back_to_the_shopper(house, shut):
    cart = await house.cart()
    command = house.pay(cart, attempt_key="a-key")
    await house.deliver(command)
    (payment,) = house.payments()
    current = await house.client.get(f"/carts/{cart}")
    off = {"action": "removePayment", "payment": {"typeId": "payment", "id": payment.id}}
    await house.client.post(f"/carts/{cart}", {"version": current["version"], "actions": [off]})
    shut()
    house.clock.pass_(minutes=1)
    assert (await house.deliver(command)).verdict is Verdict.DONE
    await house.pump()
    assert [one["kind"] for one in house.effects()] == ["authorization", "cancel"]
