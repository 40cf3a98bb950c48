"""Topics and subscriptions as the table wants them. What exists is left alone, and said where it differs."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from google.api_core.exceptions import AlreadyExists, GoogleAPIError, InvalidArgument, ServiceUnavailable
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import GoogleAuthError
from google.cloud import pubsub_v1
from google.protobuf.duration_pb2 import Duration

from bus.letters import FOR, PERSON
from bus.topics import FOR_PEOPLE, POLICIES, Names, Policy, Topic

if TYPE_CHECKING:
    from collections.abc import Iterator


_WEEK_S: Final = 7 * 24 * 3600

#: A person waits: what does not answer within this many seconds is not there.
_CALL_S: Final = 10.0
_PATIENCE: Final[dict[str, Any]] = {
    "timeout": _CALL_S,
    "retry": Retry(predicate=if_exception_type(ServiceUnavailable), initial=0.2, maximum=2.0, timeout=_CALL_S),
}

#: What decides whether, when and for how long a message is delivered to who pulls it.
_COMPARED: Final = (
    "topic",
    "ack_deadline_seconds",
    "message_retention_duration",
    "retry_policy",
    "dead_letter_policy",
    "expiration_policy",
    "filter",
    "push_config",
    "detached",
)


class ProvisionError(Exception):
    """Pub/Sub refused, or could not be reached. The text says what to check."""


class Found(enum.StrEnum):
    """What became of one resource."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    #: It exists and delivers otherwise than the table says. Change it by hand, or delete it and run again.
    DIFFERS = "differs"


@dataclass(frozen=True, kw_only=True, slots=True)
class Provisioned:
    """One topic or subscription."""

    name: str
    found: Found
    #: Pub/Sub's names of what differs.
    differences: tuple[str, ...] = ()


def ensure(names: Names) -> tuple[Provisioned, ...]:
    """Make what is missing. Blocks; run it in a thread. Raises ProvisionError."""
    try:
        with pubsub_v1.PublisherClient() as publisher, pubsub_v1.SubscriberClient() as subscriber:
            topics = tuple(_topic(publisher, names.topic(topic)) for topic in Topic)
            return (*topics, *_subscriptions(subscriber, names))
    except (GoogleAPIError, GoogleAuthError) as error:
        raise ProvisionError(
            f"Pub/Sub refused or could not be reached ({type(error).__name__}: {error}). Check GOOGLE_CLOUD_PROJECT, "
            "PUBSUB_EMULATOR_HOST, and the credentials of this machine, which need roles/pubsub.editor."
        ) from error


def _topic(publisher: Any, name: str) -> Provisioned:
    try:
        publisher.create_topic(request={"name": name}, **_PATIENCE)
    except AlreadyExists:
        return Provisioned(name=name, found=Found.UNCHANGED)
    return Provisioned(name=name, found=Found.CREATED)


def _subscriptions(subscriber: Any, names: Names) -> Iterator[Provisioned]:
    for topic in Topic:
        # Every ingress instance makes its own subscription on the results.
        if topic is Topic.RESULTS:
            continue
        yield _subscription(subscriber, _wanted(topic, names))
    yield _subscription(subscriber, _wanted_for_people(names))


def _subscription(subscriber: Any, wanted: dict[str, Any]) -> Provisioned:
    name = wanted["name"]
    try:
        subscriber.create_subscription(request=wanted, **_PATIENCE)
    except InvalidArgument:
        if wanted["message_retention_duration"].seconds <= _WEEK_S:
            raise
        # Google's emulator still has the older bound of a week; the service itself takes 31 days.
        return _subscription(subscriber, {**wanted, "message_retention_duration": Duration(seconds=_WEEK_S)})
    except AlreadyExists:
        existing = subscriber.get_subscription(request={"subscription": name}, **_PATIENCE)
        differences = _differences(existing, pubsub_v1.types.Subscription(wanted))
        found = Found.DIFFERS if differences else Found.UNCHANGED
        return Provisioned(name=name, found=found, differences=differences)
    return Provisioned(name=name, found=Found.CREATED)


def _wanted(topic: Topic, names: Names) -> dict[str, Any]:
    policy = POLICIES[topic]
    wanted = _settings(policy) | {"name": names.subscription(topic), "topic": names.topic(topic)}
    if policy.attempts_max is not None:
        wanted["dead_letter_policy"] = {
            "dead_letter_topic": names.topic(Topic.DEAD_LETTERS),
            "max_delivery_attempts": policy.attempts_max,
        }
    return wanted


def _wanted_for_people(names: Names) -> dict[str, Any]:
    only = {"filter": f'attributes.{FOR} = "{PERSON}"'}
    return _settings(FOR_PEOPLE) | only | {"name": names.for_people, "topic": names.topic(Topic.DEAD_LETTERS)}


def _settings(policy: Policy) -> dict[str, Any]:
    return {
        "ack_deadline_seconds": policy.ack_deadline_s,
        "message_retention_duration": Duration(seconds=policy.retention_s),
        "retry_policy": {
            "minimum_backoff": _duration(policy.backoff_s_min),
            "maximum_backoff": _duration(policy.backoff_s_max),
        },
        # Never: a worker that is switched off for a month finds its messages.
        "expiration_policy": {},
    }


def _differences(existing: Any, wanted: Any) -> tuple[str, ...]:
    return tuple(field for field in _COMPARED if getattr(existing, field) != getattr(wanted, field))


def _duration(seconds: float) -> Duration:
    return Duration(seconds=int(seconds), nanos=round(seconds % 1 * 1_000_000_000))
