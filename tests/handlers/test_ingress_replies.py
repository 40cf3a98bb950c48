"""The waiting room by itself, and the tables that must be complete."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bus.messages import CancelPayment, OperationResult, attributes, encode
from bus.port import Delivery, Verdict
from handlers.answers import intent_answer, payment_answer, return_outcome, status_answer
from handlers.replies import Replies
from psp.outcome import Outcome, Standing

APPROVED = Standing(outcome=Outcome.APPROVED, payment_reference="p-1")


@pytest.fixture
def result(dependencies):
    def make(command_id="c-1", reply_to="ingress-1", attribute=None, request_hash=None) -> Delivery:
        message = OperationResult(
            correlation_id="x",
            command_id=command_id,
            request_hash=request_hash,
            reply_to=reply_to,
            standing=APPROVED,
        )
        told = dict(attributes(message))
        if attribute is not None:
            told["reply_to"] = attribute
        return Delivery(
            message_id="1", data=encode(message), attributes=told, published_at=dependencies.clock(), attempt=1
        )

    return make


async def test_everybody_who_waits_for_a_command_gets_its_result_once(result):
    replies = Replies(instance="ingress-1")
    with replies.expect("c-1") as first, replies.expect("c-1") as second, replies.expect("c-2") as other:
        assert (await replies.handle(result())).verdict is Verdict.DONE
        assert await first.within(30) == await second.within(30) == APPROVED
        assert await other.within(0) is None
        repeated = await replies.handle(result())
        assert (repeated.verdict, repeated.reason) == (Verdict.IGNORED, "nobody waits for the result any more")


async def test_a_result_is_told_only_to_the_request_that_it_is_of(result):
    """Two requests under one idempotency key have one command id; the second must not hear of the first one's money."""
    replies = Replies(instance="ingress-1")
    with replies.expect("c-1", request_hash="a") as first, replies.expect("c-1", request_hash="b") as other:
        assert (await replies.handle(result(request_hash="a"))).verdict is Verdict.DONE
        assert await first.within(30) == APPROVED
        assert await other.within(0) is None


async def test_a_result_of_an_older_worker_which_tells_no_hash_reaches_all_of_its_command(result):
    replies = Replies(instance="ingress-1")
    with replies.expect("c-1", request_hash="a") as one:
        await replies.handle(result())
        assert await one.within(30) == APPROVED


async def test_a_result_of_a_newer_version_is_left_alone_and_shown_to_nobody(result):
    replies = Replies(instance="ingress-1")
    told = result()
    newer = json.dumps(json.loads(told.data) | {"version": 2, "novelty": {}}).encode()
    with replies.expect("c-1") as waiting:
        ending = await replies.handle(replace(told, data=newer))
        assert (ending.verdict, "version 2" in ending.reason) == (Verdict.IGNORED, True)
        assert await waiting.within(0) is None


async def test_one_who_leaves_does_not_take_the_others_place(result):
    replies = Replies(instance="ingress-1")
    with replies.expect("c-1") as staying:
        with replies.expect("c-1"):
            pass
        await replies.handle(result())
        assert await staying.within(30) == APPROVED


async def test_a_request_that_fails_leaves_the_room(result):
    replies = Replies(instance="ingress-1", waiting_max=1)
    with pytest.raises(RuntimeError), replies.expect("c-1"):
        raise RuntimeError
    assert (await replies.handle(result())).verdict is Verdict.IGNORED
    with replies.expect("c-1") as expectation:
        await replies.handle(result())
        assert await expectation.within(30) == APPROVED


async def test_in_a_full_room_nobody_waits_and_those_inside_are_served(result):
    replies = Replies(instance="ingress-1", waiting_max=1)
    with replies.expect("c-1") as inside, replies.expect("c-1") as outside:
        assert await outside.within(30) is None
        await replies.handle(result())
        assert await inside.within(30) == APPROVED


async def test_another_instances_result_is_left_alone_whatever_the_filter_let_through(result):
    replies = Replies(instance="ingress-1")
    with replies.expect("c-1") as expectation:
        # By the attribute, by the message, and by the message where the attribute is wrong.
        for foreign in (
            result(reply_to="ingress-2"),
            result(reply_to="ingress-2", attribute="ingress-1"),
            result(attribute="ingress-2"),
        ):
            assert (await replies.handle(foreign)).verdict is Verdict.IGNORED
        assert await expectation.within(0) is None


async def test_what_is_no_result_is_shown_to_a_person(dependencies):
    replies = Replies(instance="ingress-1")
    command = CancelPayment(correlation_id="x", command_id="c", accepted_at=dependencies.clock(), payment_id="p")
    for data in (b"{", encode(command)):
        delivery = Delivery(message_id="1", data=data, attributes={}, published_at=dependencies.clock(), attempt=1)
        ending = await replies.handle(delivery)
        assert ending.verdict is Verdict.DEAD
        assert ending.reason


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_an_answer_on_every_route(outcome):
    standing = Standing(outcome=outcome)
    paid = payment_answer(standing, operation="o", status_url="https://pay.example/payments/o")
    polled = status_answer(standing, operation="o")
    assert (paid.status, paid.body) == (polled.status, polled.body)
    modified = intent_answer(standing)
    # Checkout makes a 500 of its own from a reply that is neither an error nor an outcome.
    assert modified.status >= 400 or modified.body.document().get("outcome") in {"approved", "rejected", "received"}
    assert return_outcome(standing) in {"approved", "rejected", "action", "pending"}
