"""The limits that the service sets on requests, checked as it does.

From https://cloud.google.com/pubsub/quotas and the comments in its `pubsub.proto`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from sandbox.pubsub.errors import RefusedError, Status, invalid
from sandbox.pubsub.model import DAY_S, MINUTE_S, Draft, Subscription, Topic

PUBLISH_MESSAGES_MAX: Final = 1000
PUBLISH_BYTES_MAX: Final = 10_000_000
#: What a message costs beside its texts: near enough to the encoding, and what flow control counts.
MESSAGE_OVERHEAD_BYTES: Final = 20
ATTRIBUTES_MAX: Final = 100
ATTRIBUTE_KEY_BYTES_MAX: Final = 256
ATTRIBUTE_VALUE_BYTES_MAX: Final = 1024
ORDERING_KEY_BYTES_MAX: Final = 1024
ACK_DEADLINE_S_MIN: Final = 10
ACK_DEADLINE_S_MAX: Final = 600
BACKOFF_S_MAX: Final = 600
ATTEMPTS_MIN: Final = 5
ATTEMPTS_MAX: Final = 100
RETENTION_S_MIN: Final = 10 * MINUTE_S
RETENTION_S_MAX: Final = 31 * DAY_S

_PROJECT: Final = re.compile(r"projects/[^/]+")
_RESOURCE: Final = re.compile(r"projects/[^/]+/(topics|subscriptions)/([A-Za-z][A-Za-z0-9._~%+-]{2,254})")
_ACK_ID: Final = re.compile(r"\d+-\d+")


def check_project(name: str) -> None:
    """`projects/{project}`."""
    if not _PROJECT.fullmatch(name):
        raise invalid(f"`{name}` is no project: write projects/PROJECT.")


def check_name(name: str, kind: str) -> None:
    """`projects/{project}/topics/{id}` or `.../subscriptions/{id}`; the id has its own rules."""
    found = _RESOURCE.fullmatch(name)
    if not found or found[1] != kind or found[2].startswith("goog"):
        raise invalid(
            f"`{name}` is no name: write projects/PROJECT/{kind}/ID. The id has 3 to 255 characters, letters, digits "
            "and -._~%+, starts with a letter and not with goog."
        )


def check_topic(topic: Topic) -> None:
    """Raises RefusedError for the first fault."""
    check_name(topic.name, "topics")
    if topic.retention_s is not None:
        _check_retention(topic.retention_s)


def check_subscription(subscription: Subscription) -> None:
    """Raises RefusedError for the first fault. Its filter is checked where it is compiled."""
    check_name(subscription.name, "subscriptions")
    if not ACK_DEADLINE_S_MIN <= subscription.ack_deadline_s <= ACK_DEADLINE_S_MAX:
        raise invalid(f"The ack deadline must be {ACK_DEADLINE_S_MIN} to {ACK_DEADLINE_S_MAX} seconds.")
    _check_retention(subscription.retention_s)
    if subscription.ttl_s is not None and subscription.ttl_s < max(DAY_S, subscription.retention_s):
        raise invalid("The expiration policy's ttl must be a day or more, and not below the message retention.")
    retry = subscription.retry
    if retry is not None and not 0 <= retry.backoff_s_min <= retry.backoff_s_max <= BACKOFF_S_MAX:
        raise invalid(f"The retry policy must have 0 <= minimum <= maximum backoff <= {BACKOFF_S_MAX} seconds.")
    dead_letter = subscription.dead_letter
    if dead_letter is not None:
        check_name(dead_letter.topic, "topics")
        if not ATTEMPTS_MIN <= dead_letter.attempts_max <= ATTEMPTS_MAX:
            raise RefusedError(Status.OUT_OF_RANGE, f"max_delivery_attempts must be {ATTEMPTS_MIN} to {ATTEMPTS_MAX}.")


def check_drafts(drafts: Sequence[Draft]) -> None:
    """What may be published in one request."""
    if not 1 <= len(drafts) <= PUBLISH_MESSAGES_MAX:
        raise invalid(f"A request publishes 1 to {PUBLISH_MESSAGES_MAX} messages, not {len(drafts)}.")
    for draft in drafts:
        _check_draft(draft)
    total = sum(map(size, drafts))
    if total > PUBLISH_BYTES_MAX:
        raise invalid(f"The request has {total} bytes; {PUBLISH_BYTES_MAX} are the most. Publish less at once.")


def check_lease(seconds: int) -> None:
    """A new deadline for messages that are out; 0 gives them back."""
    if not 0 <= seconds <= ACK_DEADLINE_S_MAX:
        raise invalid(f"An ack deadline must be 0 to {ACK_DEADLINE_S_MAX} seconds.")


def check_stream_lease(seconds: int) -> None:
    """The deadline that a stream sets for what it gets."""
    if not ACK_DEADLINE_S_MIN <= seconds <= ACK_DEADLINE_S_MAX:
        raise invalid(f"A stream's ack deadline must be {ACK_DEADLINE_S_MIN} to {ACK_DEADLINE_S_MAX} seconds.")


def check_ack_ids(ack_ids: Sequence[str]) -> None:
    """Whether they could be ours; one that has expired is no fault."""
    for ack_id in ack_ids:
        if not _ACK_ID.fullmatch(ack_id):
            raise invalid(f"`{ack_id[:40]}` is no ack id. Send back what came with the message.")


def size(draft: Draft) -> int:
    """Bytes."""
    texts = sum(len(key.encode()) + len(value.encode()) for key, value in draft.attributes.items())
    return len(draft.data) + texts + len(draft.ordering_key.encode()) + MESSAGE_OVERHEAD_BYTES


def _check_draft(draft: Draft) -> None:
    if not draft.data and not draft.attributes:
        raise invalid("A message needs data or at least one attribute.")
    if len(draft.attributes) > ATTRIBUTES_MAX:
        raise invalid(f"A message has {ATTRIBUTES_MAX} attributes at most.")
    if len(draft.ordering_key.encode()) > ORDERING_KEY_BYTES_MAX:
        raise invalid(f"An ordering key has {ORDERING_KEY_BYTES_MAX} bytes at most.")
    for key, value in draft.attributes.items():
        # What starts with googclient_ is the official clients' own: trace context.
        reserved = key.startswith("goog") and not key.startswith("googclient_")
        if reserved or not 1 <= len(key.encode()) <= ATTRIBUTE_KEY_BYTES_MAX:
            raise invalid(
                f"An attribute's key has 1 to {ATTRIBUTE_KEY_BYTES_MAX} bytes and no goog at its start: `{key[:40]}`."
            )
        if len(value.encode()) > ATTRIBUTE_VALUE_BYTES_MAX:
            raise invalid(f"An attribute's value has {ATTRIBUTE_VALUE_BYTES_MAX} bytes at most: `{key}`.")


def _check_retention(seconds: float) -> None:
    if not RETENTION_S_MIN <= seconds <= RETENTION_S_MAX:
        raise invalid(f"The message retention must be {RETENTION_S_MIN} to {RETENTION_S_MAX} seconds.")
