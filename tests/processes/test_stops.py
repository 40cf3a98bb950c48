"""SIGTERM for everything at once, under load: what is in hand is finished, what is finished never comes again."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter

import pytest
from support.audit import audit
from support.polling import eventually
from support.stack import BESIDE, CONNECTOR, LEASE_PATIENCE_S, PATIENCE_S, WORKERS

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
#: Dead letters, one after the other: the signal comes when the first has ended.
LETTERS = 60
#: Seconds for which a Payment must have rested. The lost ones have; what others are at has not.
RESTED_S = 3


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


async def test_gap_5_what_works_beside_the_payments_told_to_stop_under_load_finishes_what_it_holds_and_nothing_twice(
    stack,
):
    """A deletion of each hand, letters, and a pass of reconciliation are under way when the signal comes."""
    await stack.start("methods", IN_FLIGHT_MAX=str(HANDS))
    lost = [await lost_authorization(stack, number) for number in range(EACH)]
    rested_at = asyncio.get_running_loop().time() + RESTED_S
    customers = [await stored(stack, f"stopped-{number}") for number in range(EACH)]
    keepers = [await stack.fill_cart(customerId=f"keeper-{number}") for number in range(EACH)]
    await stack.webhooks_delivered()
    await stack.quiet()
    await eventually(lambda: is_past(rested_at), within_s=PATIENCE_S)
    start, asked = len(stack.lines), len(await stack.psp_requests())
    await stack.psp_control("PUT", "/faults", [{"kind": "delay_reply", "on": "*", "delay_s": 1, "times": EVERYTHING}])
    for payment in lost:
        slow = {"kind": "delay", "on": f"POST /*/payments/{payment}", "delay_s": 2, "times": EVERYTHING}
        await stack.commercetools_control("POST", "/faults", slow)

    await stack.start("dead-letters", IN_FLIGHT_MAX=str(HANDS))
    await stack.start("reconcile", RECONCILE_EVERY_S="0.2", RECONCILE_RESTED_S=str(RESTED_S))
    storing = [asyncio.ensure_future(pay_and_keep(stack, one)) for one in keepers]
    deleting = [
        asyncio.ensure_future(stack.ask("DELETE", f"/stored-payment-methods/{method}", session=session, wait_s=30))
        for method, session in customers
    ]
    await stack.held_at_the_psp("/forget", HANDS)
    await eventually(lambda: is_being_written(stack, lost), within_s=PATIENCE_S)
    throwing_in = asyncio.ensure_future(throw_in_letters(stack))
    await eventually(lambda: are_finished(stack, start, {"dead-letters": 1}), within_s=PATIENCE_S)

    begun = asyncio.get_running_loop().time()
    await stack.stop(*BESIDE)
    took_s = asyncio.get_running_loop().time() - begun
    assert took_s < float(stack.environment["DRAIN_S"]) + CLOSING_S
    await throwing_in
    before_the_stop = Counter(one["topic"] for one in done(stack, start))
    assert before_the_stop["methods"] >= HANDS
    assert 0 < before_the_stop["dead-letters"] < 2 * LETTERS
    (halted,) = [one for one in stack.lines[start:] if one["event"] == "reconcile.pass" and one["reason"]]
    closed = halted["closed"]
    assert halted["reason"] == "told to stop"
    assert 1 <= closed < EACH
    assert Counter([(await stack.rows(one))[0][1] for one in lost]) == {"Failure": closed, "Pending": EACH - closed}

    await stack.commercetools_control("DELETE", "/faults")
    await stack.psp_control("PUT", "/faults", [])
    await stack.start(*BESIDE, RECONCILE_EVERY_S="0.2", RECONCILE_RESTED_S=str(RESTED_S))
    await stack.until_rows({one: [("Authorization", "Failure", 4200)] for one in lost})
    for method, _ in customers:
        await stack.until_deleted(method)
    assert {status for status, _ in await asyncio.gather(*deleting)} <= {200, 202}
    assert {status for status, _ in await asyncio.gather(*storing)} == {200}
    # Each letter is handed over, and what is for a person then is let lie.
    await eventually(lambda: are_finished(stack, start, {"dead-letters": 2 * LETTERS}), within_s=LEASE_PATIENCE_S)
    await eventually(lambda: are_finished(stack, start, {"methods": 2 * EACH}), within_s=LEASE_PATIENCE_S)
    await stack.stop(*BESIDE)
    finished = Counter((one["topic"], one["message_id"]) for one in done(stack, start))
    assert {name: count for name, count in finished.items() if count > 1} == {}
    forgotten = [one for one in (await stack.psp_requests())[asked:] if one["path"].endswith("/forget")]
    assert len(forgotten) == EACH
    assert [await closings(stack, one) for one in lost] == [1] * EACH


async def lost_authorization(stack, number):
    """A Payment with an authorization that was reserved long ago, and that the PSP has never heard of; its id."""
    fields = {"ctpayCommandId": f"lost-before-the-stop-{number}", "ctpaySendBy": "2026-01-01T00:00:00.000Z"}
    money = {"centAmount": 4200, "currencyCode": "EUR"}
    custom = {"type": {"typeId": "type", "key": "ctpay-transaction"}, "fields": fields}
    draft = {
        "amountPlanned": money,
        "paymentMethodInfo": {"paymentInterface": "ctpay-sandbox"},
        "transactions": [{"type": "Authorization", "amount": money, "state": "Pending", "custom": custom}],
    }
    status, made = await stack._ask_commercetools("POST", "/payments", draft)
    assert status == 201, made
    return made["id"]


async def pay_and_keep(stack, checkout):
    """A customer pays and has the card stored."""
    method = {"type": "card", "token": "tok_approved", "storePaymentMethod": True}
    return await stack.ask("POST", "/payments", {"paymentMethod": method}, session=checkout.session, wait_s=30)


async def stored(stack, customer):
    """A method that is on the customer's list, and a session of theirs."""
    checkout, found = await stack.fill_cart(customerId=customer), []
    status, reply = await pay_and_keep(stack, checkout)
    assert (status, reply["outcome"]) == (200, "approved")

    async def listed():
        _, reply = await stack.ask("GET", "/stored-payment-methods", session=checkout.session)
        found[:] = reply["storedPaymentMethods"]
        return bool(found)

    await eventually(listed, within_s=PATIENCE_S)
    return found[0]["id"], checkout.session


async def throw_in_letters(stack):
    """What is no letter of anybody's, on the topic of the dead letters."""
    for number in range(LETTERS):
        await stack.publish("dead-letters", b"nobody's %d" % number)


async def is_past(moment):
    return asyncio.get_running_loop().time() > moment


async def is_being_written(stack, payments):
    """Whether somebody writes to one of them, and has no answer yet."""
    return any(
        one["status"] is None and one["method"] == "POST" and one["path"].endswith(tuple(payments))
        for one in await stack.log()
    )


async def are_finished(stack, since, counts):
    """Whether so many messages of each topic have ended for good."""
    return all(
        len({one["message_id"] for one in done(stack, since) if one["topic"] == topic}) >= count
        for topic, count in counts.items()
    )


async def closings(stack, payment):
    """How often a Payment's authorization has become a failure."""
    states = [one["transactions"][0]["state"] for one in await stack.history(payment)]
    return sum(one != "Failure" and then == "Failure" for one, then in itertools.pairwise(states))


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
