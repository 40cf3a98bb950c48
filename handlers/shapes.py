"""The bodies of replies, as models: replies are built of them, and the OpenAPI document is generated from them."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Shape(BaseModel):
    """One body. What is not set is left out of it."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """What may be left out is never null, since it is left out instead."""
        found = handler(schema)
        properties = handler.resolve_ref_schema(found).get("properties", {})
        for name, told in properties.items():
            if "default" in told and told.pop("default") is None:
                (kind,) = (one for one in told.pop("anyOf") if one != {"type": "null"})
                properties[name] = told | kind
        return found

    def document(self) -> dict[str, object]:
        """The body as JSON has it."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Why(Shape):
    """Why something was not done."""

    #: The PSP's code, or ours where our law forbade it. Codes may be added.
    code: str
    #: For a person.
    message: str


class Step(Shape):
    """What the shopper has to do."""

    #: How to show it, for example in an iframe.
    type: str
    url: str


class PaymentReply(Shape):
    """Where a shopper's payment stands."""

    #: The commercetools Payment's id; null while there is none.
    payment_reference: str | None
    outcome: Literal["approved", "rejected", "pending", "action"]
    #: Names the payment in the addresses of its status and its completion.
    operation: str
    #: With `action`.
    action: Step | None = None
    #: With `rejected`.
    reason: Why | None = None
    #: Where to ask how it ended, where the reply did not wait for that.
    status_url: str | None = None


class IntentReply(Shape):
    """What became of a payment intent."""

    #: `approved`: done. `rejected`: not done, and it will not be. `received`: accepted, and its end is not known yet.
    outcome: Literal["approved", "rejected", "received"]
    #: With `rejected`.
    reason: Why | None = None


class TransactionError(Shape):
    """Why a transaction failed."""

    code: Literal["PaymentRejected"]
    #: For a person, with the PSP's code or ours.
    message: str


class TransactionStatus(Shape):
    #: `Pending`: accepted, and its end is not known yet; the Payment in commercetools will show it.
    state: Literal["Completed", "Failed", "Pending"]
    #: Empty but with `Failed`.
    errors: list[TransactionError]


class TransactionReply(Shape):
    """What became of a transaction without the shopper."""

    transaction_status: TransactionStatus
    #: The commercetools Payment, if there is one yet.
    payment_id: str | None = None


class Brand(Shape):
    #: For example `Visa`.
    key: str


class DisplayOptions(Shape):
    """What a customer recognises a method by. What is not known is left out."""

    end_digits: str | None = None
    brand: Brand | None = None
    expiry_month: int | None = None
    expiry_year: int | None = None


class StoredMethodReply(Shape):
    """One stored method. Its token is not in it: that is between commercetools, the connector and the PSP."""

    id: str
    #: A payment method type, for example `card`.
    type: str
    is_default: bool
    created_at: datetime
    display_options: DisplayOptions


class StoredMethodsReply(Shape):
    """The customer's methods, the newest first."""

    stored_payment_methods: list[StoredMethodReply]


class StoredMethodsConfig(Shape):
    is_enabled: bool


class ConfigurationReply(Shape):
    """What the browser library needs before it can show the PSP's fields; the PSP's own public values stand beside."""

    model_config = ConfigDict(extra="allow")

    psp: str
    #: Methods that the PSP has and the session allows.
    payment_methods: list[str]
    stored_payment_methods_config: StoredMethodsConfig


class Dropin(Shape):
    type: Literal["embedded", "hpp"]


class Component(Shape):
    #: A payment method type, for example `card`.
    type: str


class ComponentsReply(Shape):
    """What the browser library can show for this PSP."""

    dropins: list[Dropin]
    components: list[Component]
    express: list[Component]


class Health(enum.StrEnum):
    """How the connector is, in the contract's words."""

    #: Every check is up.
    OK = "OK"
    #: Some checks are down.
    PARTIAL = "Partially Available"
    #: Every check is down.
    UNAVAILABLE = "Unavailable"


class CheckReply(Shape):
    """One thing that was looked at."""

    name: str
    status: Literal["UP", "DOWN"]
    #: With `DOWN`: where to look. Reasons are in the connector's log alone.
    message: str | None = None


class StatusMetadata(Shape):
    name: str
    description: str


class StatusReply(Shape):
    """How the connector is."""

    status: Health
    timestamp: datetime
    version: str
    metadata: StatusMetadata
    checks: list[CheckReply]


class LiveReply(Shape):
    """The process runs."""

    status: Literal["live"]


class ReadyReply(Shape):
    """Whether this process should get requests."""

    status: Literal["ready", "not ready", "draining"]
    #: Names of the checks that failed.
    failed: list[str] | None = None


class AcceptedReply(Shape):
    """A webhook is taken in."""

    status: Literal["accepted"]


class FaultReply(Shape):
    """One thing that is wrong."""

    #: For programs. Codes may be added.
    code: str
    message: str
    #: The field's path, such as `actions.0.amount`.
    field: str | None = None
    allowed_values: list[str] | None = None


class ErrorReply(Shape):
    """What is answered instead of what was asked for."""

    #: The first error's.
    message: str
    status_code: int
    errors: list[FaultReply] = Field(min_length=1)
    #: With 401 and 403.
    error: str | None = None
    error_description: str | None = Field(default=None, alias="error_description")
    #: Where our law, or a key used twice, is the reason.
    reason: Why | None = None
    #: Where the refusal stands on a Payment.
    payment_reference: str | None = None
