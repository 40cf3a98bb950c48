"""Late successes, and what people do to Payments and carts meanwhile."""

from __future__ import annotations

from datetime import timedelta

from support.house import with_psp

from ct.errors import UnavailableError
from psp.errors import OutcomeUnknownError
from psp.money import Money
from psp.port import Answer
from workers.reconcile import Pass, take_up


def eur(amount):
    return Money(amount=amount, currency="EUR")


def held(house):
    return [one for one in house.psp.house.books.payments.values() if one.status == "authorized"]


async def nothing(_request):
    return Answer(facts=())


async def lost(_request):
    raise OutcomeUnknownError("no reply")


def unheard(house, **more):
    """The PSP authorizes, and its reply is lost."""

    async def effect(request):
        await house.work.psp.authorize(request)
        raise OutcomeUnknownError("the reply was lost")

    return with_psp(house, **({"authorize": effect, "lookup": lost} | more))


async def closed(house, cart, token="tok_approved", **more):
    """An attempt that was closed as never sent, although the PSP has the money."""
    command = house.pay(cart, token, **more)
    dark = unheard(house, lookup=nothing)
    await house.deliver(command, work=dark)
    house.clock.pass_(minutes=26)
    await house.deliver(command, work=dark)
    assert house.standing(command).reason.code == "expired"
    house.clock.pass_(minutes=1)
    return command


async def told(house):
    """All events of the PSP so far."""
    for event in house.events():
        await house.deliver(event)
    await house.pump()


async def passes(house, count=3, **every):
    for number in range(count):
        house.clock.pass_(**(every or {"hours": 2}))
        this = Pass(cause=f"pass-{number}", rested=timedelta(minutes=5), since_last=None)
        async for _ in take_up(house.work, this):
            pass
        await house.pump()


async def changed(house, cart, *actions):
    current = await house.client.get(f"/carts/{cart}")
    return await house.client.post(f"/carts/{cart}", {"version": current["version"], "actions": list(actions)})


def off(payment):
    return {"action": "removePayment", "payment": {"typeId": "payment", "id": payment.id}}


async def costs(house, cart, amount):
    line = (await house.client.get(f"/carts/{cart}"))["customLineItems"][0]["id"]
    money = {"centAmount": amount, "currencyCode": "EUR"}
    return {"action": "changeCustomLineItemMoney", "customLineItemId": line, "money": money}


async def hand(house, payment, **action):
    current = await house.payment(payment.id)
    await house.client.post(f"/payments/{payment.id}", {"version": current.version, "actions": [action]})


def without_carts(house, *, after=0):
    """No cart can be looked for until the returned function is called, or so many have been."""
    get = house.client.get
    down = True

    async def fail(path, *, params=None):
        nonlocal after
        if down and path == "/carts":
            after -= 1
            if after < 0:
                raise UnavailableError("commercetools is away")
        return await get(path, params=params)

    def back():
        nonlocal down
        down = False

    house.client.get = fail
    return back


def back_on(payment):
    return {"action": "addPayment", "payment": {"typeId": "payment", "id": payment.id}}


async def approved_late(house, payment, work=None):
    """Its bank decides, and its own events are delivered; whatever follows from them is left in the queue."""
    await house.control(f"/payments/{payment.interface_id}/settle")
    for event in house.events():
        if payment.interface_id in str(event):
            await house.deliver(event, work=work)


async def gift_card(house, cart, amount, state="Success"):
    """Other payment software pays for a part of the cart."""
    money = {"centAmount": amount, "currencyCode": "EUR"}
    draft = {
        "amountPlanned": money,
        "paymentMethodInfo": {"paymentInterface": "giftcards"},
        "transactions": [{"type": "Authorization", "amount": money, "state": state}],
    }
    made = await house.client.post("/payments", draft)
    await changed(house, cart, {"action": "addPayment", "payment": {"typeId": "payment", "id": made["id"]}})


async def ordered(house, cart):
    current = await house.client.get(f"/carts/{cart}")
    draft = {"cart": {"typeId": "cart", "id": cart}, "version": current["version"]}
    return await house.client.post("/orders", draft)
