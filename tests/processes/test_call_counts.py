"""What a merchant pays for, counted over real HTTP by the commercetools stand-in: the calls of each operation."""

from __future__ import annotations

import pytest
from support.polling import eventually
from support.stack import PATIENCE_S

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(180),
    pytest.mark.parametrize("running", ["stand-in"], indirect=True),
]


async def calls(stack, work, topic):
    """The calls to commercetools that some work and its one message on a topic made."""
    await stack.commercetools_control("DELETE", "/requests")
    start = len(stack.lines)
    found = await work

    async def done():
        return bool(stack.finished(topic, since=start))

    await eventually(done, within_s=PATIENCE_S)
    await stack.quiet()
    return found, [f"{one['method']} {one['path'].split('/')[2]}" for one in await stack.requests()]


async def test_each_operation_costs_as_many_calls_as_promised_whatever_the_cart_has_already(stack):
    # Its own events would add calls of the webhook worker.
    await stack.webhooks(on=False)
    checkout = await stack.fill_cart()
    for number in range(3):
        _, declined = await stack.pay(checkout, "tok_declined", key=f"decline-{number}", wait_s=30)
        assert declined["outcome"] == "rejected"
    (_, reply), made = await calls(stack, stack.pay(checkout, wait_s=30), "authorize")
    assert reply["outcome"] == "approved"
    assert made == ["GET carts", "POST payments", "POST carts", "POST payments"]
    payment = reply["paymentReference"]

    _, made = await calls(stack, stack.modify(payment, "capturePayment", 2000, wait_s=30), "capture")
    assert made == ["GET payments", "POST payments", "POST payments"]
    _, made = await calls(stack, stack.modify(payment, "refundPayment", 500, wait_s=30), "refund")
    assert made == ["GET payments", "POST payments", "POST payments"]
    _, made = await calls(stack, stack.put_transaction(payment, "Charge", 1000), "capture")
    assert made == ["GET payments", "POST payments", "POST payments"]
    _, made = await calls(stack, stack.modify(payment, "cancelPayment", wait_s=30), "cancel")
    assert made == ["GET payments", "POST payments", "POST payments"]
    assert await stack.rows(payment) == [
        ("Authorization", "Success", 4200),
        ("CancelAuthorization", "Success", 1200),
        ("Charge", "Success", 1000),
        ("Charge", "Success", 2000),
        ("Refund", "Success", 500),
    ]


async def test_a_webhook_costs_two_calls_and_its_repetition_one(stack):
    payment = await stack.authorized(captured=4200)
    await stack.webhooks_delivered()
    await stack.quiet()
    psp_payment = (await stack.payment(payment))["interfaceId"]
    _, made = await calls(stack, stack.psp_control("POST", f"/payments/{psp_payment}/disputes", {}), "webhook")
    assert made == ["GET payments", "POST payments"]
    events = (await stack.psp_control("GET", "/events"))["data"]
    dispute = next(one["id"] for one in events if one["type"] == "dispute.opened")
    _, made = await calls(stack, stack.psp_control("POST", f"/events/{dispute}/resend"), "webhook")
    assert made == ["GET payments"]


async def test_a_status_poll_costs_one_call(stack):
    checkout = await stack.fill_cart()
    _, paid = await stack.pay(checkout, wait_s=30)
    await stack.webhooks_delivered()
    await stack.quiet()
    await stack.commercetools_control("DELETE", "/requests")
    status, told = await stack.ask("GET", f"/payments/{paid['operation']}", session=checkout.session)
    assert (status, told["outcome"]) == (200, "approved")
    assert len(await stack.requests()) == 1
