"""The verdict on real processes: nothing is wrong where all went well, and each kind of wrong is found.

One calm run leaves everything behind; each test then changes one thing in what was seen or told.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
import re
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus

import pytest
import pytest_asyncio
from processes.crowd import (
    STORIES,
    TOTAL,
    Purchase,
    asked_too_much,
    captured_and_refunded,
    challenged,
    decided_later,
    disputed,
    paid_otherwise_meanwhile,
    reversed_,
)
from processes.journal import read
from processes.record import gather
from processes.servers import stack_over
from processes.verdict import everything_wrong
from processes.watch import watching
from simulation.logs import Fate, Happening
from support.stack import CONNECTOR

pytestmark = pytest.mark.timeout(120)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calm():
    async with stack_over("stand-in", (*CONNECTOR, "methods", "dead-letters"), watch=watching) as stack:
        since = len(stack.lines)
        stack.watch.journal.begin()
        purchases = [Purchase(stack=stack, name=story.__name__) for story in STORIES]
        await asyncio.gather(*map(Purchase.live, purchases, STORIES))
        await stack.calm()
        return await gather(stack, purchases, since=since)


@pytest.fixture
def left(calm):
    """Everything that one calm run has left behind, to be changed."""
    return copy.deepcopy(calm)


def wrong(left):
    """The names of what is wrong, and of the processes that said so."""
    return {re.sub(r"\.life-\d+", "", one).partition(":")[0] for one in everything_wrong(left)}


@pytest.mark.asyncio(loop_scope="module")
async def test_where_nothing_is_wrong_nothing_is_said(left):
    assert everything_wrong(left) == []


def payments_of(left, story):
    """The Payments of a story, the oldest first: all versions of each."""
    cart = next(versions[-1] for versions in left.carts if versions[-1]["customerId"] == story.__name__)
    names = [one["id"] for one in cart["paymentInfo"]["payments"]]
    return [next(versions for versions in left.payments if versions[0]["id"] == name) for name in names]


def captured(left):
    """All versions of the Payment of which 2,000 were captured, and 700 refunded."""
    return payments_of(left, captured_and_refunded)[0]


def asked_money(left, path):
    """The first request to the PSP with this end about that Payment."""
    name = captured(left)[0]["id"].encode()
    return next(one for one in left.journal.calls if one.path.endswith(path) and name in one.body)


def of_capture(left, happening):
    """The place in the log of the bus where this happened to the command that captured."""
    name = captured(left)[0]["id"].encode()
    (message,) = {one.message_id for one in left.journal.bus if one.topic == "capture" and name in one.data}
    found = (n for n, one in enumerate(left.journal.bus) if (one.message_id, one.happening) == (message, happening))
    return next(found)


def rewrite(left, kind, change):
    """Change the bodies of all messages of a type."""
    for place, one in enumerate(left.journal.bus):
        if one.attributes.get("type") == kind:
            body = read(one.data)
            change(body)
            left.journal.bus[place] = replace(one, data=json.dumps(body).encode())


def put_letter(left, **attributes):
    """A dead letter of the last message that was published; its entry."""
    found = next(one for one in reversed(left.journal.bus) if one.happening is Happening.PUBLISHED)
    letter = replace(found, n=found.n + 1, topic="dead-letters", message_id="letter-1", attributes=attributes)
    left.journal.bus.append(letter)
    return letter


def taken_twice(left):
    effect = next(one for one in left.effects if one["kind"] == "capture")
    left.effects.append({**effect, "id": "cap_again", "key": "another"})


def captured_beyond(left):
    next(one for one in left.effects if one["kind"] == "capture")["amount"] += 10_000


def refunded_beyond(left):
    next(one for one in left.effects if one["kind"] == "refund")["amount"] += 10_000


def captured_after_the_cancel(left):
    cancel = next(one for one in left.effects if one["kind"] == "cancel")
    left.effects.append({**cancel, "kind": "capture", "id": "cap_late", "key": "another"})


def a_timeout_taken_for_a_failure(left):
    call = next(one for one in left.journal.calls if one.status == HTTPStatus.PAYMENT_REQUIRED)
    call.reply, call.status, call.fate = b"", None, Fate.GONE
    left.journal.exchanges.clear()


def sent_days_later(left):
    asked_money(left, "/captures").at += timedelta(days=2)


def refused_for_nothing(left):
    def less(body):
        if body.get("amount", {}).get("amount", 0) > TOTAL:
            body["amount"]["amount"] = TOTAL

    rewrite(left, "CapturePayment", less)


def reversed_in_part(left):
    (versions,) = payments_of(left, reversed_)
    for one in (one for version in versions for one in version["transactions"] if one["type"] == "Charge"):
        one["amount"]["centAmount"] += 100


def commanded_by_nobody(left):
    place = of_capture(left, Happening.PUBLISHED)
    left.journal.bus[place] = replace(left.journal.bus[place], process="webhook.life-9")


def clicked_twice_and_paid_twice(left):
    clicks = [one for one in left.journal.exchanges if one.key is None and one.path == "/payments"]
    click = next(one for one in clicks if one.answer["outcome"] == "approved")
    place = left.journal.exchanges.index(click)
    another = {**click.answer, "paymentReference": payments_of(left, decided_later)[0][0]["id"]}
    left.journal.exchanges[place] = replace(click, answer=another)


def others_payment(left):
    for one in captured(left):
        one["paymentMethodInfo"]["paymentInterface"] = "gift-cards"


def waited_for_nothing(left):
    asked = next(
        one for one in left.journal.exchanges if "/payment-intents/" in one.path and one.answer["outcome"] == "approved"
    )
    place = left.journal.exchanges.index(asked)
    left.journal.bus = [one for one in left.journal.bus if one.topic != "results"]
    late = {"done_n": asked.done_n + 20_000_000_000, "done_at": asked.done_at + timedelta(seconds=20)}
    left.journal.exchanges[place] = replace(asked, answer={**asked.answer, "outcome": "received"}, **late)


def never_carried_out(left):
    (versions,) = payments_of(left, asked_too_much)
    reserved = next(
        n for n, one in enumerate(versions) if any(each["type"] == "Charge" for each in one["transactions"])
    )
    del versions[reserved + 1 :]


def a_dispute_not_written_down(left):
    (versions,) = payments_of(left, disputed)
    versions[:] = [one for one in versions if all(each["type"] != "Chargeback" for each in one["transactions"])]


def not_reconciled(left):
    forgotten_by_us(left)
    left.journal.calls[0].process = "reconcile.life-9"


def a_letter_without_a_reason(left):
    put_letter(left, ctpay_cause="outage")


def a_letter_taken_away(left):
    letter = put_letter(left, ctpay_cause="refused", ctpay_reason="no", ctpay_for="person")
    left.journal.bus.append(
        replace(letter, n=letter.n + 1, happening=Happening.ACKED, subscription="for-people", process="a person")
    )


def captured_although_given_up(left):
    versions = next(one for one in payments_of(left, paid_otherwise_meanwhile) if len(one[-1]["transactions"]) > 1)
    charge = copy.deepcopy(versions[-1]["transactions"][0])
    versions.append(copy.deepcopy(versions[-1]))
    versions[-1]["version"] += 1
    versions[-1]["transactions"].append({**charge, "id": "transaction-late", "type": "Charge", "state": "Initial"})


def never_told_the_psp(left):
    left.journal.calls = [one for one in left.journal.calls if not one.path.endswith("/complete")]
    (versions,) = payments_of(left, challenged)
    for one in versions:
        if one["transactions"][0]["state"] == "Success":
            one["lastModifiedAt"] = one["lastModifiedAt"].replace("20", "21", 1)


def given_up_by_a_second_click(left):
    hundredths = itertools.count(10)

    def together(body):
        body.update(attempt_key=None, accepted_at=f"2026-01-01T12:00:00.{next(hundredths)}0Z")

    rewrite(left, "AuthorizePayment", together)


def kept_for_another(left):
    call = next(one for one in left.journal.calls if b"store_for" in one.body)
    call.body = call.body.replace(b"kept_charged", b"not_charged")


def forgotten_after_it_was_gone(left):
    next(one for one in left.journal.calls if one.path.endswith("/forget")).performed_n += 10_000_000_000


def charged_to_another(left):
    for versions in left.carts:
        for one in versions:
            one["customerId"] = one["id"]


def turned_away(left):
    place = next(n for n, one in enumerate(left.journal.exchanges) if one.genuine is not None)
    left.journal.exchanges[place] = replace(left.journal.exchanges[place], status=401)


def asked_before_it_was_reserved(left):
    call = asked_money(left, "/captures")
    call.n -= 10_000_000_000


def told_by_nobody(left):
    call = asked_money(left, "/captures")
    call.reply, call.status, call.fate = b"", None, Fate.GONE
    left.journal.exchanges.clear()


def fallen(left):
    versions = captured(left)
    again = copy.deepcopy(versions[-1])
    again["version"] += 1
    next(one for one in again["transactions"] if one["type"] == "Charge")["state"] = "Pending"
    versions.append(again)


def written_down_twice(left):
    versions = captured(left)
    charge = next(one for one in versions[-1]["transactions"] if one["type"] == "Charge")
    versions[-1]["transactions"].append({**charge, "id": "transaction-again"})


def promised_before_it_was_published(left):
    place = of_capture(left, Happening.CONFIRMED)
    left.journal.bus[place] = replace(left.journal.bus[place], n=left.journal.bus[-1].n + 1)


def let_go_before_it_was_written(left):
    published, acked = (of_capture(left, one) for one in (Happening.DELIVERED, Happening.ACKED))
    left.journal.bus[acked] = replace(left.journal.bus[acked], n=left.journal.bus[published].n + 1)


def another_key(left):
    call = asked_money(left, "/captures")
    again = copy.copy(call)
    again.key = "another-key"
    left.journal.calls.append(again)


def another_amount(left):
    call = asked_money(left, "/captures")
    call.body = call.body.replace(b"2000", b"2001")


def never_ended(left):
    gone = of_capture(left, Happening.ACKED)
    del left.journal.bus[gone]


def answered_too_early(left):
    said = next(one for one in left.journal.exchanges if (one.answer or {}).get("outcome") == "approved")
    place = left.journal.exchanges.index(said)
    left.journal.exchanges[place] = replace(said, n=said.n - 10_000_000_000, done_n=said.n - 9_000_000_000)


def forgotten_by_us(left):
    del captured(left)[-1]


def made_up(left):
    next(one for one in left.psp_payments.values() if one["captures"])["captures"].clear()


def too_dear(left):
    for versions in left.carts:
        for one in versions:
            one["totalPrice"]["centAmount"] = 4100


def asked_before_it_was_on_its_cart(left):
    left.carts[0][1:] = []


def no_line_of_it(left):
    name = left.journal.bus[of_capture(left, Happening.ACKED)].message_id
    left.lines = [one for one in left.lines if one.get("message_id") != name]


def kept_for_ever(left):
    left.journal.calls = [one for one in left.journal.calls if not one.path.endswith("/forget")]


def buried(left):
    line = next(one for one in left.lines if (one["event"], one.get("topic")) == ("message.done", "capture"))
    left.lines.append({**line, "event": "message.dead"})


def told_to_all(left):
    left.lines.append({**left.lines[0], "reason": f"it is {next(iter(left.secrets))}"})


def printed(left):
    left.strays.append("capture: Traceback (most recent call last)")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (taken_twice, "S1"),
        (captured_beyond, "S2"),
        (refunded_beyond, "S3"),
        (asked_before_it_was_reserved, "S4"),
        (told_by_nobody, "S5"),
        (fallen, "S6"),
        (written_down_twice, "S7"),
        (a_timeout_taken_for_a_failure, "S8"),
        (captured_after_the_cancel, "S9"),
        (promised_before_it_was_published, "S10"),
        (let_go_before_it_was_written, "S11"),
        (another_key, "S12"),
        (sent_days_later, "S13"),
        (another_amount, "S14"),
        (never_ended, "S15"),
        (answered_too_early, "S16"),
        (refused_for_nothing, "S17"),
        (reversed_in_part, "S18"),
        (commanded_by_nobody, "S19"),
        (clicked_twice_and_paid_twice, "S20"),
        (waited_for_nothing, "S21"),
        (others_payment, "S22"),
        (forgotten_by_us, "L1"),
        (made_up, "L1"),
        (never_carried_out, "L2"),
        (a_dispute_not_written_down, "L3"),
        (a_letter_without_a_reason, "L4"),
        (not_reconciled, "L5"),
        (a_letter_taken_away, "L6"),
        (too_dear, "M1"),
        (asked_before_it_was_on_its_cart, "M2"),
        (captured_although_given_up, "M3"),
        (never_told_the_psp, "M4"),
        (given_up_by_a_second_click, "M5"),
        (no_line_of_it, "A1"),
        (kept_for_another, "P1"),
        (kept_for_ever, "P2"),
        (forgotten_after_it_was_gone, "P3"),
        (charged_to_another, "P4"),
        (turned_away, "X2"),
        (told_to_all, "X3"),
        (buried, "capture said"),
        (printed, "no log line"),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_each_kind_of_wrong_is_found(left, change, found):
    change(left)
    assert found in wrong(left)
