"""What ctpay needs in a merchant's project: its two custom types and its Subscription, made once by `ctpay setup`.

Law: what exists is never overwritten. A type gets the fields it lacks; a field that is there in another form is the
merchant's to decide about. Running it again, or twice at once, is harmless.

This is the one place that uses the SDK's own client, which is synchronous: run it in a thread. The SDK mistakes several
answers (a 404, 409 or 429 becomes None) and sets no time limit, so the transport below judges every status first.
It also refuses plain http unless `OAUTHLIB_INSECURE_TRANSPORT` is set, which is for stand-ins and so for the caller.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import requests
from commercetools.platform.client import Client
from commercetools.platform.client.by_project_key_request_builder import ByProjectKeyRequestBuilder
from commercetools.platform.models.common import LocalizedString
from commercetools.platform.models.subscription import (
    GoogleCloudPubSubDestination,
    MessageSubscription,
    MessageSubscriptionResourceTypeId,
    Subscription,
    SubscriptionChangeDestinationAction,
    SubscriptionDraft,
    SubscriptionSetMessagesAction,
    SubscriptionUpdate,
    SubscriptionUpdateAction,
)
from commercetools.platform.models.type import (
    CustomFieldBooleanType,
    CustomFieldDateTimeType,
    CustomFieldNumberType,
    CustomFieldStringType,
    FieldDefinition,
    ResourceTypeId,
    Type,
    TypeAddFieldDefinitionAction,
    TypeDraft,
    TypeUpdate,
)
from commercetools.platform.models.type import FieldType as SdkFieldType
from commercetools.utils import BaseTokenSaver
from marshmallow import ValidationError
from pydantic import SecretStr
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from ct.client import segment
from ct.errors import ConflictError, DuplicateError, UnavailableError
from ct.fields import INTERACTION_TYPE, TRANSACTION_TYPE, CustomType, FieldType
from ct.wire import RETRIED, Limits, read_reply, refusal

SUBSCRIPTION_KEY: Final = "ctpay"

#: The messages the `commercetools` worker lives on.
_MESSAGES: Final = ("PaymentCreated", "PaymentTransactionAdded")

_PAYMENT: Final = MessageSubscriptionResourceTypeId.PAYMENT

_SDK_TYPES: Final[Mapping[FieldType, Callable[[], SdkFieldType]]] = {
    FieldType.STRING: CustomFieldStringType,
    FieldType.BOOLEAN: CustomFieldBooleanType,
    FieldType.NUMBER: CustomFieldNumberType,
    FieldType.DATE_TIME: CustomFieldDateTimeType,
}

_NOT_FOUND: Final = 404


class SetupError(Exception):
    """The project holds something that setup must not change. The message says what a person has to do."""


class Result(enum.StrEnum):
    """What setup did about one thing."""

    CREATED = "created"
    #: It was there; what it lacked was added.
    EXTENDED = "extended"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One row of what setup did."""

    #: `type` or `subscription`.
    resource: str
    key: str
    result: Result
    #: Names of what was added: fields, messages, or `destination`.
    added: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """The Google Cloud Pub/Sub topic that commercetools publishes to.

    commercetools' service account needs the role `roles/pubsub.publisher` on it; creating the Subscription proves it.
    """

    google_project: str
    topic: str


def set_up(
    *, api_url: str, project_key: str, token: SecretStr, destination: Destination, limits: Limits
) -> tuple[Record, ...]:
    """Makes what is missing and tells about everything. Blocks for seconds: call it in a thread.

    `token` is an access token with `manage_types` and `manage_subscriptions` (or `manage_project`).
    Raises SetupError, and the errors of `ct.errors`.
    """
    project = _client(api_url, token, limits).with_project_key(segment(project_key))
    try:
        return (
            *(_decided(partial(_set_up_type, project, wanted)) for wanted in (TRANSACTION_TYPE, INTERACTION_TYPE)),
            _decided(partial(_set_up_subscription, project, destination)),
        )
    except requests.RequestException as error:
        # Not chained: the SDK's errors hold the request, and the token with it.
        raise UnavailableError(
            f"commercetools cannot be reached at {api_url} ({type(error).__name__}). Check CTP_API_URL, then run "
            "`ctpay setup` again."
        ) from None
    except (ValidationError, ValueError):
        # Not told and not chained: the SDK repeats what it read, and some destinations have credentials in them.
        raise SetupError(
            f"The SDK cannot read what is there. Look at the types {TRANSACTION_TYPE.key} and {INTERACTION_TYPE.key} "
            f"and at the subscription {SUBSCRIPTION_KEY}, and remove what is not of `ctpay setup`."
        ) from None


def _decided(set_up_one: Callable[[], Record]) -> Record:
    """What was done; read and decided again where another setup was quicker, or our first try whose reply was lost."""
    try:
        return set_up_one()
    except (ConflictError, DuplicateError):
        return set_up_one()


def _set_up_type(project: ByProjectKeyRequestBuilder, wanted: CustomType) -> Record:
    types = project.types()
    found = types.with_key(wanted.key).get()
    if found is None:
        types.post(_type_draft(wanted))
        return Record(resource="type", key=wanted.key, result=Result.CREATED, added=tuple(wanted.fields))
    missing = missing_fields(found, wanted)
    if not missing:
        return Record(resource="type", key=wanted.key, result=Result.UNCHANGED, added=())
    actions = [TypeAddFieldDefinitionAction(field_definition=_field(name, wanted.fields[name])) for name in missing]
    types.with_key(wanted.key).post(TypeUpdate(version=found.version, actions=list(actions)))
    return Record(resource="type", key=wanted.key, result=Result.EXTENDED, added=missing)


def missing_fields(found: Type, wanted: CustomType) -> tuple[str, ...]:
    """Names of the fields that the type lacks. Raises SetupError where it is something else than we want."""
    if ResourceTypeId(wanted.resource) not in found.resource_type_ids:
        raise SetupError(
            f"The type {wanted.key} is not for {wanted.resource}. That cannot be changed: remove it, or rename its "
            "key, then run `ctpay setup` again."
        )
    there = {definition.name: definition for definition in found.field_definitions or ()}
    for name in wanted.fields.keys() & there.keys():
        definition, kind = there[name], wanted.fields[name]
        if definition.type.name != kind or definition.required:
            asked = "required " if definition.required else ""
            raise SetupError(
                f"The field {name} of the type {wanted.key} is a {asked}{definition.type.name}; ctpay needs an "
                f"optional {kind}. Remove the field from the type, then run `ctpay setup` again."
            )
    return tuple(name for name in wanted.fields if name not in there)


def _type_draft(wanted: CustomType) -> TypeDraft:
    return TypeDraft(
        key=wanted.key,
        name=LocalizedString(en=wanted.name),
        resource_type_ids=[ResourceTypeId(wanted.resource)],
        field_definitions=[_field(name, kind) for name, kind in wanted.fields.items()],
    )


def _field(name: str, kind: FieldType) -> FieldDefinition:
    return FieldDefinition(type=_SDK_TYPES[kind](), name=name, label=LocalizedString(en=name), required=False)


def _set_up_subscription(project: ByProjectKeyRequestBuilder, destination: Destination) -> Record:
    subscriptions = project.subscriptions()
    found = subscriptions.with_key(SUBSCRIPTION_KEY).get()
    if found is None:
        draft = SubscriptionDraft(
            key=SUBSCRIPTION_KEY,
            destination=_destination(destination),
            messages=[MessageSubscription(resource_type_id=_PAYMENT, types=list(_MESSAGES))],
        )
        subscriptions.post(draft)
        return Record(resource="subscription", key=SUBSCRIPTION_KEY, result=Result.CREATED, added=_MESSAGES)
    changes = _subscription_changes(found, destination)
    if not changes:
        return Record(resource="subscription", key=SUBSCRIPTION_KEY, result=Result.UNCHANGED, added=())
    update = SubscriptionUpdate(version=found.version, actions=list(changes.values()))
    subscriptions.with_key(SUBSCRIPTION_KEY).post(update)
    return Record(resource="subscription", key=SUBSCRIPTION_KEY, result=Result.EXTENDED, added=tuple(changes))


def _subscription_changes(found: Subscription, destination: Destination) -> dict[str, SubscriptionUpdateAction]:
    """What changes -> how. Messages that somebody added to our Subscription stay; the worker ignores them."""
    changes: dict[str, SubscriptionUpdateAction] = {}
    wanted = _destination(destination)
    if found.destination.serialize() != wanted.serialize():
        changes["destination"] = SubscriptionChangeDestinationAction(destination=wanted)
    messages = found.messages or []
    ours = next((one for one in messages if one.resource_type_id is _PAYMENT), None)
    heard = (ours.types or _MESSAGES) if ours is not None else ()  # no types at all: every message of the resource
    missing = [name for name in _MESSAGES if name not in heard]
    if missing:
        others = [one for one in messages if one is not ours]
        types = [*heard, *missing]
        changes["messages"] = SubscriptionSetMessagesAction(
            messages=[*others, MessageSubscription(resource_type_id=_PAYMENT, types=types)]
        )
    return changes


def _destination(destination: Destination) -> GoogleCloudPubSubDestination:
    return GoogleCloudPubSubDestination(project_id=destination.google_project, topic=destination.topic)


def _client(api_url: str, token: SecretStr, limits: Limits) -> Client:
    """The SDK's client with a token that we have, so that it needs neither our secret nor a guess at our scopes."""
    return Client(  # type: ignore[no-untyped-call]  # the SDK gives this constructor no types
        client_id="unused",
        client_secret="unused",  # noqa: S106 - not a secret: it is never sent
        scope=["unused"],
        url=api_url.rstrip("/"),
        token_url=api_url,
        token_saver=_Given(token),
        http_adapter=_Transport(limits),
    )


class _Given(BaseTokenSaver):
    """Hands the SDK its token."""

    def __init__(self, token: SecretStr) -> None:
        self._token = token

    def get_token(self, _client_id: str, _scopes: list[str]) -> dict[str, str]:
        return {"access_token": self._token.get_secret_value(), "token_type": "Bearer"}


class _Transport(HTTPAdapter):
    """HTTP with a time limit, retries, and our errors instead of the SDK's guesses.

    A write is retried too: what we create has a key, and an update names its version.
    """

    def __init__(self, limits: Limits) -> None:
        self._timeout_s = limits.timeout_s
        retry = Retry(
            total=limits.tries - 1,
            status_forcelist=RETRIED,
            allowed_methods=None,
            backoff_factor=limits.first_wait_s,
            backoff_max=limits.longest_wait_s,
            respect_retry_after_header=False,
        )
        super().__init__(max_retries=retry)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(request, *args, **{**kwargs, "timeout": self._timeout_s})
        absent = response.status_code == _NOT_FOUND and request.method == "GET"
        reply = read_reply(response.status_code, response.content)
        if reply is None:
            raise requests.exceptions.ContentDecodingError
        if not reply.good and not absent:
            raise refusal(reply, asked=f"{request.method} {request.path_url.partition('?')[0]}")
        return response
