"""commercetools slow or away: what is accepted is done later, and accepting stays fast."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from support.audit import audit
from support.polling import eventually
from support.stack import LEASE_PATIENCE_S, PATIENCE_S, WORKERS

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(180),
    pytest.mark.parametrize("running", ["stand-in"], indirect=True),
]

HELD = ("Authorization", "Success", 4200)
EVERYTHING = 100_000


async def slow(stack):
    """Every call takes two seconds."""
    fault = {"kind": "delay", "on": "*", "delay_s": 2, "times": EVERYTHING}
    await stack.commercetools_control("POST", "/faults", fault)


async def refusing(stack):
    """Every call is answered 503."""
    fault = {"kind": "error_before", "on": "*", "status": 503, "times": EVERYTHING}
    await stack.commercetools_control("POST", "/faults", fault)


async def hanging(stack):
    """No call is answered."""
    os.kill(stack.children["commercetools stand-in"].pid, signal.SIGSTOP)


async def well_again(stack):
    os.kill(stack.children["commercetools stand-in"].pid, signal.SIGCONT)
    await stack.commercetools_control("DELETE", "/faults")


async def test_with_commercetools_slow_or_away_all_is_accepted_without_asking_it_and_done_later(stack):
    strikes = (slow, refusing, hanging)
    checkouts = [await stack.fill_cart() for _ in strikes]
    captured = [await stack.authorized() for _ in strikes]
    disputed = [await stack.authorized(captured=4200) for _ in strikes]
    psp_payments = [(await stack.payment(one))["interfaceId"] for one in disputed]
    # The ingress has met these shoppers; the merchant it knows from the captures.
    for checkout in checkouts:
        await stack.ask("GET", "/payments/not-begun-yet", session=checkout.session)
    await stack.webhooks_delivered()
    await stack.quiet()
    # So that every call to commercetools is the ingress's.
    await stack.stop(*WORKERS)
    replies = []
    for strike, *subjects in zip(strikes, checkouts, captured, psp_payments, strict=True):
        await stack.commercetools_control("DELETE", "/requests")
        await strike(stack)
        try:
            replies.append(await accepted_fast(stack, *subjects))
        finally:
            await well_again(stack)
        assert await stack.log() == []

    await refusing(stack)
    await stack.start(*WORKERS)
    await eventually(lambda: refused_somebody(stack), within_s=PATIENCE_S)
    await well_again(stack)
    payments = [
        await stack.until_paid(checkout, reply["operation"]) for checkout, reply in zip(checkouts, replies, strict=True)
    ]
    ends = {
        **{one: [HELD] for one in payments},
        **{one: [HELD, ("Charge", "Success", 1000)] for one in captured},
        **{one: [HELD, ("Charge", "Success", 4200), ("Chargeback", "Pending", 700)] for one in disputed},
    }
    await stack.until_rows(ends, within_s=LEASE_PATIENCE_S)
    documents = [await stack.payment(one) for one in ends]
    effects = [one for one in await stack.effects() if one["metadata"].get("payment_id") in ends]
    assert audit(documents, effects) == []


async def accepted_fast(stack, checkout, captured, psp_payment):
    """A webhook, a shopper's payment and a merchant's capture are accepted at once; the reply to the shopper."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    before = len(await stack.attempts("dispute.opened"))
    await stack.psp_control("POST", f"/payments/{psp_payment}/disputes", {"amount": 700})

    async def webhook_accepted():
        return (await stack.attempts("dispute.opened"))[before:] == [200]

    await eventually(webhook_accepted, within_s=PATIENCE_S)
    status, reply = await stack.pay(checkout, wait_s=0)
    assert status == 202
    assert reply["statusUrl"].endswith(reply["operation"])
    status, merchants = await stack.modify(captured, "capturePayment", 1000, wait_s=0)
    assert (status, merchants["outcome"]) == (200, "received")
    # Far more than it takes, and less than one slow answer of commercetools.
    assert loop.time() - begun < 2
    return reply


async def refused_somebody(stack):
    return any(one["status"] == 503 for one in await stack.log())
