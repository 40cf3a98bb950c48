"""The verdict on real processes: nothing is wrong where all went well, and each kind of wrong is found.

One calm run leaves everything behind; each test then changes one thing in what was seen or told.
"""

from __future__ import annotations

import asyncio
import copy
import re
from dataclasses import replace

import pytest
import pytest_asyncio
from processes.crowd import (
    Purchase,
    cancelled,
    captured_and_refunded,
    charged_by_hand,
    declined_then_paid,
    kept_charged_and_deleted,
)
from processes.record import gather
from processes.servers import stack_over
from processes.verdict import everything_wrong
from processes.watch import watching
from simulation.logs import Fate, Happening, Peer
from support.stack import CONNECTOR

pytestmark = pytest.mark.timeout(120)

STORIES = (captured_and_refunded, cancelled, charged_by_hand, declined_then_paid, kept_charged_and_deleted)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calm():
    async with stack_over("stand-in", (*CONNECTOR, "methods", "dead-letters"), watch=watching) as stack:
        since = len(stack.lines)
        stack.watch.journal.begin()
        purchases = [Purchase(stack=stack, name=story.__name__) for story in STORIES]
        await asyncio.gather(*map(_act, STORIES, purchases))
        await stack.calm()
        everybody = [each for one in purchases for each in (one, *one.later)]
        return await gather(stack, everybody, since=since)


async def _act(story, purchase):
    await purchase.begin()
    await story(purchase)


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


def last_of(left, kind, state="Success"):
    """The versions of the Payment that has such a transaction, and that transaction in the last of them."""
    return next(
        (versions, one)
        for versions in left.payments
        for one in versions[-1]["transactions"]
        if (one["type"], one["state"]) == (kind, state)
    )


def asked_money(left, path):
    """The first request to the PSP with this end."""
    return next(one for one in left.journal.calls if one.peer is Peer.PSP and one.path.endswith(path))


def of_topic(left, topic, happening):
    """The place of the first such entry of the bus."""
    return next(n for n, one in enumerate(left.journal.bus) if one.topic == topic and one.happening is happening)


def taken_twice(left):
    effect = next(one for one in left.effects if one["kind"] == "capture")
    left.effects.append({**effect, "id": "cap_again", "key": "another"})


def asked_before_it_was_reserved(left):
    call = asked_money(left, "/captures")
    call.n -= 10_000_000_000


def told_by_nobody(left):
    call = asked_money(left, "/captures")
    call.reply, call.status, call.fate = b"", None, Fate.GONE
    left.journal.exchanges.clear()


def fallen(left):
    versions, _ = last_of(left, "Charge")
    again = copy.deepcopy(versions[-1])
    again["version"] += 1
    next(one for one in again["transactions"] if one["type"] == "Charge")["state"] = "Pending"
    versions.append(again)


def written_down_twice(left):
    versions, charge = last_of(left, "Charge")
    versions[-1]["transactions"].append({**charge, "id": "transaction-again"})


def promised_before_it_was_published(left):
    place = of_topic(left, "capture", Happening.CONFIRMED)
    left.journal.bus[place] = replace(left.journal.bus[place], n=left.journal.bus[-1].n + 1)


def let_go_before_it_was_written(left):
    published, acked = (of_topic(left, "capture", one) for one in (Happening.DELIVERED, Happening.ACKED))
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
    gone = of_topic(left, "capture", Happening.ACKED)
    del left.journal.bus[gone]


def answered_too_early(left):
    said = next(one for one in left.journal.exchanges if (one.answer or {}).get("outcome") == "approved")
    place = left.journal.exchanges.index(said)
    left.journal.exchanges[place] = replace(said, n=said.n - 10_000_000_000, done_n=said.n - 9_000_000_000)


def forgotten_by_us(left):
    versions, _ = last_of(left, "Refund")
    del versions[-1]


def made_up(left):
    next(one for one in left.psp_payments.values() if one["captures"])["captures"].clear()


def too_dear(left):
    for versions in left.carts:
        for one in versions:
            one["totalPrice"]["centAmount"] = 4100


def asked_before_it_was_on_its_cart(left):
    left.carts[0][1:] = []


def no_line_of_it(left):
    name = left.journal.bus[of_topic(left, "capture", Happening.ACKED)].message_id
    left.lines = [one for one in left.lines if one.get("message_id") != name]


def kept_for_ever(left):
    left.journal.calls = [one for one in left.journal.calls if not one.path.endswith("/forget")]


def buried(left):
    line = next(one for one in left.lines if (one["event"], one.get("topic")) == ("message.done", "capture"))
    left.lines.append({**line, "event": "message.dead"})


def told_to_all(left):
    left.lines.append({**left.lines[0], "reason": f"it is {next(iter(left.sessions))}"})


def printed(left):
    left.strays.append("capture: Traceback (most recent call last)")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (taken_twice, "S1"),
        (asked_before_it_was_reserved, "S4"),
        (told_by_nobody, "S5"),
        (fallen, "S6"),
        (written_down_twice, "S7"),
        (promised_before_it_was_published, "S10"),
        (let_go_before_it_was_written, "S11"),
        (another_key, "S12"),
        (another_amount, "S14"),
        (never_ended, "S15"),
        (answered_too_early, "S16"),
        (forgotten_by_us, "L1"),
        (made_up, "L1"),
        (too_dear, "M1"),
        (asked_before_it_was_on_its_cart, "M2"),
        (no_line_of_it, "A1"),
        (kept_for_ever, "P2"),
        (told_to_all, "X3"),
        (buried, "capture said"),
        (printed, "no log line"),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_each_kind_of_wrong_is_found(left, change, found):
    change(left)
    assert found in wrong(left)
