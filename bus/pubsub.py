"""The bus on Google Cloud Pub/Sub, by the official client: the one place where its publisher and subscriber are held.

The client is made of threads. Nothing of them shows: publishing waits for the confirmation within a time limit of our
own, and a subscription drains before it closes. `PUBSUB_EMULATOR_HOST` is read by the client itself.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import structlog
from google.api_core.exceptions import GoogleAPIError, NotFound
from google.api_core.retry import Retry
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.types import BatchSettings, FlowControl, PublisherOptions
from google.protobuf.duration_pb2 import Duration

from bus.consumer import Consumer, Fate
from bus.port import Consumption, Delivery, Ending, Handler, Publisher, PublishError, ignored
from bus.scheduler import LoopScheduler
from bus.topics import POLICIES, Names, Topic

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from psp.seams import Clock

_log = structlog.get_logger(__name__)

#: Seconds before the first and between the last attempts to read a subscription whose stream has died.
_REVIVE_S_MIN: Final = 0.5
_REVIVE_S_MAX: Final = 30.0
#: How long the removal of a reply subscription may take.
_REMOVE_S: Final = 3.0
#: Pub/Sub's shortest life of an unused subscription, seconds: what a killed ingress leaves behind goes by itself.
_REPLY_EXPIRY_S: Final = 24 * 3600


class PubsubPublisher:
    """Publishes; a confirmation that does not come in time is a PublishError, and never a hang."""

    def __init__(self, *, names: Names, confirm_within_s: float = 5.0, in_flight_max: int = 1000) -> None:
        self._names = names
        self._confirm_within_s = confirm_within_s
        self._places = asyncio.Semaphore(in_flight_max)
        self._client = pubsub_v1.PublisherClient(
            # No waiting for a batch to fill: what is published while one request is under way forms the next.
            batch_settings=BatchSettings(max_latency=0),
            publisher_options=PublisherOptions(
                retry=Retry(initial=0.05, maximum=1.0, timeout=confirm_within_s), timeout=confirm_within_s
            ),
        )

    async def publish(self, topic: Topic, data: bytes, attributes: Mapping[str, str]) -> None:
        try:
            async with asyncio.timeout(self._confirm_within_s), self._places:
                sent = self._client.publish(self._names.topic(topic), data, **attributes)
                await asyncio.wrap_future(sent)
        except (TimeoutError, GoogleAPIError, ValueError, RuntimeError) as error:
            raise PublishError(f"Pub/Sub did not confirm a message on {topic}: {type(error).__name__}.") from error

    async def close(self) -> None:
        """Flush and let go."""
        await asyncio.to_thread(self._client.stop)
        await asyncio.to_thread(self._client.transport.close)


class PubsubSubscriber:
    """Reads subscriptions, several messages at once, on the running event loop."""

    def __init__(
        self,
        *,
        names: Names,
        dead_letters: Publisher,
        clock: Clock,
        in_flight_max: int = 64,
        drain_within_s: float = 20.0,
    ) -> None:
        self._names = names
        self._dead_letters = dead_letters
        self._clock = clock
        self._in_flight_max = in_flight_max
        self._drain_within_s = drain_within_s
        self._client = pubsub_v1.SubscriberClient()

    async def consume(self, topic: Topic, handler: Handler) -> Consumption:
        return self._read(self._names.subscription(topic), topic, handler)

    async def consume_replies(self, instance: str, handler: Handler) -> Consumption:
        path = self._names.reply_subscription(instance)
        await asyncio.to_thread(self._make_reply_subscription, path, instance)

        async def mine(delivery: Delivery) -> Ending:
            # Google's emulator ignores filters, so the address is looked at here too.
            if delivery.attributes.get("reply_to") != instance:
                return ignored("another instance's result")
            return await handler(delivery)

        async def remove() -> None:
            # One try: where Pub/Sub is away, the subscription expires by itself, and stopping must not wait for it.
            with suppress(GoogleAPIError):
                await asyncio.to_thread(
                    self._client.delete_subscription,
                    request={"subscription": path},
                    retry=None,
                    timeout=_REMOVE_S,
                )

        return self._read(path, Topic.RESULTS, mine, remove)

    async def close(self) -> None:
        """Let go of the connection, after every consumption was drained."""
        await asyncio.to_thread(self._client.close)

    def _read(
        self, path: str, topic: Topic, handler: Handler, after: Callable[[], Awaitable[None]] | None = None
    ) -> _Stream:
        consumer = Consumer(topic=topic, handler=handler, dead_letters=self._dead_letters, clock=self._clock)
        stream = _Stream(
            client=self._client,
            path=path,
            consumer=consumer,
            flow=FlowControl(max_messages=self._in_flight_max),
            drain_within_s=self._drain_within_s,
            after=after,
        )
        stream.open()
        return stream

    def _make_reply_subscription(self, path: str, instance: str) -> None:
        policy = POLICIES[Topic.RESULTS]
        self._client.create_subscription(
            request={
                "name": path,
                "topic": self._names.topic(Topic.RESULTS),
                "ack_deadline_seconds": policy.ack_deadline_s,
                "message_retention_duration": Duration(seconds=policy.retention_s),
                "expiration_policy": {"ttl": Duration(seconds=_REPLY_EXPIRY_S)},
                "filter": f'attributes.reply_to = "{instance}"',
            }
        )


class _Stream:
    """One subscription being read; a stream that dies is opened again, and never two at a time."""

    def __init__(
        self,
        *,
        client: Any,
        path: str,
        consumer: Consumer,
        flow: FlowControl,
        drain_within_s: float,
        after: Callable[[], Awaitable[None]] | None,
    ) -> None:
        self._client = client
        self._path = path
        self._consumer = consumer
        self._flow = flow
        self._drain_within_s = drain_within_s
        self._after = after
        self._loop = asyncio.get_running_loop()
        self._future: Any = None
        self._stopping = False
        self._reviving: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        return self._future is not None and not self._future.done() and not self._stopping

    def open(self) -> None:
        scheduler = LoopScheduler(loop=self._loop, work=self._work, drain_within_s=self._drain_within_s)
        future = self._client.subscribe(
            self._path, callback=_unused, flow_control=self._flow, scheduler=scheduler, await_callbacks_on_shutdown=True
        )
        self._future = future
        future.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._died, future))

    async def drain(self) -> None:
        self._stopping = True
        if self._reviving is not None:
            self._reviving.cancel()
        await self._close()
        if self._after is not None:
            await self._after()

    async def _close(self) -> None:
        self._future.cancel()
        # The loop must stay free meanwhile: the client waits for handlers that run on it.
        with suppress(Exception):
            await asyncio.to_thread(self._future.result, self._drain_within_s + 10)

    def _died(self, future: Any) -> None:
        if self._stopping or future is not self._future:
            return
        error = None if future.cancelled() else future.exception()
        _log.warning("subscription.lost", subscription=self._path, error=type(error).__name__)
        self._reviving = self._loop.create_task(self._revive())

    async def _revive(self) -> None:
        pause = _REVIVE_S_MIN
        await self._close()
        while not self._stopping:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _REVIVE_S_MAX)
            try:
                await asyncio.to_thread(self._client.get_subscription, request={"subscription": self._path}, timeout=5)
            except (GoogleAPIError, NotFound):
                continue
            self.open()
            _log.info("subscription.revived", subscription=self._path)
            return

    async def _work(self, message: Any) -> None:
        fate = Fate.NACK
        try:
            fate = await self._consumer.take(_delivery(message))
        finally:
            if fate is Fate.ACK:
                message.ack()
            else:
                message.nack()


def _delivery(message: Any) -> Delivery:
    return Delivery(
        message_id=message.message_id,
        data=message.data,
        attributes=dict(message.attributes),
        published_at=datetime.fromtimestamp(message.publish_time.timestamp(), UTC),
        attempt=message.delivery_attempt or 0,
    )


def _unused(_message: Any) -> None:
    """The client wants a callback; the scheduler does its part."""
