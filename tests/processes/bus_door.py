"""The doorway of Pub/Sub: one for each process, so that it is known who publishes, who is handed what, and who lets go.

Bytes are passed on as they are, whatever the call; of those that move messages a copy is read.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import grpc
import grpc.aio
from google.pubsub_v1 import types
from processes.journal import Delivery
from simulation.logs import Happening

from ctpay.ports import HOST

_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # The official clients ping idle streams.
    ("grpc.http2.min_ping_interval_without_data_ms", 5000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_ping_strikes", 0),
)
_PUBLISH = "/google.pubsub.v1.Publisher/Publish"
_SUBSCRIBER = "/google.pubsub.v1.Subscriber/"
#: Metadata that gRPC itself writes.
_GRPC = {"user-agent", "te", "content-type"}


@asynccontextmanager
async def bus_door(journal, upstream, process):
    """For one process; `host:port` of the way in."""
    server = grpc.aio.server(options=_OPTIONS)
    async with grpc.aio.insecure_channel(upstream, options=_OPTIONS) as channel:
        server.add_generic_rpc_handlers((BusDoor(journal, channel, process),))
        port = server.add_insecure_port(f"{HOST}:0")
        await server.start()
        try:
            yield f"{HOST}:{port}"
        finally:
            await server.stop(0)


class BusDoor(grpc.GenericRpcHandler):
    """Everything that one process says to Pub/Sub and hears from it."""

    def __init__(self, journal, channel, process):
        self._journal = journal
        self._channel = channel
        self._process = process
        #: Acknowledgement id -> what it stands for.
        self._in_hand = {}

    def service(self, details):
        if details.method == f"{_SUBSCRIBER}StreamingPull":
            return grpc.stream_stream_rpc_method_handler(self._stream)

        async def once(request, context):
            return await self._once(details.method, request, context)

        return grpc.unary_unary_rpc_method_handler(once)

    async def _once(self, method, request, context):
        self._hear(method, request)
        call = self._channel.unary_unary(method)
        try:
            reply = await call(request, metadata=_metadata(context), timeout=context.time_remaining())
        except grpc.aio.AioRpcError as error:
            if method == _PUBLISH:
                asked = _read(types.PublishRequest, request)
                self._journal.refused(_topic(asked.topic), asked.messages, self._process)
            await _fail(context, error)
        except grpc.aio.UsageError:
            # The process is gone, and this door closed.
            raise asyncio.CancelledError from None
        if method == _PUBLISH:
            asked, ids = _read(types.PublishRequest, request), _read(types.PublishResponse, reply).message_ids
            self._journal.published(_topic(asked.topic), asked.messages, ids, self._process)
            self._journal.confirmed(_topic(asked.topic), ids, self._process)
        elif method == f"{_SUBSCRIBER}Pull":
            asked = _read(types.PullRequest, request)
            self._deliver(asked.subscription, _read(types.PullResponse, reply).received_messages)
        return reply

    async def _stream(self, requests, context):
        call = self._channel.stream_stream(f"{_SUBSCRIBER}StreamingPull")(metadata=_metadata(context))
        subscription = asyncio.get_running_loop().create_future()

        async def up():
            async for request in requests:
                asked = _read(types.StreamingPullRequest, request)
                if not subscription.done():
                    subscription.set_result(asked.subscription)
                self._let_go(Happening.ACKED, asked.ack_ids)
                self._give_back(zip(asked.modify_deadline_ack_ids, asked.modify_deadline_seconds, strict=True))
                await call.write(request)
            await call.done_writing()

        sending = asyncio.ensure_future(up())
        try:
            async for reply in call:
                found = _read(types.StreamingPullResponse, reply).received_messages
                if found:
                    self._deliver(await subscription, found)
                await context.write(reply)
        except grpc.aio.AioRpcError as error:
            await _fail(context, error)
        except grpc.aio.BaseError:
            # Killed: nobody is there to be told.
            return
        finally:
            call.cancel()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    def _hear(self, method, request):
        if method == f"{_SUBSCRIBER}Acknowledge":
            self._let_go(Happening.ACKED, _read(types.AcknowledgeRequest, request).ack_ids)
        elif method == f"{_SUBSCRIBER}ModifyAckDeadline":
            asked = _read(types.ModifyAckDeadlineRequest, request)
            self._give_back((one, asked.ack_deadline_seconds) for one in asked.ack_ids)

    def _deliver(self, subscription, messages):
        topic, other = _whose(subscription)
        for one in messages:
            delivery = Delivery(
                message_id=one.message.message_id, message=one.message, topic=topic, subscription=other,
                attempt=one.delivery_attempt,
            )  # fmt: skip
            self._in_hand[one.ack_id] = delivery
            self._journal.delivered(delivery, self._process)

    def _let_go(self, happening, ack_ids):
        for one in ack_ids:
            if (delivery := self._in_hand.pop(one, None)) is not None:
                self._journal.ended(happening, delivery, self._process)

    def _give_back(self, deadlines):
        self._let_go(Happening.RETURNED, [one for one, seconds in deadlines if seconds == 0])


async def _fail(context, error):
    """As it failed there, so here."""
    if context.done():
        raise asyncio.CancelledError
    await context.abort(error.code(), error.details(), error.trailing_metadata())


def _read(kind, data):
    return kind.pb().FromString(data)


def _metadata(context):
    return [
        (name, value)
        for name, value in context.invocation_metadata()
        if name not in _GRPC and not name.startswith("grpc-")
    ]


def _topic(name):
    return name.rpartition("/")[2].removeprefix("ctpay-")


def _whose(subscription):
    """The topic of a subscription, and the subscription's own name where it is not the topic's."""
    name = _topic(subscription)
    if name.startswith("results-"):
        return "results", name
    topic = name.removesuffix("-for-people")
    return topic, (None if topic == name else "for-people")
