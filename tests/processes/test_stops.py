"""SIGTERM for everything at once, under load: what is in hand is finished, what is finished never comes again."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from support.audit import audit
from support.polling import eventually
from support.stack import CONNECTOR, LEASE_PATIENCE_S, PATIENCE_S, WORKERS

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(300),
    pytest.mark.parametrize("running", ["stand-in"], indirect=True),
]

HELD = ("Authorization", "Success", 4200)
EVERYTHING = 100_000
#: Of each kind of work; more than a worker has hands, so that some messages wait in it.
EACH, HANDS = 6, 3
#: A process may take as long as it is given to finish (DRAIN_S), and this to close; then the system ends it.
CLOSING_S = 5


async def test_gap_5_everything_told_to_stop_under_load_finishes_what_it_holds_and_nothing_twice(stack):
    checkouts = [await stack.fill_cart() for _ in range(EACH)]
    captured, cancelled, charged = [[await stack.authorized() for _ in range(EACH)] for _ in range(3)]
    refunded, disputed = [[await stack.authorized(captured=4200) for _ in range(EACH)] for _ in range(2)]
    psp_payments = [(await stack.payment(one))["interfaceId"] for one in disputed]
    await stack.webhooks_delivered()
    await stack.quiet()
    # Only the messages of this test from here on: the PSP's own events come at the end.
    await stack.webhooks(on=False)
    await stack.stop(*WORKERS)
    await stack.start(*WORKERS, IN_FLIGHT_MAX=str(HANDS))
    start, asked = len(stack.lines), len(await stack.psp_requests())
    await stack.psp_control("PUT", "/faults", [{"kind": "delay_reply", "on": "*", "delay_s": 1, "times": EVERYTHING}])
    slow = {"kind": "delay", "on": "POST /*/payments/*", "delay_s": 0.3, "times": EVERYTHING}
    await stack.commercetools_control("POST", "/faults", slow)

    for payment in charged:
        await stack.put_transaction(payment, "Charge", 1500)
    for one in psp_payments:
        await stack.psp_control("POST", f"/payments/{one}/disputes", {"amount": 700})
    waiting = [
        *(stack.pay(one, wait_s=30) for one in checkouts),
        *(stack.modify(one, "capturePayment", 1000, wait_s=30) for one in captured),
        *(stack.modify(one, "cancelPayment", wait_s=30) for one in cancelled),
        *(stack.modify(one, "refundPayment", 900, wait_s=30) for one in refunded),
    ]
    waiting = [asyncio.ensure_future(one) for one in waiting]
    await stack.webhooks(on=True)
    await stack.held_at_the_psp("", 2 * HANDS)

    begun = asyncio.get_running_loop().time()
    await stack.stop(*CONNECTOR)
    took_s = asyncio.get_running_loop().time() - begun
    assert took_s < float(stack.environment["DRAIN_S"]) + CLOSING_S
    # Nobody's connection breaks: who still waits is told to ask later.
    replies = await asyncio.gather(*waiting)
    assert {status for status, _ in replies} <= {200, 202}
    before_the_stop = [one for one in stack.finished_all(since=start) if one["event"] == "message.done"]
    assert len(before_the_stop) >= 2 * HANDS

    await stack.commercetools_control("DELETE", "/faults")
    await stack.psp_control("PUT", "/faults", [])
    await stack.start(*CONNECTOR)
    payments = [
        await stack.until_paid(checkout, reply["operation"])
        for checkout, (_, reply) in zip(checkouts, replies[:EACH], strict=True)
    ]
    ends = {
        **{one: [HELD] for one in payments},
        **{one: [HELD, ("Charge", "Success", 1000)] for one in captured},
        **{one: [HELD, ("CancelAuthorization", "Success", 4200)] for one in cancelled},
        **{one: [HELD, ("Charge", "Success", 1500)] for one in charged},
        **{one: [HELD, ("Charge", "Success", 4200), ("Refund", "Success", 900)] for one in refunded},
        **{one: [HELD, ("Charge", "Success", 4200), ("Chargeback", "Pending", 700)] for one in disputed},
    }
    await stack.until_rows(ends, within_s=LEASE_PATIENCE_S)
    await eventually(lambda: all_finished(stack, start), within_s=PATIENCE_S)
    # Twice is once for each process: what the first has finished never reaches the second.
    finished = Counter((one["topic"], one["message_id"]) for one in done(stack, start))
    assert {name: count for name, count in finished.items() if count > 1} == {}
    keys = Counter(one["key"] for one in (await stack.psp_requests())[asked:])
    assert {key: count for key, count in keys.items() if count > 1} == {}
    documents = [await stack.payment(one) for one in ends]
    effects = [one for one in await stack.effects() if one["metadata"].get("payment_id") in ends]
    assert audit(documents, effects) == []


def done(stack, since):
    """The lines of messages that ended for good."""
    return [one for one in stack.finished_all(since=since) if one["event"] in {"message.done", "message.ignored"}]


async def all_finished(stack, since):
    """Whether each of our own messages has ended: four commands and the merchant's one for each payment."""
    return len({one["message_id"] for one in done(stack, since) if one["topic"] in WORKERS[:4]}) >= 5 * EACH


async def test_gap_5_who_asks_just_after_the_signal_to_stop_is_answered_and_told_to_connect_elsewhere(stack):
    checkout = await stack.fill_cart()
    await stack.stop("ingress")
    await stack.start("ingress", DRAIN_S="20")
    since = len(stack.lines)
    stopping = asyncio.ensure_future(stack.stop("ingress"))
    await eventually(lambda: said(stack, "ingress.stopping", since), within_s=PATIENCE_S)

    async with stack.http.get(f"{stack.environment['PUBLIC_URL']}/health/ready") as ready:
        assert ready.status == 503
        assert ready.headers["Connection"] == "close"
    status, reply = await stack.pay(checkout, wait_s=30)

    assert status in {200, 202}
    await stopping
    await stack.start("ingress")
    await stack.until_paid(checkout, reply["operation"])


async def said(stack, event, since):
    return any(line.get("event") == event for line in stack.lines[since:])
