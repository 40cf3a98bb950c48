"""The official client as the behaviour suite uses it: short calls without retries, and streams that can be watched."""

from __future__ import annotations

import itertools
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from google.api_core.exceptions import DeadlineExceeded, GoogleAPICallError
from google.cloud import pubsub_v1
from google.pubsub_v1 import PublisherClient as GeneratedPublisher
from google.pubsub_v1 import types

CALL_S = 10.0
PROJECT = "behaviour"


class Wire:
    """Two clients of one server, and names that nobody else uses."""

    def __init__(self, *, server: str, publisher: pubsub_v1.PublisherClient, subscriber: pubsub_v1.SubscriberClient):
        self.server = server
        self.publisher = publisher
        self.subscriber = subscriber
        # The same connection without the batching, whose retries would hide a status.
        self._unbatched = GeneratedPublisher(transport=publisher.transport)
        self._numbers = itertools.count(1)

    def topic_name(self) -> str:
        return f"projects/{PROJECT}/topics/topic-{next(self._numbers)}"

    def subscription_name(self) -> str:
        return f"projects/{PROJECT}/subscriptions/subscription-{next(self._numbers)}"

    def topic(self, **settings: Any) -> str:
        return self.publisher.create_topic(request={"name": self.topic_name(), **settings}, timeout=CALL_S).name

    def subscription(self, topic: str, **settings: Any) -> str:
        request = {"name": self.subscription_name(), "topic": topic, **settings}
        return self.subscriber.create_subscription(request=request, timeout=CALL_S).name

    def both(self, **settings: Any) -> tuple[str, str]:
        """A topic with one subscription."""
        topic = self.topic()
        return topic, self.subscription(topic, **settings)

    def publish(self, topic: str, *bodies: bytes, timeout: float = CALL_S, **attributes: str) -> list[str]:
        """In one request, without the client's batching."""
        messages = [{"data": body, "attributes": attributes} for body in bodies]
        return self.publish_messages(topic, messages, timeout=timeout)

    def publish_messages(self, topic: str, messages: list[Any], timeout: float = CALL_S) -> list[str]:
        request = {"topic": topic, "messages": messages}
        return list(self._unbatched.publish(request=request, timeout=timeout, retry=None).message_ids)

    def pull(self, subscription: str, *, within_s: float = CALL_S, count_max: int = 100) -> list[Any]:
        """What is there, or comes first, within the time."""
        request = {"subscription": subscription, "max_messages": count_max}
        deadline = time.monotonic() + within_s
        while (left := deadline - time.monotonic()) > 0:
            try:
                found = list(self.subscriber.pull(request=request, timeout=left, retry=None).received_messages)
            except DeadlineExceeded:
                break
            if found:
                return found
        return []

    def pull_one(self, subscription: str, *, within_s: float = CALL_S) -> Any:
        [found] = self.pull(subscription, within_s=within_s)
        return found

    def pull_all(self, subscription: str, count: int) -> list[Any]:
        """So many, in however many calls."""
        found: list[Any] = []
        while len(found) < count:
            more = self.pull(subscription)
            assert more, f"only {len(found)} of {count} came"
            found += more
        return found

    def acknowledge(self, subscription: str, *received: Any) -> None:
        ids = [each.ack_id for each in received]
        self.subscriber.acknowledge(request={"subscription": subscription, "ack_ids": ids}, timeout=CALL_S)

    def modify(self, subscription: str, seconds: int, *received: Any) -> None:
        """A new deadline; 0 is a nack."""
        ids = [each.ack_id for each in received]
        request = {"subscription": subscription, "ack_ids": ids, "ack_deadline_seconds": seconds}
        self.subscriber.modify_ack_deadline(request=request, timeout=CALL_S)

    @contextmanager
    def listening(self, subscription: str, **flow: Any) -> Iterator[Inbox]:
        """A streaming pull, as the product has it."""
        inbox = Inbox()
        future = self.subscriber.subscribe(subscription, inbox.put, flow_control=pubsub_v1.types.FlowControl(**flow))
        inbox.future = future
        try:
            yield inbox
        finally:
            future.cancel()
            if not future.done() or future.exception() is None:
                future.result(timeout=CALL_S)

    @contextmanager
    def stream(self, subscription: str, **first: Any) -> Iterator[Stream]:
        """A streaming pull without the client's leases and queues; cancelled at the end."""
        stream = Stream(self.subscriber, {"subscription": subscription, "stream_ack_deadline_seconds": 10, **first})
        try:
            yield stream
        finally:
            stream.close()


class Stream:
    """Requests said, responses read."""

    def __init__(self, subscriber: pubsub_v1.SubscriberClient, first: dict[str, Any]) -> None:
        self._said: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.say(**first)
        self._responses = subscriber.streaming_pull(requests=iter(self._said.get, None), timeout=CALL_S)

    def say(self, **request: Any) -> None:
        self._said.put(types.StreamingPullRequest(request))

    def read(self) -> list[Any]:
        """The messages of the next response."""
        return list(next(self._responses).received_messages)

    def close(self) -> None:
        self._said.put(None)
        self._responses.cancel()


class Inbox:
    """What a stream has delivered and nobody has answered yet."""

    def __init__(self) -> None:
        self._messages: queue.Queue[Any] = queue.Queue()
        self.future: Any = None

    def put(self, message: Any) -> None:
        self._messages.put(message)

    def next(self, *, within_s: float = CALL_S) -> Any:
        return self._messages.get(timeout=within_s)

    def take(self, count: int) -> list[Any]:
        return [self.next() for _ in range(count)]

    def is_quiet_for(self, seconds: float) -> bool:
        """Nothing may come: this alone takes its time."""
        try:
            self._messages.get(timeout=seconds)
        except queue.Empty:
            return True
        return False


def status(call: Callable[[], object]) -> str:
    """The name of the gRPC status with which a call ends."""
    try:
        call()
    except GoogleAPICallError as error:
        return str(error.grpc_status_code.name)
    return "OK"
