"""Subscriptions: who hears of what, where, and in which form."""

from __future__ import annotations

from typing import Final

from sandbox.commercetools import checks
from sandbox.commercetools.checks import Shape
from sandbox.commercetools.documents import Document, words
from sandbox.commercetools.errors import bad, invalid_field, invalid_operation, required
from sandbox.commercetools.kinds import Action, Scalar, Tree, setter
from sandbox.commercetools.state import Desk, Message

#: As the platform limits them.
SUBSCRIPTIONS_MAX: Final = 50
_MESSAGE_TYPE_IDS: Final = words(
    "approval-flow approval-rule associate-role business-unit category customer customer-email-token customer-group"
    " customer-password-token inventory-entry order payment product product-selection product-tailoring quote"
    " quote-request review shopping-list staged-quote standalone-price store"
)
_CHANGE_TYPE_IDS: Final = words(
    "approval-flow approval-rule associate-role attribute-group business-unit cart cart-discount category channel"
    " customer customer-email-token customer-group customer-password-token discount-code discount-group extension"
    " inventory-entry key-value-document order order-edit payment product product-discount product-selection"
    " product-tailoring product-type quote quote-request recurrence-policy recurring-order review shipping-method"
    " shopping-list staged-quote standalone-price state store subscription tax-category type zone"
)
_TOPIC: Final = checks.text(low=3, high=255, pattern=r"[A-Za-z][A-Za-z0-9._~+%-]*")

_PUBSUB: Final = Shape(required={"type": checks.one_of("GoogleCloudPubSub"), "projectId": checks.NAME, "topic": _TOPIC})
_FORMATS: Final = {
    "Platform": Shape(required={"type": checks.ANY_TEXT}),
    "CloudEvents": Shape(required={"type": checks.ANY_TEXT, "cloudEventsVersion": checks.one_of("1.0")}),
}
_ELSEWHERE: Final = frozenset({"EventGrid", "AzureServiceBus", "ConfluentCloud", "EventBridge", "IronMQ", "SNS", "SQS"})


def _destination(value: object, where: str) -> Document:
    kind = checks.mapping(value, where).get("type")
    if kind in _ELSEWHERE:
        raise invalid_field(f"{where}.type", kind, "this stand-in delivers to GoogleCloudPubSub alone.")
    return _PUBSUB(value, where)


def _format(value: object, where: str) -> Document:
    kind = checks.mapping(value, where).get("type")
    if kind is None:
        raise required(f"{where}.type")
    checks.one_of(*_FORMATS)(kind, f"{where}.type")
    return _FORMATS[str(kind)](value, where)


_MESSAGES: Final = checks.array(
    Shape(
        required={"resourceTypeId": checks.one_of(*_MESSAGE_TYPE_IDS)},
        optional={"types": checks.array(checks.NAME)},
    )
)
_CHANGES: Final = checks.array(Shape(required={"resourceTypeId": checks.one_of(*_CHANGE_TYPE_IDS)}))
_EVENTS: Final = checks.array(
    Shape(
        required={"resourceTypeId": checks.one_of("checkout", "import-api")},
        optional={"types": checks.array(checks.NAME)},
    )
)
DRAFT: Final = Shape(
    required={"destination": _destination},
    optional={
        "key": checks.KEY,
        "messages": _MESSAGES,
        "changes": _CHANGES,
        "events": _EVENTS,
        "format": _format,
    },
)
SEARCHABLE: Final[dict[str, Tree]] = {
    "destination": {"type": Scalar.TEXT, "projectId": Scalar.TEXT, "topic": Scalar.TEXT},
    "status": Scalar.TEXT,
}
INDEXED: Final = words("id key")


_WHAT: Final = ("messages", "changes", "events")


def create(draft: Document, desk: Desk) -> tuple[Document, list[Message]]:
    if len(desk.shelf("subscription")) >= SUBSCRIPTIONS_MAX:
        raise bad(
            "MaxResourceLimitExceeded",
            f"There are {SUBSCRIPTIONS_MAX} subscriptions already. Delete one first.",
            exceededResource="subscription",
        )
    made = {**{name: [] for name in _WHAT}, "format": {"type": "Platform"}, **draft, "status": "Healthy"}
    about_something(made)
    return made, []


def about_something(subscription: Document) -> None:
    if not any(subscription[name] for name in _WHAT):
        raise invalid_operation("A subscription needs at least one of messages, changes and events.")


def _change_destination(subscription: Document, action: Document, _: Desk) -> list[Message]:
    subscription.update(destination=action["destination"], status="Healthy")
    return []


def _set(name: str, check: checks.Check) -> Action:
    def apply(subscription: Document, action: Document, _: Desk) -> list[Message]:
        subscription[name] = action.get(name, [])
        about_something(subscription)
        return []

    return Action(shape=Shape(optional={name: check}), apply=apply)


ACTIONS: Final[dict[str, Action]] = {
    "changeDestination": Action(shape=Shape(required={"destination": _destination}), apply=_change_destination),
    "setChanges": _set("changes", _CHANGES),
    "setEvents": _set("events", _EVENTS),
    "setKey": setter("key", checks.KEY),
    "setMessages": _set("messages", _MESSAGES),
}
