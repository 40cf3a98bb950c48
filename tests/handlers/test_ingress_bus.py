"""The ingress and a worker of one line, joined by the bus alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bus.memory import MemoryBus, Mishap
from bus.messages import AuthorizePayment, OperationResult, attributes, decode, encode
from bus.port import DONE, Delivery, Ending
from bus.topics import Topic
from handlers.dependencies import Limits
from handlers.replies import Replies
from psp.outcome import Outcome, Standing

PATIENT = Limits(payments_wait_s=30, intents_wait_s=30)


@pytest.fixture
async def bus(dependencies):
    """A bus with a worker on it that approves every authorization."""
    bus = MemoryBus(clock=dependencies.clock)

    async def approve(delivery: Delivery) -> Ending:
        command = decode(delivery.data)
        assert isinstance(command, AuthorizePayment)
        standing = Standing(outcome=Outcome.APPROVED, payment_reference=f"payment for {command.command_id}")
        result = OperationResult(
            correlation_id=command.correlation_id,
            command_id=command.command_id,
            reply_to=command.reply_to,
            standing=standing,
        )
        await bus.publish(Topic.RESULTS, encode(result), attributes(result))
        return DONE

    consumption = await bus.consume(Topic.AUTHORIZE, approve)
    yield bus
    await consumption.drain()


async def test_every_instance_gets_its_results_over_the_bus(serve, bus):
    for instance in ("ingress-1", "ingress-2"):
        replies = Replies(instance=instance)
        results = await bus.consume_replies(instance, replies.handle)
        ingress = await serve(publisher=bus, instance=instance, replies=replies, limits=PATIENT)
        response, body = await ingress.pay()
        assert (response.status, body["paymentReference"]) == (200, f"payment for {body['operation']}")
        await results.drain()


async def test_a_confirmation_that_got_lost_is_a_503_and_the_same_key_gets_the_same_payment(serve, bus):
    replies = Replies(instance="ingress-1")
    results = await bus.consume_replies("ingress-1", replies.handle)
    ingress = await serve(publisher=bus, replies=replies, limits=PATIENT)
    lost = iter([Mishap.REPLY_LOST])
    bus.mishaps = lambda topic, _attributes: next(lost, None) if topic is Topic.AUTHORIZE else None
    key = {"Idempotency-Key": "key-1"}
    first, _ = await ingress.pay(headers=key)
    assert first.status == 503
    second, body = await ingress.pay(headers=key)
    assert second.status == 200
    assert body["paymentReference"] == f"payment for {body['operation']}"
    await results.drain()


async def test_a_command_survives_that_nobody_takes_it_for_now(serve, dependencies):
    bus = MemoryBus(clock=dependencies.clock)
    ingress = await serve(publisher=bus, limits=replace(PATIENT, payments_wait_s=0))
    response, body = await ingress.pay()
    assert response.status == 202
    taken = []

    async def take(delivery: Delivery) -> Ending:
        taken.append(decode(delivery.data).command_id)
        return DONE

    consumption = await bus.consume(Topic.AUTHORIZE, take)
    await consumption.drain()
    assert taken == [body["operation"]]
