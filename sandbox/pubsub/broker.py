"""The core: topics, subscriptions, and the messages between them.

Law: nothing here waits or looks at a clock. Every call says what time it is, and `changed` hears which subscription
may have something to deliver, or has a new `next_due`; whoever runs the core then calls `take` or, in time, `advance`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from sandbox.pubsub.backlog import Backlog, Entry
from sandbox.pubsub.errors import RefusedError, Status, invalid, not_found
from sandbox.pubsub.faults import PUBLISH_FAULTS, STREAM_FAULTS, FaultKind, FaultPort
from sandbox.pubsub.limits import (
    check_ack_ids,
    check_drafts,
    check_lease,
    check_stream_lease,
    check_subscription,
    check_topic,
    size,
)
from sandbox.pubsub.model import DELETED_TOPIC, Delivery, Draft, Message, Subscription, Topic
from sandbox.pubsub.stream import Stream

#: Messages given out at once.
BATCH_MAX: Final = 1000

Resource = TypeVar("Resource")


class Broker:
    """All of Pub/Sub. Every method raises RefusedError; what it refuses has no effect."""

    def __init__(
        self, *, changed: Callable[[str], None], faults: FaultPort | None = None, first_message_id: int = 1
    ) -> None:
        self.faults = faults or FaultPort()
        self._changed = changed
        self._ids = itertools.count(first_message_id)
        self._topics: dict[str, Topic] = {}
        self._backlogs: dict[str, Backlog] = {}

    # Topics

    def create_topic(self, topic: Topic) -> Topic:
        """Raises INVALID_ARGUMENT, ALREADY_EXISTS."""
        check_topic(topic)
        _check_free(topic.name, self._topics)
        self._topics[topic.name] = topic
        return topic

    def topic(self, name: str) -> Topic:
        """Raises NOT_FOUND."""
        return _found(name, self._topics)

    def topics(self) -> Sequence[Topic]:
        """All of them, by name."""
        return [self._topics[name] for name in sorted(self._topics)]

    def update_topic(self, topic: Topic) -> Topic:
        """Replace its settings. Raises INVALID_ARGUMENT, NOT_FOUND."""
        self.topic(topic.name)
        check_topic(topic)
        self._topics[topic.name] = topic
        return topic

    def delete_topic(self, name: str) -> None:
        """Its subscriptions stay, with what they have. Raises NOT_FOUND."""
        for backlog in self._backlogs_of(self.topic(name).name):
            backlog.settings = replace(backlog.settings, topic=DELETED_TOPIC)
        del self._topics[name]

    # Subscriptions

    def create_subscription(self, subscription: Subscription) -> Subscription:
        """It gets what is published from now on. Raises INVALID_ARGUMENT, ALREADY_EXISTS, NOT_FOUND."""
        check_subscription(subscription)
        _check_free(subscription.name, self._backlogs)
        self.topic(subscription.topic)
        self._check_dead_letter_topic(subscription)
        self._backlogs[subscription.name] = Backlog(subscription, self.faults)
        return subscription

    def subscription(self, name: str) -> Subscription:
        """Raises NOT_FOUND."""
        return self._backlog(name).settings

    def subscriptions(self) -> Sequence[Subscription]:
        """All of them, by name."""
        return [self._backlogs[name].settings for name in sorted(self._backlogs)]

    def update_subscription(self, subscription: Subscription, now: float) -> Subscription:
        """Replace its settings; topic and filter stay what they are. Raises INVALID_ARGUMENT, NOT_FOUND."""
        backlog = self._backlog(subscription.name)
        check_subscription(subscription)
        self._check_dead_letter_topic(subscription)
        backlog.settings = replace(subscription, topic=backlog.settings.topic, filter=backlog.settings.filter)
        self.advance(subscription.name, now)
        return backlog.settings

    def delete_subscription(self, name: str) -> None:
        """With everything it has; its streams end. Raises NOT_FOUND."""
        self._backlog(name)
        del self._backlogs[name]
        self._changed(name)

    # Messages

    def publish(self, topic: str, drafts: Sequence[Draft], now: float) -> Sequence[str]:
        """The ids of the new messages, in order. Raises INVALID_ARGUMENT, NOT_FOUND."""
        self.topic(topic)
        check_drafts(drafts)
        fault = self.faults.strike(topic, PUBLISH_FAULTS)
        if fault is not None and fault.kind is FaultKind.PUBLISH_REFUSE:
            raise RefusedError(Status.UNAVAILABLE, "Refused on order. Publish again.")
        ids = self._spread(topic, drafts, now)
        if fault is not None:
            raise RefusedError(Status.UNAVAILABLE, "The reply was lost on order. Publish again.")
        return ids

    def pull(self, subscription: str, count_max: int, now: float) -> Sequence[Delivery]:
        """Lease what is ready; nothing, if nothing is. Raises INVALID_ARGUMENT, NOT_FOUND."""
        backlog = self._backlog(subscription)
        if count_max < 1:
            raise invalid("max_messages must be 1 or more.")
        taken = backlog.take(now, count_max=min(count_max, BATCH_MAX), lease_s=backlog.settings.ack_deadline_s)
        self._settle(backlog, now)
        return taken

    def open_stream(self, stream: Stream) -> None:
        """From now on it has its share of the messages. Raises INVALID_ARGUMENT, NOT_FOUND."""
        check_stream_lease(stream.lease_s)
        self._backlog(stream.subscription).streams.append(stream)

    def close_stream(self, stream: Stream) -> None:
        """What it holds stays leased until the deadline. Others may now get more."""
        backlog = self._backlogs.get(stream.subscription)
        if backlog is not None and stream in backlog.streams:
            backlog.streams.remove(stream)
            self._changed(stream.subscription)

    def take(self, stream: Stream, now: float) -> Sequence[Delivery]:
        """Lease what is ready for a stream, which then is the last to be asked. Raises NOT_FOUND, UNAVAILABLE."""
        backlog = self._backlog(stream.subscription)
        if stream not in backlog.streams:
            raise not_found(stream.subscription)  # Deleted and made anew.
        taken = backlog.take(now, count_max=BATCH_MAX, lease_s=stream.lease_s, stream=stream)
        if taken:
            backlog.streams.remove(stream)
            backlog.streams.append(stream)
        self._settle(backlog, now)
        if taken and self.faults.strike(stream.subscription, STREAM_FAULTS) is not None:
            raise RefusedError(Status.UNAVAILABLE, "The stream was broken on order. Open it again.")
        return taken

    def hungry(self, subscription: str) -> Sequence[Stream]:
        """The streams that would get something now, in the order in which they are to be asked."""
        backlog = self._backlogs.get(subscription)
        return [stream for stream in backlog.streams if stream.room > 0] if backlog and backlog.has_ready else []

    def acknowledge(self, subscription: str, ack_ids: Sequence[str], now: float) -> None:
        """These messages are done. Raises INVALID_ARGUMENT, NOT_FOUND."""
        backlog = self._backlog(subscription)
        check_ack_ids(ack_ids)
        backlog.acknowledge(ack_ids, now)
        self._settle(backlog, now)

    def modify(self, subscription: str, ack_ids: Sequence[str], seconds: int, now: float) -> None:
        """New deadlines; 0 gives the messages back. Raises INVALID_ARGUMENT, NOT_FOUND."""
        backlog = self._backlog(subscription)
        check_ack_ids(ack_ids)
        check_lease(seconds)
        backlog.modify(ack_ids, seconds, now)
        self._settle(backlog, now)

    def seek(self, subscription: str, time: float, now: float) -> None:
        """Older messages count as acknowledged, kept newer ones do not. Raises NOT_FOUND."""
        backlog = self._backlog(subscription)
        backlog.seek(time, now)
        self._settle(backlog, now)

    # Time

    def advance(self, subscription: str, now: float) -> None:
        """Do what is due. Raises NOT_FOUND."""
        backlog = self._backlog(subscription)
        backlog.advance(now)
        self._settle(backlog, now)

    def next_due(self, subscription: str) -> float | None:
        """When `advance` has something to do; None: not before something else happens, or never."""
        backlog = self._backlogs.get(subscription)
        return backlog.next_due if backlog else None

    def has_ready(self, subscription: str) -> bool:
        """Whether `pull` would get something now."""
        backlog = self._backlogs.get(subscription)
        return backlog is not None and backlog.has_ready

    def is_gone(self, subscription: str) -> bool:
        """Whether whoever still waits for it waits in vain."""
        return subscription not in self._backlogs

    # Inside

    def _spread(self, topic: str, drafts: Sequence[Draft], now: float) -> Sequence[str]:
        backlogs = self._backlogs_of(topic)
        messages = [self._message(draft, now) for draft in drafts]
        for backlog in backlogs:
            for message in messages:
                backlog.add(message, now)
            self._settle(backlog, now)
        return [message.id for message in messages]

    def _message(self, draft: Draft, now: float) -> Message:
        return Message(
            id=str(next(self._ids)),
            published_at=now,
            data=draft.data,
            attributes=draft.attributes,
            ordering_key=draft.ordering_key,
            size=size(draft),
        )

    def _settle(self, backlog: Backlog, now: float) -> None:
        """Move what failed too often to the dead letters, and tell who waits."""
        for entry in backlog.exhausted():
            policy = backlog.settings.dead_letter
            if policy is None or policy.topic not in self._topics:
                backlog.retry(entry, now)
            else:
                backlog.remove(entry)
                self._spread(policy.topic, [_dead_letter(entry, backlog.settings)], now)
        self._changed(backlog.settings.name)

    def _backlog(self, name: str) -> Backlog:
        return _found(name, self._backlogs)

    def _backlogs_of(self, topic: str) -> Sequence[Backlog]:
        return [backlog for backlog in self._backlogs.values() if backlog.settings.topic == topic]

    def _check_dead_letter_topic(self, subscription: Subscription) -> None:
        if subscription.dead_letter is not None:
            self.topic(subscription.dead_letter.topic)


def _dead_letter(entry: Entry, source: Subscription) -> Draft:
    """The message with a note of where it comes from, in the words of the service."""
    _, project, _, name = source.name.split("/")
    published = datetime.fromtimestamp(entry.message.published_at, UTC)
    note = {
        "CloudPubSubDeadLetterSourceDeliveryCount": str(entry.deliveries),
        "CloudPubSubDeadLetterSourceSubscription": name,
        "CloudPubSubDeadLetterSourceSubscriptionProject": project,
        "CloudPubSubDeadLetterSourceTopicPublishTime": published.isoformat(timespec="milliseconds").replace(
            "+00:00", "Z"
        ),
    }
    message = entry.message
    return Draft(data=message.data, attributes={**message.attributes, **note}, ordering_key=message.ordering_key)


def _found(name: str, table: Mapping[str, Resource]) -> Resource:
    try:
        return table[name]
    except KeyError:
        raise not_found(name) from None


def _check_free(name: str, table: Mapping[str, object]) -> None:
    if name in table:
        raise RefusedError(Status.ALREADY_EXISTS, f"Resource already exists (resource={name}).")
