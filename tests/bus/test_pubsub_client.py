"""Promises of the Pub/Sub client alone: limits on waiting, and streams that die."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from google.cloud import pubsub_v1
from support.polling import eventually

from bus.port import DONE, PublishError
from bus.provision import Found, ensure
from bus.pubsub import PubsubPublisher, PubsubSubscriber
from bus.topics import Names, Topic


async def test_a_bus_that_is_down_is_an_error_within_the_limit_and_never_a_hang(monkeypatch):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:9")
    publisher = PubsubPublisher(names=Names(project="p"), confirm_within_s=0.3)
    async with asyncio.timeout(5):
        with pytest.raises(PublishError):
            await publisher.publish(Topic.CAPTURE, b"1", {})
        await publisher.close()


async def test_a_topic_that_is_missing_is_an_error_within_the_limit(monkeypatch, stand_in):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stand_in)
    publisher = PubsubPublisher(names=Names(project="p", prefix="nowhere"), confirm_within_s=2)
    with pytest.raises(PublishError):
        await publisher.publish(Topic.CAPTURE, b"1", {})
    await publisher.close()


async def test_a_message_too_large_is_an_error(monkeypatch, stand_in):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stand_in)
    names = Names(project="p", prefix="large")
    await asyncio.to_thread(ensure, names)
    publisher = PubsubPublisher(names=names, confirm_within_s=2)
    with pytest.raises(PublishError):
        await publisher.publish(Topic.CAPTURE, b"x" * 11_000_000, {})
    await publisher.close()


async def test_provisioning_twice_changes_nothing_and_says_what_differs(monkeypatch, stand_in):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stand_in)
    names = Names(project="p", prefix="twice")
    first = await asyncio.to_thread(ensure, names)
    second = await asyncio.to_thread(ensure, names)
    assert {one.found for one in first} == {Found.CREATED}
    assert {one.found for one in second} == {Found.UNCHANGED}
    with pubsub_v1.SubscriberClient() as client:
        path = names.subscription(Topic.REFUND)
        await asyncio.to_thread(client.delete_subscription, request={"subscription": path})
        other = {"name": path, "topic": names.topic(Topic.REFUND), "ack_deadline_seconds": 77}
        await asyncio.to_thread(client.create_subscription, request=other)
    third = {one.name: one.found for one in await asyncio.to_thread(ensure, names)}
    assert third[path] is Found.DIFFERS


async def test_a_subscription_that_vanishes_is_noticed_and_read_again_once_it_is_back(monkeypatch, stand_in):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stand_in)
    names = Names(project="p", prefix="vanish")
    await asyncio.to_thread(ensure, names)
    publisher = PubsubPublisher(names=names)
    subscriber = PubsubSubscriber(names=names, dead_letters=publisher, clock=_now, drain_within_s=2)
    got = asyncio.Event()

    async def handler(_delivery):
        got.set()
        return DONE

    consumption = await subscriber.consume(Topic.CAPTURE, handler)
    with pubsub_v1.SubscriberClient() as client:
        path = names.subscription(Topic.CAPTURE)
        await asyncio.to_thread(client.delete_subscription, request={"subscription": path})
        await eventually(lambda: _is(not consumption.healthy))
        await asyncio.to_thread(ensure, names)
    await eventually(lambda: _is(consumption.healthy))
    await publisher.publish(Topic.CAPTURE, b"1", {})
    async with asyncio.timeout(20):
        await got.wait()
    await consumption.drain()
    await subscriber.close()
    await publisher.close()


async def _is(condition):
    return condition


def _now():
    return datetime.now(UTC)
