"""The RPCs that move messages: publish, pull, acknowledge, seek, and the streaming pull."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

import grpc.aio

from sandbox.pubsub.bell import Bell
from sandbox.pubsub.errors import RefusedError, Status, invalid
from sandbox.pubsub.limits import check_stream_lease
from sandbox.pubsub.model import Delivery
from sandbox.pubsub.rpc import Context, Rpc
from sandbox.pubsub.shapes import Proto, delivery_proto, draft_value, raw, time_value
from sandbox.pubsub.stream import Stream

#: How long a pull without a stream waits for a first message.
PULL_WAIT_S: Final = 5.0

_CLOSING: Final = "The server is stopping. Connect again."


class Traffic:
    """Answers for the messages."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._broker = bell.broker
        self._published = raw("PublishResponse")
        self._pulled = raw("PullResponse")
        self._streamed = raw("StreamingPullResponse")
        self._sought = raw("SeekResponse")
        self._empty = raw("Empty")

    def publisher(self) -> Mapping[str, Rpc]:
        return {"Publish": Rpc(handle=self.publish, request="PublishRequest", response="PublishResponse")}

    def subscriber(self) -> Mapping[str, Rpc]:
        return {
            "Pull": Rpc(handle=self.pull, request="PullRequest", response="PullResponse"),
            "Acknowledge": Rpc(handle=self.acknowledge, request="AcknowledgeRequest", response="Empty"),
            "ModifyAckDeadline": Rpc(handle=self.modify, request="ModifyAckDeadlineRequest", response="Empty"),
            "Seek": Rpc(handle=self.seek, request="SeekRequest", response="SeekResponse"),
        }

    async def publish(self, request: Proto) -> Proto:
        drafts = [draft_value(message) for message in request.messages]
        return self._published(message_ids=self._broker.publish(request.topic, drafts, self._bell.now()))

    async def pull(self, request: Proto) -> Proto:
        """Wait for a first message unless told not to."""
        wait_s = 0 if request.return_immediately else PULL_WAIT_S
        taken: Sequence[Delivery] = ()
        with self._bell.pull(request.subscription) as arrived:
            try:
                async with asyncio.timeout(wait_s):
                    while not (taken := self._pull_now(request)):
                        arrived.clear()
                        await arrived.wait()
            except TimeoutError:
                pass
        return self._pulled(received_messages=map(delivery_proto, taken))

    async def acknowledge(self, request: Proto) -> Proto:
        if not request.ack_ids:
            raise invalid("No ack ids were given.")
        self._broker.acknowledge(request.subscription, request.ack_ids, self._bell.now())
        return self._empty()

    async def modify(self, request: Proto) -> Proto:
        if not request.ack_ids:
            raise invalid("No ack ids were given.")
        self._broker.modify(request.subscription, request.ack_ids, request.ack_deadline_seconds, self._bell.now())
        return self._empty()

    async def seek(self, request: Proto) -> Proto:
        if not request.HasField("time"):
            raise RefusedError(Status.UNIMPLEMENTED, "This stand-in has no snapshots. Seek to a time.")
        self._broker.seek(request.subscription, time_value(request.time), self._bell.now())
        return self._sought()

    async def streaming_pull(self, _: AsyncIterator[Proto], context: Context) -> None:
        """Write what there is as soon as it is there; beside that, do what the reader says."""
        first = await context.read()
        if first is grpc.aio.EOF:
            return
        stream = Stream(
            subscription=first.subscription,
            lease_s=first.stream_ack_deadline_seconds,
            messages_max=first.max_outstanding_messages,
            bytes_max=first.max_outstanding_bytes,
        )
        with self._bell.stream(stream) as wake:
            self._obey(stream, first)
            listening = asyncio.create_task(self._listen(stream, context))
            listening.add_done_callback(lambda _: wake.set())
            try:
                while not listening.done():
                    self._check_open()
                    wake.clear()
                    if taken := self._broker.take(stream, self._bell.now()):
                        await context.write(self._streamed(received_messages=map(delivery_proto, taken)))
                    else:
                        await wake.wait()
                await listening
            finally:
                listening.cancel()

    async def _listen(self, stream: Stream, context: Context) -> None:
        """Until the reader has no more to say."""
        while (request := await context.read()) is not grpc.aio.EOF:
            if request.subscription:
                raise invalid("Only the first request of a stream names the subscription.")
            if request.stream_ack_deadline_seconds:
                check_stream_lease(request.stream_ack_deadline_seconds)
                stream.lease_s = request.stream_ack_deadline_seconds
            self._obey(stream, request)

    def _obey(self, stream: Stream, request: Proto) -> None:
        now = self._bell.now()
        if request.ack_ids:
            self._broker.acknowledge(stream.subscription, request.ack_ids, now)
        if len(request.modify_deadline_ack_ids) != len(request.modify_deadline_seconds):
            raise invalid("There must be as many modify_deadline_seconds as modify_deadline_ack_ids.")
        by_seconds: dict[int, list[str]] = {}
        for ack_id, seconds in zip(request.modify_deadline_ack_ids, request.modify_deadline_seconds, strict=True):
            by_seconds.setdefault(seconds, []).append(ack_id)
        for seconds, ack_ids in by_seconds.items():
            self._broker.modify(stream.subscription, ack_ids, seconds, now)

    def _pull_now(self, request: Proto) -> Sequence[Delivery]:
        self._check_open()
        return self._broker.pull(request.subscription, request.max_messages, self._bell.now())

    def _check_open(self) -> None:
        if self._bell.closing:
            raise RefusedError(Status.UNAVAILABLE, _CLOSING)
