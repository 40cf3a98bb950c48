"""kill -9 of every process at its worst moment, over both Pub/Sub servers: nothing is lost and nothing is done twice.

Moments drawn by lot are in test_chaos.
"""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from support.audit import audit
from support.polling import eventually
from support.stack import LEASE_PATIENCE_S, PATIENCE_S, WORKERS

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

HELD = ("Authorization", "Success", 4200)
FOR_EVER_S = 600
#: Ends after the message has come back: the PSP is still at it then.
STILL_AT_IT_S = 12


def hold(on, kind="delay_reply", seconds=FOR_EVER_S):
    return {"kind": kind, "on": on, "delay_s": seconds}


def merchants_charge_without_its_body(stack, payment):
    """What commercetools delivers of a message that is too large, so that the worker has to read the Payment."""
    return json.dumps(
        {
            "notificationType": "Message",
            "projectKey": stack.environment["CTP_PROJECT_KEY"],
            "id": f"large-{payment}",
            "version": 1,
            "resource": {"typeId": "payment", "id": payment},
            "resourceVersion": 2,
            "payloadNotIncluded": {"reason": "The payload was too large.", "payloadType": "PaymentTransactionAdded"},
        }
    ).encode()


async def asked_commercetools(stack, method, payment):
    """Wait until a worker's request about a Payment is there and unanswered."""

    async def there():
        return any(
            one["status"] is None and one["method"] == method and one["path"].endswith(payment)
            for one in await stack.log()
        )

    await eventually(there, within_s=PATIENCE_S)


async def agree(stack, payments):
    """Nothing is wrong between commercetools and the PSP in these Payments."""
    documents = [await stack.payment(one) for one in payments]
    effects = [one for one in await stack.effects() if one["metadata"].get("payment_id") in payments]
    assert audit(documents, effects) == []


async def test_an_ingress_killed_with_requests_waiting_loses_nothing_that_it_or_the_psp_accepted(stack):
    polled, repeated = [await stack.fill_cart() for _ in range(2)]
    captured = await stack.authorized()
    early, late = [await stack.authorized(captured=4200) for _ in range(2)]
    await stack.webhooks_delivered()
    slow = {"kind": "delay", "on": f"POST /*/payments/{early}", "delay_s": 3}
    await stack.commercetools_control("POST", "/faults", slow)
    await dispute(stack, early, [200])
    await asked_commercetools(stack, "POST", early)

    slow = [hold("payments.create", seconds=2), hold("payments.create", seconds=2), hold("captures.create", seconds=2)]
    await stack.psp_control("PUT", "/faults", slow)
    status, accepted = await stack.pay(polled, wait_s=0)
    assert status == 202
    waiting = [
        asyncio.ensure_future(stack.pay(repeated, key="once", wait_s=30)),
        asyncio.ensure_future(stack.modify(captured, "capturePayment", 900, key="once", wait_s=30)),
    ]
    await stack.held_at_the_psp("/v1/payments", 2)
    await stack.held_at_the_psp("/captures")
    await stack.kill("ingress")
    for broken in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(broken, aiohttp.ClientError)
    await dispute(stack, late, [None])
    await stack.start("ingress")

    first = await stack.until_paid(polled, accepted["operation"])
    _, again = await stack.pay(repeated, key="once", wait_s=30)
    assert again["outcome"] == "approved"
    ends = {
        first: [HELD],
        again["paymentReference"]: [HELD],
        captured: [HELD, ("Charge", "Success", 900)],
        early: [HELD, ("Charge", "Success", 4200), ("Chargeback", "Pending", 700)],
        late: [HELD, ("Charge", "Success", 4200), ("Chargeback", "Pending", 700)],
    }
    await stack.until_rows(ends)
    await agree(stack, list(ends))


async def dispute(stack, payment, statuses):
    """The bank disputes; wait until the first tries to tell us were answered so."""
    before = len(await stack.attempts("dispute.opened"))
    psp_payment = (await stack.payment(payment))["interfaceId"]
    await stack.psp_control("POST", f"/payments/{psp_payment}/disputes", {"amount": 700})

    async def tried():
        return (await stack.attempts("dispute.opened"))[before:][: len(statuses)] == statuses

    await eventually(tried, within_s=PATIENCE_S)


async def test_every_worker_killed_with_a_call_under_way_ends_right_with_one_effect_each(stack):
    checkout = await stack.fill_cart()
    capture, slow_capture, cancel = [await stack.authorized() for _ in range(3)]
    refund, disputed, merchants = [await stack.authorized(captured=2000) for _ in range(3)]
    await stack.webhooks_delivered()
    await stack.quiet()

    # The webhook worker and the commercetools worker talk to commercetools alone.
    for method, payment in (("POST", disputed), ("GET", merchants)):
        on = f"{method} /*/payments/{payment}"
        await stack.commercetools_control("POST", "/faults", {"kind": "delay", "on": on, "delay_s": FOR_EVER_S})
    psp_payment = (await stack.payment(disputed))["interfaceId"]
    await stack.psp_control("POST", f"/payments/{psp_payment}/disputes", {"amount": 700})
    await asked_commercetools(stack, "POST", disputed)
    # From here on only the commands themselves can repair what the kill breaks.
    await stack.webhooks(on=False)
    slow = [hold("captures.create", "delay_before", STILL_AT_IT_S)]
    await stack.psp_control("PUT", "/faults", slow)
    await stack.modify(slow_capture, "capturePayment", 1100, wait_s=0)
    await stack.held_at_the_psp("/captures")
    await stack.psp_control(
        "PUT",
        "/faults",
        [hold("payments.create"), hold("captures.create"), hold("refunds.create"), hold("payments.cancel")],
    )
    status, accepted = await stack.pay(checkout, wait_s=0)
    assert status == 202
    await stack.modify(capture, "capturePayment", 1000, wait_s=0)
    await stack.modify(refund, "refundPayment", 500, wait_s=0)
    await stack.modify(cancel, "cancelPayment", wait_s=0)
    for path, count in (("/v1/payments", 1), ("/captures", 2), ("/refunds", 1), ("/cancel", 1)):
        await stack.held_at_the_psp(path, count)
    await stack.publish("commercetools", merchants_charge_without_its_body(stack, merchants))
    await asked_commercetools(stack, "GET", merchants)

    await stack.kill(*WORKERS)
    await stack.start(*WORKERS)
    await stack.put_transaction(merchants, "Charge", 300)

    paid = await stack.until_paid(checkout, accepted["operation"])
    ends = {
        paid: [HELD],
        capture: [HELD, ("Charge", "Success", 1000)],
        slow_capture: [HELD, ("Charge", "Success", 1100)],
        cancel: [HELD, ("CancelAuthorization", "Success", 4200)],
        refund: [HELD, ("Charge", "Success", 2000), ("Refund", "Success", 500)],
        disputed: [HELD, ("Charge", "Success", 2000), ("Chargeback", "Pending", 700)],
        merchants: [HELD, ("Charge", "Success", 2000), ("Charge", "Success", 300)],
    }
    await stack.until_rows(ends, within_s=LEASE_PATIENCE_S)
    await agree(stack, list(ends))
    # The PSP's own events say the same once more.
    await stack.webhooks(on=True)
    await stack.webhooks_delivered()
    await stack.quiet()
    await stack.until_rows(ends)
    await agree(stack, list(ends))
