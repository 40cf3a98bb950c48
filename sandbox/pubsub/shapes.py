"""Between the protobuf messages of `google.pubsub.v1` and the values of the core.

The generated classes come with google-cloud-pubsub and have no types: `Proto` is any of their instances. A field that
the core does not keep is refused, so that nobody relies on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp
from google.pubsub_v1 import types

from sandbox.pubsub.errors import RefusedError, Status, invalid
from sandbox.pubsub.model import DeadLetterPolicy, Delivery, Draft, RetryPolicy, Subscription, Topic

Proto: TypeAlias = Any

_NANOS: Final = 1_000_000_000
_ACK_DEADLINE_S: Final = 10
_ATTEMPTS: Final = 5
_RETENTION_S: Final = 7 * 24 * 3600
_TTL_S: Final = 31 * 24 * 3600

#: Fields that are understood, per message; what is only ever written by the service is passed over.
_KEPT: Final[Mapping[str, frozenset[str]]] = {
    "Topic": frozenset({"name", "labels", "message_retention_duration", "state", "satisfies_pzs"}),
    "Subscription": frozenset(
        {
            "name", "topic", "ack_deadline_seconds", "message_retention_duration", "retain_acked_messages", "labels",
            "expiration_policy", "filter", "dead_letter_policy", "retry_policy", "state",
            "topic_message_retention_duration",
        }
    ),
}  # fmt: skip
#: Fields that an update must leave alone.
_FIXED: Final = frozenset({"name", "topic", "filter"})


def raw(name: str) -> Proto:
    """The protobuf class of that name, without the Python dress that makes it several times as slow."""
    if name == "Empty":
        return Empty
    dressed = getattr(types, name)
    return type(dressed.pb(dressed()))


_RECEIVED: Final = raw("ReceivedMessage")


def topic_value(proto: Proto) -> Topic:
    """Raises RefusedError for fields that are not kept."""
    _check_kept(proto)
    kept = proto.HasField("message_retention_duration")
    return Topic(
        name=proto.name,
        labels=dict(proto.labels),
        retention_s=_seconds(proto.message_retention_duration) if kept else None,
    )


def topic_proto(topic: Topic) -> Proto:
    proto = raw("Topic")(name=topic.name, labels=topic.labels, state=types.Topic.State.ACTIVE)
    if topic.retention_s is not None:
        proto.message_retention_duration.CopyFrom(_duration(topic.retention_s))
    return proto


def subscription_value(proto: Proto) -> Subscription:
    """With the defaults of the service. Raises RefusedError for fields that are not kept."""
    _check_kept(proto)
    has = proto.HasField
    return Subscription(
        name=proto.name,
        topic=proto.topic,
        ack_deadline_s=proto.ack_deadline_seconds or _ACK_DEADLINE_S,
        retention_s=_seconds(proto.message_retention_duration) if has("message_retention_duration") else _RETENTION_S,
        retain_acked=proto.retain_acked_messages,
        labels=dict(proto.labels),
        ttl_s=_ttl_s(proto.expiration_policy) if has("expiration_policy") else _TTL_S,
        filter=proto.filter,
        dead_letter=_dead_letter(proto.dead_letter_policy) if has("dead_letter_policy") else None,
        retry=_retry(proto.retry_policy) if has("retry_policy") else None,
    )


def subscription_proto(subscription: Subscription) -> Proto:
    proto = raw("Subscription")(
        name=subscription.name,
        topic=subscription.topic,
        ack_deadline_seconds=subscription.ack_deadline_s,
        message_retention_duration=_duration(subscription.retention_s),
        retain_acked_messages=subscription.retain_acked,
        labels=subscription.labels,
        expiration_policy={},
        filter=subscription.filter,
        state=types.Subscription.State.ACTIVE,
    )
    if subscription.ttl_s is not None:
        proto.expiration_policy.ttl.CopyFrom(_duration(subscription.ttl_s))
    if subscription.dead_letter is not None:
        proto.dead_letter_policy.dead_letter_topic = subscription.dead_letter.topic
        proto.dead_letter_policy.max_delivery_attempts = subscription.dead_letter.attempts_max
    if subscription.retry is not None:
        proto.retry_policy.minimum_backoff.CopyFrom(_duration(subscription.retry.backoff_s_min))
        proto.retry_policy.maximum_backoff.CopyFrom(_duration(subscription.retry.backoff_s_max))
    return proto


def merged(current: Proto, change: Proto, mask: Proto) -> Proto:
    """The current resource with the masked fields of the change. Raises RefusedError for a mask that cannot be used."""
    if not mask.paths:
        raise invalid("update_mask must name at least one field.")
    fields = set(current.DESCRIPTOR.fields_by_name)
    for path in mask.paths:
        if path not in fields:
            raise invalid(f"update_mask names `{path}`, which is no field of the resource.")
        if path in _FIXED:
            raise invalid(f"`{path}` cannot be changed. Delete the resource and create it anew.")
    mask.MergeMessage(change, current, replace_message_field=True, replace_repeated_field=True)
    return current


def draft_value(proto: Proto) -> Draft:
    return Draft(data=proto.data, attributes=dict(proto.attributes), ordering_key=proto.ordering_key)


def delivery_proto(delivery: Delivery) -> Proto:
    message = delivery.message
    return _RECEIVED(
        ack_id=delivery.ack_id,
        delivery_attempt=delivery.attempt,
        message={
            "data": message.data,
            "attributes": message.attributes,
            "message_id": message.id,
            "publish_time": timestamp(message.published_at),
            "ordering_key": message.ordering_key,
        },
    )


def timestamp(time: float) -> Timestamp:
    """From seconds since 1970."""
    seconds = int(time)
    return Timestamp(seconds=seconds, nanos=round((time - seconds) * 1e6) * 1000)


def time_value(proto: Proto) -> float:
    """Seconds since 1970."""
    return float(proto.seconds + proto.nanos / _NANOS)


def _seconds(proto: Proto) -> float:
    return float(proto.seconds + proto.nanos / _NANOS)


def _duration(seconds: float) -> Duration:
    return Duration(seconds=int(seconds), nanos=round((seconds - int(seconds)) * _NANOS))


def _ttl_s(proto: Proto) -> float | None:
    """A policy without a ttl means never."""
    return _seconds(proto.ttl) if proto.HasField("ttl") else None


def _dead_letter(proto: Proto) -> DeadLetterPolicy:
    return DeadLetterPolicy(topic=proto.dead_letter_topic, attempts_max=proto.max_delivery_attempts or _ATTEMPTS)


def _retry(proto: Proto) -> RetryPolicy:
    usual = RetryPolicy()
    has = proto.HasField
    return RetryPolicy(
        backoff_s_min=_seconds(proto.minimum_backoff) if has("minimum_backoff") else usual.backoff_s_min,
        backoff_s_max=_seconds(proto.maximum_backoff) if has("maximum_backoff") else usual.backoff_s_max,
    )


def _check_kept(proto: Proto) -> None:
    kept = _KEPT[proto.DESCRIPTOR.name]
    for field, value in proto.ListFields():
        # An empty push configuration says: pull.
        if field.name not in kept and not (field.name == "push_config" and not value.ByteSize()):
            raise RefusedError(
                Status.UNIMPLEMENTED, f"This stand-in has no `{field.name}`. Leave it out, or use the real service."
            )
