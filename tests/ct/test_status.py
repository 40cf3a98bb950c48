"""The status of an operation, as a browser polls it: one read, for its owner alone."""

from __future__ import annotations

from support.house import open_house
from support.scripted_server import error

from ct.client import Commercetools
from ct.ledger import Ledger
from ct.status import StatusReader
from ct.turns import Turns
from psp.outcome import Outcome


async def status(house, command, *, owner="owner-1", cart=None):
    reader = StatusReader(ledger=house.work.ledger, project_key="demo")
    return await reader.read(
        cart_id=cart or command.cart_id, owner=owner, operation=command.command_id, correlation_id="c"
    )


async def test_an_operation_is_told_by_one_read_and_its_open_action_is_in_it():
    async with open_house() as house:
        command = house.pay(await house.cart(), "tok_3ds")
        assert await status(house, command) is None
        await house.deliver(command)
        async with house.counting() as calls:
            told = await status(house, command)
        assert (told.outcome, told.action) == (Outcome.ACTION, house.standing(command).action)
        assert len(calls) == 1


async def test_a_second_click_finds_the_payment_that_it_joined():
    async with open_house() as house:
        cart = await house.cart()
        first, second = house.pay(cart), house.pay(cart)
        await house.deliver(first)
        await house.deliver(second)
        assert await status(house, second) == await status(house, first)


async def test_another_session_is_told_nothing_and_neither_is_one_whose_cart_is_gone():
    async with open_house() as house:
        command = house.pay(await house.cart())
        await house.deliver(command)
        assert await status(house, command, owner="somebody-else") is None
        assert await status(house, command, cart="00000000-0000-4000-8000-999999999999") is None


async def test_a_refusal_is_found_by_its_status():
    async with open_house() as house:
        cart = await house.cart()
        await house.deliver(house.pay(cart))
        late = house.pay(cart, owner="owner-2")
        await house.deliver(late)
        told = await status(house, late, owner="owner-2")
        assert (told.outcome, told.reason.code) == (Outcome.REFUSED, "nothing-to-pay")


async def test_the_read_bears_the_name_of_the_request_that_needs_it(server, wire, tokens):
    server.on("/demo/carts/c1", error(404, "ResourceNotFound"))
    client = Commercetools(wire=wire, tokens=tokens, api_url=server.url, project_key="demo")
    ledger = Ledger(client=client, interface="ctpay", turns=Turns(), draw=lambda: 0.0, conflicts_within_s=1.0)
    reader = StatusReader(ledger=ledger, project_key="demo")
    assert await reader.read(cart_id="c1", owner="o", operation="pay-1", correlation_id="shop-42") is None
    assert [one.headers["x-correlation-id"] for one in server.of("/demo/carts/c1")] == ["shop-42"]
