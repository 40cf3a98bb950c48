"""Money that comes to a Payment which its cart does not want any more, or does not bear any more: it is not kept in silence."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from structlog.testing import capture_logs
from support.house import PASS, Fault, with_psp
from support.off_cart import changed, closed, costs, eur, hand, held, nothing, off, passes, told, unheard, without_carts
from support.psp_servers import SECRET_KEY

from bus.messages import CancelPayment, CapturePayment
from bus.port import Verdict
from ct.errors import UnavailableError
from ct.fields import InteractionKind
from ct.resolution import Resolution
from psp.facts import State
from psp.outcome import Outcome
from workers.reconcile_lists import Job, Place, Repair, compare
from workers.resolve import resolve


async def test_a_late_success_goes_back_where_less_than_its_amount_is_left_to_pay(house):
    """Of the rest a gift card is to pay; what the Payment would pay of it nobody wants twice."""
    cart = await house.cart()
    gift = {"gift_card_planned": eur(1000)}
    await closed(house, cart, **gift)
    await house.deliver(house.pay(cart, **gift))
    await told(house)
    assert sum(one.amount for one in held(house)) == 3200


async def test_a_late_success_that_nobody_saw_while_the_cart_was_weighed_goes_back_by_the_next_pass(house):
    """It comes after the second attempt has read the cart, and before that is on it: each finds the cart to itself."""
    cart = await house.cart()
    await closed(house, cart)
    late = house.events()

    async def told_now():
        for event in late:
            await house.deliver(event)

    house.fault(PASS, Fault(action=told_now))
    second = house.pay(cart)
    await house.deliver(second)
    assert house.standing(second).outcome is Outcome.APPROVED
    await house.pump()
    await passes(house)
    assert len(held(house)) == 1


async def test_what_has_to_wait_for_a_capture_is_given_back_when_that_has_settled(house):
    """Refusals for as long as the capture lasts must not use up the tries."""
    cart = await house.cart()
    first = await closed(house, cart, "tok_capture_pending")
    await house.deliver(house.pay(cart))
    psp_payment = next(iter(house.psp.house.books.payments))
    body = {"amount": 4200, "currency": "EUR", "merchant_reference": "by hand", "metadata": {}}
    headers = {"Authorization": f"Bearer {SECRET_KEY}", "Idempotency-Key": "by hand"}
    url = f"{house.psp.url}/v1/payments/{psp_payment}/captures"
    async with house.http.post(url, json=body, headers=headers) as reply:
        capture = (await reply.json())["id"]
    await told(house)
    await passes(house, 6)
    await house.control(f"/captures/{capture}/settle")
    await told(house)
    await passes(house, 1)
    after = await house.payment(house.standing(first).payment_reference)
    assert ("Refund", "Success", 4200) in house.rows(after)


@pytest.mark.parametrize("key", [None, "key-1"])
async def test_one_command_is_one_authorization_although_its_payment_was_taken_off_and_the_cart_changed(house, key):
    cart = await house.cart()
    command = house.pay(cart, attempt_key=key)
    await house.deliver(command, work=unheard(house))
    (payment,) = house.payments()
    await changed(house, cart, off(payment), await costs(house, cart, 5000))
    house.clock.pass_(seconds=11)
    await house.deliver(command)
    assert house.standing(command).outcome is Outcome.APPROVED
    assert [house.rows(one) for one in house.payments()] == [[("Authorization", "Success", 4200)]]
    assert len(held(house)) == 1
    document = await house.client.get(f"/carts/{cart}")
    assert [one["id"] for one in document["paymentInfo"]["payments"]] == [payment.id]


async def test_an_attempt_that_was_taken_off_a_cart_that_is_paid_otherwise_is_given_up(house):
    cart = await house.cart()
    command = house.pay(cart, attempt_key="key-1")
    await house.deliver(command, work=unheard(house))
    (payment,) = house.payments()
    await changed(house, cart, off(payment))
    await house.deliver(house.pay(cart, attempt_key="key-2"))
    await house.deliver(command)
    await house.pump()
    assert house.standing(command).outcome is Outcome.REFUSED
    assert len(held(house)) == 1


async def test_a_challenge_that_is_passed_after_its_payment_was_taken_off_a_cart_that_is_paid_goes_back(house):
    cart = await house.cart()
    await house.deliver(house.pay(cart, "tok_3ds"))
    (payment,) = house.payments()
    await changed(house, cart, off(payment), await costs(house, cart, 5000))
    house.clock.pass_(minutes=3)
    await house.deliver(house.pay(cart))
    result = (await house.control(f"/payments/{payment.interface_id}/challenge", decision="approve"))["result"]
    url = f"{house.psp.url}/v1/payments/{payment.interface_id}/complete"
    async with house.http.post(
        url, json={"result": result}, headers={"Authorization": f"Bearer {SECRET_KEY}"}
    ) as reply:
        assert reply.status == 200
    await told(house)
    assert len(held(house)) == 1


async def compared(house, payment, begun):
    """A comparison that repairs."""
    house.clock.pass_(minutes=26)
    job = Job(
        cause="reconcile-1",
        since=begun,
        until=house.clock(),
        rested=timedelta(minutes=5),
        repair=Repair.EVIDENT,
    )
    async for leaf in compare(house.work, job, Place()):
        assert leaf.failures == ()


async def resolved(house, payment, _begun):
    """A person's word, before which the PSP is asked."""
    await resolve(house.work, payment.id, word(house, payment, State.FAILURE))


async def resolved_unasked(house, payment, _begun):
    """A person's word, where the PSP cannot tell; by then nobody else can be at it."""
    house.clock.pass_(minutes=26)
    await resolve(with_psp(house, lookup=nothing), payment.id, word(house, payment, State.SUCCESS))


def word(house, payment, state):
    return Resolution(
        transaction_id=payment.authorization.id,
        state=state,
        evidence="ticket 4711",
        by="Ada",
        at=house.clock(),
        cause="resolve-1",
    )


@pytest.mark.parametrize("raised", [compared, resolved, resolved_unasked], ids=lambda one: one.__name__)
async def test_money_that_an_operator_finds_off_a_cart_that_is_paid_otherwise_goes_back(house, raised):
    begun = house.clock()
    cart = await house.cart()
    await house.deliver(house.pay(cart, attempt_key="key-1"), work=unheard(house))
    (first,) = house.payments()
    await changed(house, cart, off(first))
    await house.deliver(house.pay(cart, attempt_key="key-2"))
    await raised(house, await house.payment(first.id), begun)
    assert (await house.payment(first.id)).authorization.state is State.SUCCESS
    await house.pump()
    assert len(held(house)) == 1
    assert (await house.payment(first.id)).authorization.superseded


@pytest.mark.parametrize("heard_by", ["its own message", "a webhook"])
async def test_money_for_a_cart_that_was_deleted_is_told_to_a_person(house, heard_by):
    cart = await house.cart()
    command = house.pay(cart)
    await house.deliver(command, work=unheard(house))
    current = await house.client.get(f"/carts/{cart}")
    await house.client.delete(f"/carts/{cart}", params={"version": str(current["version"])})
    with capture_logs() as lines:
        if heard_by == "a webhook":
            await told(house)
        await house.deliver(command)
    assert house.standing(command).outcome is Outcome.APPROVED
    assert [one["log_level"] for one in lines if one["event"] == "late_success.on_no_cart"] == ["error"]


async def test_a_click_on_what_was_paid_and_taken_off_puts_it_back(house):
    cart = await house.cart()
    await house.deliver(house.pay(cart))
    (payment,) = house.payments()
    await changed(house, cart, off(payment))
    house.clock.pass_(minutes=1)
    again = house.pay(cart)
    await house.deliver(again)
    assert house.standing(again).outcome is Outcome.APPROVED
    document = await house.client.get(f"/carts/{cart}")
    assert [one["id"] for one in document["paymentInfo"]["payments"]] == [payment.id]
    assert len(held(house)) == 1


async def test_a_late_success_that_bears_no_mark_is_seen_by_whoever_pays_at_that_moment(house):
    """Other software has put its type in the place of ours: no pass would find it."""
    cart = await house.cart()
    await house.deliver(house.pay(cart, "tok_declined"))
    (first,) = house.payments()
    bare = {"action": "setTransactionCustomType", "transactionId": first.authorization.id}
    await house.client.post(f"/payments/{first.id}", {"version": first.version, "actions": [bare]})
    await house.control(f"/payments/{first.interface_id}/settle")
    late = house.events()

    async def told_now():
        for event in late:
            await house.deliver(event)

    house.fault(PASS, Fault(action=told_now))
    house.clock.pass_(minutes=1)
    second = house.pay(cart, attempt_key="key-2")
    await house.deliver(second)
    await house.pump()
    assert house.standing(second).outcome is Outcome.APPROVED
    assert (await house.payment(first.id)).interaction(InteractionKind.SUPERSEDED, cause=second.command_id)
    assert len(held(house)) == 1


async def test_an_attempt_that_a_merchant_calls_pending_is_weighed_before_it_is_put_on_its_cart_and_asked_for(house):
    """By hand, between its making and its way to the cart, which has become cheaper meanwhile."""
    cart = await house.cart()
    command = house.pay(cart)

    async def meanwhile():
        await changed(house, cart, await costs(house, cart, 2000))
        (payment,) = house.payments()
        state = {"transactionId": payment.authorization.id, "state": "Pending"}
        await hand(house, payment, action="changeTransactionState", **state)

    house.fault(PASS, PASS, Fault(action=meanwhile))
    assert (await house.deliver(command)).verdict is Verdict.AGAIN
    house.clock.pass_(minutes=26)
    await house.deliver(command)
    assert house.standing(command).reason.code == "expired"
    assert held(house) == []


@pytest.mark.parametrize("left", ["nothing", "everything"])
async def test_what_the_bank_has_not_decided_is_weighed_when_its_message_comes_again_off_its_cart(house, left):
    cart = await house.cart()
    command = house.pay(cart, "tok_pending", attempt_key="key-1")
    await house.deliver(command)
    (first,) = house.payments()
    await changed(house, cart, off(first))
    if left == "nothing":
        await house.deliver(house.pay(cart, attempt_key="key-2"))
    await house.deliver(command)
    await house.pump()
    on_cart = [one["id"] for one in (await house.client.get(f"/carts/{cart}"))["paymentInfo"]["payments"]]
    if left == "nothing":
        assert house.standing(command).reason.code == "superseded"
        assert first.id not in on_cart
    else:
        assert house.standing(command).outcome is Outcome.PENDING
        assert on_cart == [first.id]
        await house.control(f"/payments/{first.interface_id}/settle")
    await told(house)
    assert len(held(house)) == 1


# What succeeds while it is on no cart is weighed, whatever happens between the write and the weighing.


async def pending_off_a_paid_cart(house):
    """An attempt that the bank has just approved; it was taken off its cart, which another has paid for."""
    cart = await house.cart()
    await house.deliver(house.pay(cart, "tok_pending", attempt_key="key-1"))
    (first,) = house.payments()
    await changed(house, cart, off(first))
    await house.deliver(house.pay(cart, attempt_key="key-2"))
    await house.control(f"/payments/{first.interface_id}/settle")
    return first


async def by_webhook(house, _payment, _begun):
    for event in house.events():
        await house.deliver(event)


async def by_pass(house, _payment, _begun):
    await passes(house, 1)


async def by_comparison(house, _payment, begun):
    house.clock.pass_(minutes=26)
    job = Job(cause="reconcile-1", since=begun, until=house.clock(), rested=timedelta(minutes=5), repair=Repair.EVIDENT)
    async for _ in compare(house.work, job, Place()):
        pass


async def by_resolve(house, payment, _begun):
    await resolve(house.work, payment.id, word(house, payment, State.SUCCESS))


async def by_a_persons_word(house, payment, _begun):
    house.clock.pass_(minutes=26)
    await resolve(with_psp(house, lookup=nothing), payment.id, word(house, payment, State.SUCCESS))


@pytest.mark.parametrize(
    "heard", [by_webhook, by_pass, by_comparison, by_resolve, by_a_persons_word], ids=lambda one: one.__name__
)
async def test_money_off_a_paid_cart_goes_back_although_no_cart_could_be_read_when_it_came(house, heard):
    begun = house.clock()
    first = await pending_off_a_paid_cart(house)
    back = without_carts(house)
    with suppress(UnavailableError):
        await heard(house, first, begun)
    back()
    with suppress(UnavailableError):
        await heard(house, await house.payment(first.id), begun)
    await told(house)
    await passes(house)
    assert (await house.payment(first.id)).authorization.superseded
    assert len(held(house)) == 1


@pytest.mark.parametrize(
    "heard", [by_webhook, by_pass, by_comparison, by_resolve, by_a_persons_word], ids=lambda one: one.__name__
)
async def test_money_off_a_paid_cart_goes_back_although_whoever_wrote_it_down_died_then(house, heard):
    """The write that raises it is the last that gets through: a pass weighs it, by the mark that the write has left."""
    begun = house.clock()
    first = await pending_off_a_paid_cart(house)
    post = house.client.post

    async def last(path, body):
        if (await house.payment(first.id)).authorization.state is State.SUCCESS:
            raise UnavailableError("dead by now")
        return await post(path, body)

    house.client.post = last
    with suppress(UnavailableError):
        await heard(house, first, begun)
    assert (await house.payment(first.id)).authorization.state is State.SUCCESS
    house.client.post = post
    await passes(house)
    assert (await house.payment(first.id)).authorization.superseded
    assert len(held(house)) == 1


@pytest.mark.parametrize("taken_off", ["before", "meanwhile"])
async def test_a_challenge_that_is_completed_off_a_paid_cart_is_given_up_and_its_money_goes_back(house, taken_off):
    cart = await house.cart()
    begun = house.pay(cart, "tok_3ds")
    await house.deliver(begun)
    (first,) = house.payments()
    result = (await house.control(f"/payments/{first.interface_id}/challenge", decision="approve"))["result"]

    async def otherwise():
        await changed(house, cart, off(first))
        house.clock.pass_(minutes=3)
        await house.deliver(house.pay(cart, request_hash="other", attempt_key="key-2"))

    async def slow(request):
        await otherwise()
        return await house.work.psp.complete(request)

    if taken_off == "before":
        await otherwise()
    back = house.come_back(begun, result)
    await house.deliver(back, work=with_psp(house, complete=slow) if taken_off == "meanwhile" else None)
    await house.pump()
    assert house.standing(back).reason.code == "superseded"
    assert len(held(house)) == 1


async def test_an_attempt_that_is_taken_off_while_a_slow_psp_is_asked_goes_back_if_the_cart_is_paid_meanwhile(house):
    cart = await house.cart()
    command = house.pay(cart, attempt_key="key-1")

    async def slow(request):
        answer = await house.work.psp.authorize(request)
        (first,) = house.payments()
        await changed(house, cart, off(first))
        await house.deliver(house.pay(cart, attempt_key="key-2"))
        house.clock.pass_(seconds=2)
        return answer

    await house.deliver(command, work=with_psp(house, authorize=slow))
    await house.pump()
    assert house.standing(command).reason.code == "superseded"
    assert len(held(house)) == 1


async def test_a_person_is_told_once_of_money_that_is_on_no_cart_and_on_the_payment_too(house):
    cart = await house.cart()
    await house.deliver(house.pay(cart, "tok_pending"))
    (payment,) = house.payments()
    await changed(house, cart, off(payment))
    await house.control(f"/payments/{payment.interface_id}/settle")
    with capture_logs() as lines:
        await told(house)
        await told(house)
        await passes(house)
    assert [one["payment_id"] for one in lines if one["event"] == "late_success.on_no_cart"] == [payment.id]
    entries = [one for one in (await house.payment(payment.id)).interactions if one.kind is InteractionKind.OFF_CART]
    assert [one.message for one in entries] == ["Put it on its cart, or cancel it."]
    assert len(held(house)) == 1


async def test_a_person_is_told_of_a_challenge_that_was_passed_for_a_cart_that_was_merged_into_another(house):
    """The shopper has logged in meanwhile, and pays on the cart of that account: nobody will order this one."""
    cart = await house.cart()
    begun = house.pay(cart, "tok_3ds")
    await house.deliver(begun)
    (payment,) = house.payments()
    shelf = house.core.state.shelves["cart"]
    shelf.put({**shelf.peek(cart), "cartState": "Merged"})
    result = (await house.control(f"/payments/{payment.interface_id}/challenge", decision="approve"))["result"]
    with capture_logs() as lines:
        await house.deliver(house.come_back(begun, result))
    assert [one["payment_id"] for one in lines if one["event"] == "late_success.on_no_cart"] == [payment.id]


async def test_money_that_was_left_for_a_person_goes_back_when_its_cart_is_paid_otherwise_after_all(house):
    cart = await house.cart()
    await house.deliver(house.pay(cart, "tok_pending", attempt_key="key-1"))
    (payment,) = house.payments()
    await changed(house, cart, off(payment))
    await house.control(f"/payments/{payment.interface_id}/settle")
    await told(house)
    await house.deliver(house.pay(cart, attempt_key="key-2"))
    await passes(house)
    assert (await house.payment(payment.id)).authorization.superseded
    assert len(held(house)) == 1


async def test_who_puts_money_back_onto_its_cart_keeps_it_although_the_cart_is_cheaper_by_then(house):
    """Nobody else has paid for it: there is nothing to give back."""
    cart = await house.cart()
    await house.deliver(house.pay(cart, "tok_pending"))
    (payment,) = house.payments()
    await changed(house, cart, off(payment))
    await house.control(f"/payments/{payment.interface_id}/settle")
    await told(house)
    back = {"action": "addPayment", "payment": {"typeId": "payment", "id": payment.id}}
    await changed(house, cart, back, await costs(house, cart, 4000))
    await passes(house)
    await house.deliver(house.ask(CapturePayment, payment.id, amount=eur(4000)))
    await passes(house)
    assert house.rows(await house.payment(payment.id)) == [
        ("Authorization", "Success", 4200),
        ("Charge", "Success", 4000),
    ]


async def test_nobody_is_told_of_money_off_its_cart_that_its_message_puts_back(house):
    cart = await house.cart()
    command = house.pay(cart, attempt_key="key-1")
    await house.deliver(command, work=unheard(house))
    (payment,) = house.payments()
    await changed(house, cart, off(payment), await costs(house, cart, 5000))
    house.clock.pass_(seconds=11)
    with capture_logs() as lines:
        await house.deliver(command)
    assert house.standing(command).outcome is Outcome.APPROVED
    assert [one for one in lines if one["event"] == "late_success.on_no_cart"] == []
    kinds = {one.kind for one in (await house.payment(payment.id)).interactions}
    assert InteractionKind.OFF_CART not in kinds


async def test_nobody_is_told_of_money_that_was_cancelled_before_it_was_weighed(house):
    cart = await house.cart()
    await house.deliver(house.pay(cart, "tok_pending"))
    (payment,) = house.payments()
    await changed(house, cart, off(payment))
    await house.control(f"/payments/{payment.interface_id}/settle")
    back = without_carts(house, after=1)
    with capture_logs() as lines:
        for event in house.events():
            await house.deliver(event)
        back()
        await house.deliver(house.ask(CancelPayment, payment.id))
        await told(house)
        await passes(house)
    assert (await house.payment(payment.id)).authorization.state is State.SUCCESS
    assert [one for one in lines if one["event"] == "late_success.on_no_cart"] == []


async def test_a_search_for_the_cart_that_is_behind_calls_no_person(house):
    cart = await house.cart()
    await house.deliver(house.pay(cart, "tok_pending"))
    (payment,) = house.payments()
    await house.control(f"/payments/{payment.interface_id}/settle")
    get = house.client.get

    async def behind(path, *, params=None):
        return {"results": []} if path == "/carts" else await get(path, params=params)

    house.client.get = behind
    with capture_logs() as lines:
        await told(house)
    assert (await house.payment(payment.id)).authorization.state is State.SUCCESS
    assert [one for one in lines if one["event"] == "late_success.on_no_cart"] == []


async def test_news_of_a_payment_is_written_although_another_on_its_cart_cannot_be_read(house):
    cart = await house.cart()
    await house.deliver(house.pay(cart, "tok_declined", attempt_key="key-1"))
    (neighbour,) = house.payments()
    await house.deliver(house.pay(cart, "tok_pending", attempt_key="key-2"))
    (payment,) = (one for one in house.payments() if one.id != neighbour.id)
    broken = {"transactionId": neighbour.authorization.id, "name": "ctpayAction", "value": "{"}
    await hand(house, neighbour, action="setTransactionCustomField", **broken)
    await house.control(f"/payments/{payment.interface_id}/settle")
    for event in house.events():
        assert (await house.deliver(event)).verdict in (Verdict.DONE, Verdict.DEAD)
    assert (await house.payment(payment.id)).authorization.state is State.SUCCESS
