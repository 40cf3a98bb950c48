"""From what happened to what is published: envelopes, in the form that each subscription wants. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from sandbox.commercetools.documents import Document

#: Without configuration, larger messages lose their payload.
PAYLOAD_BYTES_MAX: Final = 256 * 1024
_CLOUD_EVENTS_VERSION: Final = "1.0"
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One Pub/Sub message still to be published."""

    subscription_id: str
    #: `projects/{project}/topics/{topic}`
    topic: str
    data: bytes
    attributes: dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """Something that subscriptions may want to hear: a message, or that a resource has changed."""

    project_key: str
    type_id: str
    #: In the URL, for CloudEvents' source.
    path: str
    resource_id: str
    #: `Message`, or `ResourceCreated`, `ResourceUpdated`, `ResourceDeleted`.
    notification_type: str
    #: The Platform form, whole.
    payload: Document
    #: The fields of the payload that may be left out where it is too large.
    droppable: frozenset[str] = frozenset()

    @property
    def message_type(self) -> str | None:
        return self.payload.get("type") if self.notification_type == "Message" else None


def deliveries(notices: Iterable[Notice], subscriptions: Iterable[Document], *, bytes_max: int) -> Iterator[Delivery]:
    """What must be published, by subscription, in the order in which it happened."""
    notices = list(notices)
    for subscription in subscriptions:
        for notice in notices:
            if _wants(subscription, notice):
                yield address(notice, subscription, bytes_max=bytes_max)


def _wants(subscription: Document, notice: Notice) -> bool:
    if notice.notification_type != "Message":
        return any(each["resourceTypeId"] == notice.type_id for each in subscription["changes"])
    return any(
        each["resourceTypeId"] == notice.type_id and (not each.get("types") or notice.message_type in each["types"])
        for each in subscription["messages"]
    )


def address(notice: Notice, subscription: Document, *, bytes_max: int) -> Delivery:
    """One notice to one subscription."""
    wrap = _FORMS[subscription["format"]["type"]]
    data = _encode(wrap(notice, notice.payload))
    if len(data) > bytes_max and notice.droppable:
        data = _encode(wrap(notice, _without_payload(notice)))
    return Delivery(
        subscription_id=subscription["id"],
        topic=topic_of(subscription),
        data=data,
        # The structured mode of the CloudEvents binding names its content type; Platform messages have no attributes.
        attributes={"content-type": "application/cloudevents+json"} if wrap is _cloud_event else {},
    )


def topic_of(subscription: Document) -> str:
    """The full name of the destination's topic."""
    destination = subscription["destination"]
    return f"projects/{destination['projectId']}/topics/{destination['topic']}"


def _encode(value: Document) -> bytes:
    return _ENCODER.encode(value).encode()


def _without_payload(notice: Notice) -> Document:
    rest = {name: value for name, value in notice.payload.items() if name not in notice.droppable}
    rest["payloadNotIncluded"] = {"reason": "Payload too large.", "payloadType": notice.payload["type"]}
    return rest


def _platform(_: Notice, payload: Document) -> Document:
    return payload


def _cloud_event(notice: Notice, payload: Document) -> Document:
    source = f"/{notice.project_key}/{notice.path}"
    event: Document = {"specversion": _CLOUD_EVENTS_VERSION, "source": source, "subject": notice.resource_id}
    if notice.notification_type == "Message":
        kind = f"message.{payload.get('type', notice.message_type)}"
        event["id"] = payload["id"]
        event["time"] = payload["createdAt"]
        event["sequence"] = str(payload["sequenceNumber"])
        event["sequencetype"] = "Integer"
        event["dataref"] = f"/{notice.project_key}/messages/{payload['id']}"
    else:
        kind = f"change.{notice.notification_type}"
        event["id"] = f"{notice.resource_id}-{payload['version']}"
        event["time"] = payload["modifiedAt"]
    return {**event, "type": f"com.commercetools.{notice.type_id}.{kind}", "data": payload}


_FORMS: Final = {"Platform": _platform, "CloudEvents": _cloud_event}
