"""The bus on Google Cloud Pub/Sub, by the official client: the one place where its publisher and subscriber are held.

The client is made of threads. Nothing of them shows: publishing waits for the confirmation within a time limit of our
own, and a subscription drains before it closes. `PUBSUB_EMULATOR_HOST` is read by the client itself.
"""

from __future__ import annotations

import asyncio
import inspect
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import structlog
from google.api_core.exceptions import AlreadyExists, GoogleAPIError, NotFound
from google.api_core.retry import Retry
from google.auth.exceptions import GoogleAuthError
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.types import BatchSettings, FlowControl, PublisherOptions
from google.protobuf.duration_pb2 import Duration
from google.pubsub_v1 import PublisherClient as GeneratedClient

from bus.client import subscriber_client, with_credentials
from bus.consumer import Consumer, Fate
from bus.port import Consumption, Delivery, Ending, Handler, Publisher, PublishError, ignored
from bus.scheduler import LoopScheduler
from bus.topics import POLICIES, Names, Topic

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from psp.seams import Aside, Clock

_log = structlog.get_logger(__name__)

#: What the client and the library below it raise of their own.
_FAULTS: Final = (GoogleAPIError, GoogleAuthError)
#: What the client's `publish` takes for an argument of its own where an attribute has that name.
_ARGUMENTS: Final = frozenset(inspect.signature(pubsub_v1.PublisherClient.publish).parameters)
#: Seconds after the last try, in which a request's thread has come to its end.
_LET_GO_S: Final = 1.0
#: Seconds before the first and between the last attempts to read a subscription whose stream has died.
_REVIVE_S_MIN: Final = 0.5
_REVIVE_S_MAX: Final = 30.0
#: Seconds that a stream must last to count as well again: one on a missing subscription opens and dies at once.
_PROVEN_S: Final = 1.0
#: Seconds for making a reply subscription, and for removing it.
_MAKE_S: Final = 5.0
_REMOVE_S: Final = 3.0
#: Seconds beyond the handlers' own, after which a stream is left as it is.
_FLUSH_S: Final = 3.0
#: Seconds for a connection to close, after which it is left as it is.
_CLOSE_S: Final = 1.0
#: Seconds for the results in hand when an ingress stops: each is handed over at once, and the requests have had theirs.
_REPLIES_DRAIN_S: Final = 1.0
#: Pub/Sub's shortest life of an unused subscription, seconds: what a killed ingress leaves behind goes by itself.
_REPLY_EXPIRY_S: Final = 24 * 3600


_Step: TypeAlias = "Callable[[], Awaitable[None]]"


async def _nothing() -> None:
    """Most subscriptions are there before they are read, and stay afterwards."""


class PubsubPublisher:
    """Publishes; a confirmation that does not come in time is a PublishError, and never a hang.

    The client keeps a thread for every request under way. A message therefore holds its place until the client has let
    go of it, even after we have stopped waiting, so that an outage cannot pile up threads. Making one, or a subscriber,
    raises NoCredentialsError.
    """

    def __init__(self, *, names: Names, confirm_within_s: float = 5.0, in_flight_max: int = 256) -> None:
        self._names = names
        self._confirm_within_s = confirm_within_s
        self._places = asyncio.Semaphore(in_flight_max)
        self._in_flight: set[asyncio.Future[Any]] = set()
        self._retry = Retry(initial=0.05, maximum=1.0, timeout=confirm_within_s)
        with with_credentials():
            self._client = pubsub_v1.PublisherClient(
                # No waiting for a batch to fill: what is published while one request is under way forms the next.
                batch_settings=BatchSettings(max_latency=0),
                publisher_options=PublisherOptions(retry=self._retry, timeout=confirm_within_s),
            )

    async def publish(self, topic: Topic, data: bytes, attributes: Mapping[str, str]) -> None:
        try:
            async with asyncio.timeout(self._confirm_within_s):
                await self._places.acquire()
                # The client goes on when we stop waiting: nothing can call a request back.
                await asyncio.shield(self._send(topic, data, attributes))
        except (TimeoutError, *_FAULTS, ValueError, RuntimeError) as error:
            remedy = "run `ctpay setup`" if isinstance(error, NotFound) else "publish it again"
            raise PublishError(
                f"Pub/Sub did not confirm a message on {topic} ({type(error).__name__}): {remedy}."
            ) from error

    async def close(self) -> None:
        """Flush and let go. What is not confirmed within the time limit is given up, and its publisher told so."""
        self._client.stop()
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=self._confirm_within_s)
        await asyncio.to_thread(self._client.transport.close)

    def _send(self, topic: Topic, data: bytes, attributes: Mapping[str, str]) -> asyncio.Future[Any]:
        """Hand the message to the client. The place it has taken is free when the client is done with it.

        A thread that dies of what the client does not expect tells nobody, so after the longest that a request can take
        (its last try may begin as the time for tries ends) the place is free all the same.
        """
        try:
            sent = self._handed_over(self._names.topic(topic), data, attributes)
        except BaseException:
            self._places.release()
            raise
        self._in_flight.add(sent)
        sent.add_done_callback(self._let_go)
        ended = asyncio.get_running_loop().call_later(2 * self._confirm_within_s + _LET_GO_S, sent.cancel)
        sent.add_done_callback(lambda _: ended.cancel())
        return sent

    def _handed_over(self, path: str, data: bytes, attributes: Mapping[str, str]) -> asyncio.Future[Any]:
        if _ARGUMENTS.isdisjoint(attributes):
            return asyncio.wrap_future(self._client.publish(path, data, **attributes))
        return asyncio.ensure_future(asyncio.to_thread(self._publish_alone, path, data, attributes))

    def _publish_alone(self, path: str, data: bytes, attributes: Mapping[str, str]) -> None:
        """By the generated method, for which attributes are data whatever their names are. It knows no batches."""
        request = {"topic": path, "messages": [{"data": data, "attributes": dict(attributes)}]}
        GeneratedClient.publish(self._client, request=request, retry=self._retry, timeout=self._confirm_within_s)

    def _let_go(self, sent: asyncio.Future[Any]) -> None:
        self._in_flight.discard(sent)
        self._places.release()
        # Its publisher may have gone, and asyncio complains of errors that nobody has looked at.
        if not sent.cancelled():
            sent.exception()


class PubsubSubscriber:
    """Reads subscriptions, several messages at once, on the running event loop.

    `in_flight_max` bounds each subscription, `handlers_max` all of them together: with the first alone below the
    second, one topic that is slow leaves room for the others.
    """

    def __init__(
        self,
        *,
        names: Names,
        dead_letters: Publisher,
        clock: Clock,
        aside: Aside,
        ack_deadline_s_max: int = 600,
        in_flight_max: int = 64,
        handlers_max: int = 256,
        drain_within_s: float = 20.0,
    ) -> None:
        self._names = names
        self._dead_letters = dead_letters
        self._clock = clock
        self._aside = aside
        self._ack_deadline_s_max = ack_deadline_s_max
        self._in_flight_max = in_flight_max
        self._places = asyncio.Semaphore(handlers_max)
        self._drain_within_s = drain_within_s
        self._client = subscriber_client()

    async def consume(self, topic: Topic, handler: Handler) -> Consumption:
        path = self._names.subscription(topic)
        return await self._read(path, topic, handler, drain_within_s=self._drain_within_s)

    async def consume_replies(self, instance: str, handler: Handler) -> Consumption:
        path = self._names.reply_subscription(instance)

        async def mine(delivery: Delivery) -> Ending:
            # Google's emulator ignores filters, so the address is looked at here too.
            if delivery.attributes.get("reply_to") != instance:
                return ignored("another instance's result")
            return await handler(delivery)

        async def make() -> None:
            await asyncio.to_thread(self._make_reply_subscription, path, instance)

        async def remove() -> None:
            # One try: where Pub/Sub is away, the subscription expires by itself, and stopping must not wait for it.
            with suppress(*_FAULTS):
                await asyncio.to_thread(
                    self._client.delete_subscription,
                    request={"subscription": path},
                    retry=None,
                    timeout=_REMOVE_S,
                )

        drain_within_s = min(self._drain_within_s, _REPLIES_DRAIN_S)
        return await self._read(path, Topic.RESULTS, mine, drain_within_s=drain_within_s, before=make, after=remove)

    async def close(self) -> None:
        """Let go of the connection, after every consumption was drained. Returns within a limit whatever happens."""
        # grpc waits until its thread has seen the end of every stream, which may never come (grpc/grpc#20562).
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._aside(self._client.close)

    async def _read(
        self,
        path: str,
        topic: Topic,
        handler: Handler,
        *,
        drain_within_s: float,
        before: _Step = _nothing,
        after: _Step = _nothing,
    ) -> _Reading:
        consumer = Consumer(
            topic=topic, handler=handler, dead_letters=self._dead_letters, clock=self._clock, places=self._places
        )
        # Without it the client asks for a minute at first, whatever the subscription says, and for so long nobody else
        # gets what a killed worker held.
        lease_s = min(POLICIES[topic].ack_deadline_s, self._ack_deadline_s_max)
        reading = _Reading(
            client=self._client,
            path=path,
            consumer=consumer,
            flow=FlowControl(max_messages=self._in_flight_max, max_duration_per_lease_extension=lease_s),
            drain_within_s=drain_within_s,
            before=before,
            after=after,
        )
        await reading.begin()
        return reading

    def _make_reply_subscription(self, path: str, instance: str) -> None:
        policy = POLICIES[Topic.RESULTS]
        # Made by an earlier try, or not lost at all.
        with suppress(AlreadyExists):
            self._client.create_subscription(
                request={
                    "name": path,
                    "topic": self._names.topic(Topic.RESULTS),
                    "ack_deadline_seconds": policy.ack_deadline_s,
                    "message_retention_duration": Duration(seconds=policy.retention_s),
                    "expiration_policy": {"ttl": Duration(seconds=_REPLY_EXPIRY_S)},
                    "filter": f'attributes.reply_to = "{instance}"',
                },
                retry=None,
                timeout=_MAKE_S,
            )


class _Reading:
    """One subscription being read; a stream that dies is opened again, and never two at a time."""

    def __init__(
        self,
        *,
        client: Any,
        path: str,
        consumer: Consumer,
        flow: FlowControl,
        drain_within_s: float,
        before: _Step,
        after: _Step,
    ) -> None:
        self._client = client
        self._path = path
        self._consumer = consumer
        self._flow = flow
        self._drain_within_s = drain_within_s
        self._before = before
        self._after = after
        self._loop = asyncio.get_running_loop()
        self._stream: _Stream | None = None
        self._well = True
        self._watch: asyncio.Task[None] | None = None
        self._draining: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        return self._well and self._stream is not None and self._stream.alive

    async def begin(self) -> None:
        """Try once, so that who starts well is read from the start; whatever goes wrong is tried again by itself."""
        first = await self._opened()
        self._watch = self._loop.create_task(self._keep_reading(first))

    async def drain(self) -> None:
        # Each wait has a limit, and two of them would be longer than a process has to stop.
        if self._draining is None:
            self._draining = self._loop.create_task(self._drain())
        await asyncio.shield(self._draining)

    async def _drain(self) -> None:
        self._well = False
        if self._watch is not None:
            self._watch.cancel()
        if self._stream is not None:
            await self._stream.close()
        await self._after()

    async def _keep_reading(self, stream: _Stream | None) -> None:
        pause = _REVIVE_S_MIN
        while True:
            if stream is not None:
                if await stream.lasts(_PROVEN_S):
                    pause, self._well = _REVIVE_S_MIN, True
                # It has drained when it ends: its handlers and those of the next never run side by side.
                error = await asyncio.shield(stream.ended)
                await stream.close()
                _log.warning("subscription.lost", subscription=self._path, error=error)
            self._well = False
            await asyncio.sleep(pause)
            pause = min(2 * pause, _REVIVE_S_MAX)
            stream = await self._opened()

    async def _opened(self) -> _Stream | None:
        """A new stream, or None where its subscription could not be had."""
        try:
            await self._before()
        except _FAULTS as error:
            _log.warning("subscription.missing", subscription=self._path, error=type(error).__name__)
            return None
        self._stream = _Stream(
            client=self._client,
            path=self._path,
            flow=self._flow,
            work=self._work,
            drain_within_s=self._drain_within_s,
        )
        return self._stream

    async def _work(self, message: Any) -> None:
        fate = Fate.NACK
        try:
            fate = await self._consumer.take(_delivery(message))
        finally:
            if fate is Fate.ACK:
                message.ack()
            else:
                message.nack()


class _Stream:
    """One streaming pull of the client's, from its opening to its end."""

    def __init__(
        self,
        *,
        client: Any,
        path: str,
        flow: FlowControl,
        work: Callable[[Any], Coroutine[Any, Any, None]],
        drain_within_s: float,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._drain_within_s = drain_within_s
        self._scheduler = LoopScheduler(loop=loop, work=work, drain_within_s=drain_within_s)
        #: The name of the error that it ended with, once everything in hand is finished and flushed.
        self.ended: asyncio.Future[str] = loop.create_future()
        self._future = client.subscribe(path, callback=_unused, flow_control=flow, scheduler=self._scheduler)
        self._future.add_done_callback(lambda future: loop.call_soon_threadsafe(self._end, future))

    @property
    def alive(self) -> bool:
        """Whether it takes messages: a stream that has died still drains for a while."""
        return not self._scheduler.stopping and not self.ended.done()

    async def lasts(self, seconds: float) -> bool:
        """Whether it is still alive after so many seconds."""
        await asyncio.wait({self.ended}, timeout=seconds)
        return self.alive

    async def close(self) -> None:
        """Drain. Returns after the time limit whatever happens."""
        self._future.cancel()
        # Waiting on the loop, not in a thread: what the client waits for are handlers, and they run on the loop.
        await asyncio.wait({self.ended}, timeout=self._drain_within_s + _FLUSH_S)

    def _end(self, future: Any) -> None:
        error = future.exception()
        self.ended.set_result("none" if error is None else type(error).__name__)


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
