"""What people call things, and what they set back: it hides nothing and makes nothing happen twice."""

from __future__ import annotations

from support.off_cart import eur, hand, passes, told
from support.psp_servers import SECRET_KEY

from bus.messages import CapturePayment, ReversePayment
from bus.port import Verdict
from psp.facts import Kind, State
from psp.outcome import Outcome


async def test_a_shopper_is_known_again_although_the_merchant_has_renamed_the_method(house):
    command = house.pay(await house.cart(), "tok_3ds")
    await house.deliver(command)
    (payment,) = house.payments()
    await hand(house, payment, action="setMethodInfoMethod", method="credit-card")
    result = (await house.control(f"/payments/{payment.interface_id}/challenge", decision="approve"))["result"]
    back = house.come_back(command, result)
    await house.deliver(back)
    assert house.standing(back).outcome is Outcome.APPROVED
    stranger = house.come_back(command, result, owner="somebody-else")
    await house.deliver(stranger, attempt=5)
    assert house.standing(stranger).outcome is Outcome.NOT_FOUND


async def test_a_second_click_is_joined_although_the_merchant_has_changed_the_planned_amount(house):
    cart = await house.cart()
    first, second = house.pay(cart), house.pay(cart)
    await house.deliver(first)
    (payment,) = house.payments()
    money = {"centAmount": 4300, "currencyCode": "EUR"}
    await hand(house, payment, action="changeAmountPlanned", amount=money)
    await house.deliver(second)
    assert house.standing(second) == house.standing(first)


async def test_what_was_captured_at_the_dashboard_is_there_once_whatever_a_merchant_calls_it(house):
    payment = await house.authorized()
    body = {"amount": 1000, "currency": "EUR", "merchant_reference": "by hand", "metadata": {}}
    headers = {"Authorization": f"Bearer {SECRET_KEY}", "Idempotency-Key": "by hand"}
    url = f"{house.psp.url}/v1/payments/{payment.interface_id}/captures"
    async with house.http.post(url, json=body, headers=headers) as reply:
        assert reply.status == 201
    await told(house)
    (charge,) = (await house.payment(payment.id)).of_kind(Kind.CHARGE)
    renamed = {"transactionId": charge.id, "interactionId": "ERP-7"}
    await hand(house, payment, action="changeTransactionInteractionId", **renamed)
    await told(house)
    assert len((await house.payment(payment.id)).of_kind(Kind.CHARGE)) == 1


async def test_a_refused_transaction_that_a_merchant_sets_back_is_judged_anew(house):
    payment = await house.authorized()
    await house.deliver(await house.put(payment.id, "Refund", 1000), "commercetools")
    await house.pump()
    (refund,) = (await house.payment(payment.id)).of_kind(Kind.REFUND)
    assert refund.state is State.FAILURE
    await house.deliver(house.ask(CapturePayment, payment.id, amount=eur(4200)))
    back = {"transactionId": refund.id, "state": "Initial"}
    await hand(house, payment, action="changeTransactionState", **back)
    await passes(house)
    (refund,) = (await house.payment(payment.id)).of_kind(Kind.REFUND)
    assert refund.state is State.SUCCESS


async def test_a_reversal_that_finds_less_held_than_was_reckoned_does_not_say_that_all_is_undone(house):
    """Something was captured at the dashboard, and nobody has told us yet."""
    payment = await house.authorized()
    body = {"amount": 1000, "currency": "EUR", "merchant_reference": "by hand", "metadata": {}}
    headers = {"Authorization": f"Bearer {SECRET_KEY}", "Idempotency-Key": "by hand"}
    url = f"{house.psp.url}/v1/payments/{payment.interface_id}/captures"
    async with house.http.post(url, json=body, headers=headers) as reply:
        assert reply.status == 201
    first = house.ask(ReversePayment, payment.id)
    await house.deliver(first)
    assert (house.standing(first).outcome, house.standing(first).reason.code) == (
        Outcome.REJECTED,
        "released-otherwise",
    )
    await told(house)
    again = house.ask(ReversePayment, payment.id)
    assert (await house.deliver(again)).verdict is Verdict.DONE
    assert house.standing(again).outcome is Outcome.APPROVED
    assert ("Refund", "Success", 1000) in house.rows(await house.payment(payment.id))


async def test_a_challenge_that_a_merchant_sets_back_to_initial_is_completed_by_its_shopper(house):
    command = house.pay(await house.cart(), "tok_3ds")
    await house.deliver(command)
    (payment,) = house.payments()
    state = {"transactionId": payment.authorization.id, "state": "Initial"}
    await hand(house, payment, action="changeTransactionState", **state)
    result = (await house.control(f"/payments/{payment.interface_id}/challenge", decision="approve"))["result"]
    back = house.come_back(command, result)
    await house.deliver(back)
    assert house.standing(back).outcome is Outcome.APPROVED
