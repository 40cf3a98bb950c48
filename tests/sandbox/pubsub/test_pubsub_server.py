"""The server inside a loop, as a supervisor runs it: publishing without the wire, faults on order, waking and stopping."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from google.api_core.exceptions import GoogleAPICallError, NotFound, ServiceUnavailable
from google.pubsub_v1 import PublisherAsyncClient, SubscriberAsyncClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcAsyncIOTransport
from google.pubsub_v1.types import StreamingPullRequest
from support.polling import eventually

from sandbox.pubsub.errors import RefusedError
from sandbox.pubsub.faults import Fault, FaultKind, FaultPlan
from sandbox.pubsub.server import Running, serve

TOPIC = "projects/p/topics/topic"
SUBSCRIPTION = "projects/p/subscriptions/subscription"


class Bench:
    """A server in this loop with one topic and one subscription, and clients of it."""

    def __init__(self, running: Running, channel: grpc.aio.Channel) -> None:
        self.running = running
        self.publisher = PublisherAsyncClient(transport=PublisherGrpcAsyncIOTransport(channel=channel))
        self.subscriber = SubscriberAsyncClient(transport=SubscriberGrpcAsyncIOTransport(channel=channel))

    def plan(self, *faults: Fault) -> None:
        self.running.broker.faults.plan = FaultPlan(faults=faults)

    async def stream(self) -> AsyncIterator[Any]:
        """Messages one by one, never acknowledged."""

        async def requests() -> AsyncIterator[StreamingPullRequest]:
            yield StreamingPullRequest(subscription=SUBSCRIPTION, stream_ack_deadline_seconds=10)
            await asyncio.Event().wait()

        async for response in await self.subscriber.streaming_pull(requests=requests(), timeout=20):
            for received in response.received_messages:
                yield received

    async def pull(self) -> list[Any]:
        request = {"subscription": SUBSCRIPTION, "max_messages": 10}
        return list((await self.subscriber.pull(request=request, timeout=20, retry=None)).received_messages)

    async def has_a_pull_waiting(self) -> bool:
        return bool(self.running._bell._pulls)

    async def has_a_stream_open(self) -> bool:
        return bool(self.running._bell._streams)


@asynccontextmanager
async def running() -> AsyncIterator[Bench]:
    server = await serve(host="127.0.0.1", port=0, clock=time.time)
    try:
        async with grpc.aio.insecure_channel(server.host) as channel:
            bench = Bench(server, channel)
            await bench.publisher.create_topic(name=TOPIC)
            await bench.subscriber.create_subscription(name=SUBSCRIPTION, topic=TOPIC)
            yield bench
    finally:
        await server.close()


async def test_publishing_from_the_same_loop_reaches_a_stream():
    async with running() as bench:
        waiting = asyncio.ensure_future(anext(bench.stream()))
        message_id = bench.running.publish(TOPIC, b"x", {"type": "Message"})
        received = await waiting
    assert (received.message.message_id, received.message.data) == (message_id, b"x")
    assert dict(received.message.attributes) == {"type": "Message"}


async def test_publishing_from_the_same_loop_is_checked_like_any_other():
    async with running() as bench:
        with pytest.raises(RefusedError):
            bench.running.publish("projects/p/topics/none", b"x", {})


async def test_a_pull_that_waits_wakes_with_the_message():
    async with running() as bench:
        waiting = asyncio.create_task(bench.pull())
        await eventually(bench.has_a_pull_waiting)
        await bench.publisher.publish(topic=TOPIC, messages=[{"data": b"x"}])
        assert [each.message.data for each in await waiting] == [b"x"]


async def test_a_pull_that_waits_in_vain_ends_empty(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sandbox.pubsub.traffic.PULL_WAIT_S", 0.01)
    async with running() as bench:
        assert await bench.pull() == []


async def test_who_waits_for_a_deleted_subscription_is_told():
    async with running() as bench:
        pulling = asyncio.create_task(bench.pull())
        streaming = asyncio.ensure_future(anext(bench.stream()))
        await eventually(bench.has_a_pull_waiting)
        await eventually(bench.has_a_stream_open)
        await bench.subscriber.delete_subscription(subscription=SUBSCRIPTION)
        for waiting in (pulling, streaming):
            with pytest.raises(NotFound):
                await waiting


async def test_a_server_that_stops_tells_everybody_to_come_again():
    async with running() as bench:
        pulling = asyncio.create_task(bench.pull())
        streaming = asyncio.ensure_future(anext(bench.stream()))
        await eventually(bench.has_a_pull_waiting)
        await eventually(bench.has_a_stream_open)
        await bench.running.close()
        for waiting in (pulling, streaming):
            with pytest.raises(ServiceUnavailable):
                await waiting


async def test_a_port_is_free_again_after_the_stop_and_taken_before():
    async with running() as bench:
        port = bench.running.port
        with pytest.raises(OSError, match="in use"):
            await serve(host="127.0.0.1", port=port, clock=time.time)
    again = await serve(host="127.0.0.1", port=port, clock=time.time)
    await again.close()


async def test_faults_on_order_reach_the_wire():
    async with running() as bench:
        bench.plan(Fault(kind=FaultKind.PUBLISH_DROP_REPLY), Fault(kind=FaultKind.STREAM_KILL))
        with pytest.raises(ServiceUnavailable):
            await bench.publisher.publish(topic=TOPIC, messages=[{"data": b"x"}], retry=None)
        with pytest.raises(GoogleAPICallError) as killed:
            await anext(bench.stream())
        assert killed.value.grpc_status_code is grpc.StatusCode.UNAVAILABLE
        bench.running.publish(TOPIC, b"y", {})
        assert (await anext(bench.stream())).message.data == b"y"


async def test_a_delayed_message_comes_without_anybody_asking():
    async with running() as bench:
        bench.plan(Fault(kind=FaultKind.DELIVERY_DELAY, delay_s=0.2))
        bench.running.publish(TOPIC, b"x", {})
        started = time.monotonic()
        assert (await anext(bench.stream())).message.data == b"x"
        assert time.monotonic() - started > 0.15
