"""The messages: commands (imperative, one worker each) and events (past tense), as versioned pydantic models.

What does not fit a model exactly is refused at decoding: a message is code's promise to other code, not user input.
Secrets travel here and nowhere else; their text form stays masked.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import (
    AwareDatetime,
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from bus.topics import Topic
from psp.facts import Instrument
from psp.money import Money
from psp.outcome import Standing
from psp.trace import carried

#: Raised by whoever gives a message anything that a process of this version would refuse.
VERSION: Final = 1
#: Bytes. A webhook of the largest size the ingress accepts fits with its base64; anything larger is not ours.
MESSAGE_BYTES_MAX: Final = 1_000_000

#: Goes into headers and logs: visible ASCII, as ours are, and those that we take from callers and PSPs.
Id: TypeAlias = Annotated[str, Field(max_length=128, pattern=r"^[!-~]+$")]
#: Of something in commercetools, and part of its address: `.` and `..` are none, nor is what leads elsewhere.
ResourceId: TypeAlias = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9_-]+$")]
#: Far from the ends of the calendar, where adding an hour fails.
Moment: TypeAlias = Annotated[
    AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))
]
Secret: TypeAlias = Annotated[SecretStr, PlainSerializer(SecretStr.get_secret_value, when_used="json")]


class MalformedMessageError(ValueError):
    """The bytes are none of our messages. Nothing will make them so: dead-letter them with this reason."""


class NewerMessageError(MalformedMessageError):
    """A message of a newer version, as there are while it is being deployed: not ours to judge, but that version's."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    version: Annotated[int, Field(ge=1, le=VERSION)] = VERSION
    #: One id for everything that follows from one request, in every log line and in commercetools' own.
    correlation_id: Id


class _Command(_Message):
    """What all commands have."""

    #: Names the operation; the same command redelivered bears the same id.
    command_id: Id
    #: When the ingress accepted it.
    accepted_at: Moment
    #: The ingress instance that waits for the result; None: nobody waits.
    reply_to: Id | None = None


class AuthorizePayment(_Command):
    """Hold the shopper's money for a cart."""

    type: Literal["AuthorizePayment"] = "AuthorizePayment"
    cart_id: ResourceId
    #: A hash of the caller's session: tells one shopper's attempts from another's, and is worth nothing to a thief.
    owner: Id
    #: The payment method type, for example `card`; of a stored method whatever its importer wrote.
    method: str = Field(min_length=1, max_length=128)
    #: What the PSP's hosted fields gave the browser; None: a stored method, or one that needs no token.
    token: Secret | None = None
    #: commercetools' id of the stored method to pay with.
    stored_method_id: ResourceId | None = None
    #: The shopper has consented to have the method stored.
    store: bool = False
    #: Who is there when the money is asked for.
    initiator: Literal["shopper", "merchant"] = "shopper"
    #: Of the cart's total; None: all that is left of it to pay.
    amount: Money | None = None
    #: What gift cards are to pay of the cart, whether they have done so already or not.
    gift_card_planned: Money | None = None
    #: For a purchase order or an invoice: the buyer's number for it, and what they wrote on it.
    po_number: str | None = Field(default=None, max_length=256)
    invoice_memo: str | None = Field(default=None, max_length=1024)
    #: The Payment's key where the caller gave an Idempotency-Key; None: the worker finds out which attempt this is.
    attempt_key: ResourceId | None = None
    #: Hash of what identifies the money, to notice a key that is reused for something else.
    request_hash: Id
    return_url: str = Field(max_length=4096)
    merchant_reference: str | None = Field(default=None, max_length=256)


class CompleteAuthorization(_Command):
    """Finish an authorization after the shopper's challenge or redirect."""

    type: Literal["CompleteAuthorization"] = "CompleteAuthorization"
    #: The command id of the AuthorizePayment.
    operation: Id
    cart_id: ResourceId
    #: As in AuthorizePayment; None where the shopper comes back by a signed return URL.
    owner: Id | None = None
    parameters: dict[str, str] = Field(default_factory=dict, max_length=32)


class _Modification(_Command):
    payment_id: ResourceId
    #: A transaction that a merchant put on the Payment and that this command carries out; None: we make our own.
    transaction_id: ResourceId | None = None
    merchant_reference: str | None = Field(default=None, max_length=256)
    request_hash: Id | None = None


class _OfAnAmount(_Modification):
    #: None only with `transaction_id`, which has the amount.
    amount: Money | None = None

    @model_validator(mode="after")
    def _says_how_much(self) -> Self:
        if self.amount is None and self.transaction_id is None:
            raise ValueError("an amount or a transaction_id is needed")
        return self


class CapturePayment(_OfAnAmount):
    """Take money that is authorized."""

    type: Literal["CapturePayment"] = "CapturePayment"


class RefundPayment(_OfAnAmount):
    """Give captured money back."""

    type: Literal["RefundPayment"] = "RefundPayment"
    #: The Charge to take it from; None: the Payment as a whole.
    charge_id: ResourceId | None = None


class CancelPayment(_Modification):
    """Release what is left of the authorization."""

    type: Literal["CancelPayment"] = "CancelPayment"


class ReversePayment(_Modification):
    """Undo everything: cancel what is left and refund what was captured."""

    type: Literal["ReversePayment"] = "ReversePayment"


class StorePaymentMethod(_Command):
    """Put what the PSP has stored on the customer's list."""

    type: Literal["StorePaymentMethod"] = "StorePaymentMethod"
    #: The Payment in whose course it was stored.
    payment_id: ResourceId
    token: Secret
    instrument: Instrument


class DeletePaymentMethod(_Command):
    """Take a stored method off its customer's list, and have the PSP forget it."""

    type: Literal["DeletePaymentMethod"] = "DeletePaymentMethod"
    method_id: ResourceId
    #: Whose it must be.
    customer_id: ResourceId


class PspNotification(_Message):
    """A webhook, its signature already verified, word for word."""

    type: Literal["PspNotification"] = "PspNotification"
    event_id: Id
    psp: Id
    headers: dict[str, str] = Field(max_length=16)
    body: Base64Bytes
    received_at: Moment


class OperationResult(_Message):
    """What became of a command, for the one who waits."""

    type: Literal["OperationResult"] = "OperationResult"
    command_id: Id
    #: The command's own: another request may wear the same idempotency key, and so the same id. None: it has none.
    request_hash: str | None = None
    reply_to: Id
    standing: Standing


Command: TypeAlias = (
    AuthorizePayment
    | CompleteAuthorization
    | CapturePayment
    | RefundPayment
    | CancelPayment
    | ReversePayment
    | StorePaymentMethod
    | DeletePaymentMethod
)


def request_hash_of(command: Command) -> str | None:
    """What tells two requests under one idempotency key apart; None for a command that has no such hash."""
    found: str | None = getattr(command, "request_hash", None)
    return found


Message: TypeAlias = Command | PspNotification | OperationResult

#: Every message travels on one topic.
TOPICS: Final[dict[type[Message], Topic]] = {
    AuthorizePayment: Topic.AUTHORIZE,
    CompleteAuthorization: Topic.AUTHORIZE,
    CapturePayment: Topic.CAPTURE,
    CancelPayment: Topic.CANCEL,
    ReversePayment: Topic.CANCEL,
    RefundPayment: Topic.REFUND,
    StorePaymentMethod: Topic.METHODS,
    DeletePaymentMethod: Topic.METHODS,
    PspNotification: Topic.WEBHOOK,
    OperationResult: Topic.RESULTS,
}


class _Newer(BaseModel):
    """What can be read of a message of any version to come."""

    model_config = ConfigDict(hide_input_in_errors=True)

    version: Annotated[int, Field(gt=VERSION)]
    type: Id
    correlation_id: Id


_decoder: Final[TypeAdapter[Message]] = TypeAdapter(Annotated[Message, Field(discriminator="type")])


def encode(message: Message) -> bytes:
    """The message as JSON, secrets included: for the bus alone."""
    return message.model_dump_json(exclude_none=True).encode()


def attributes(message: Message) -> dict[str, str]:
    """What can be read, filtered and listed without opening the message, and the trace that it is published for."""
    found = {"type": message.type, "correlation_id": message.correlation_id, **carried()}
    if not isinstance(message, PspNotification):
        # What a change in commercetools names as its cause: the log line of how the message ended bears it too.
        found["command_id"] = message.command_id
    if isinstance(message, OperationResult):
        found["reply_to"] = message.reply_to
    return found


def decode(data: bytes) -> Message:
    """The message in the bytes.

    Raises MalformedMessageError, whose text names fields and never quotes their values, and NewerMessageError.
    """
    if len(data) > MESSAGE_BYTES_MAX:
        raise MalformedMessageError(f"The message has {len(data)} bytes; {MESSAGE_BYTES_MAX} are the most.")
    try:
        # Strictly: `true` and "1" are no amounts of money.
        return _decoder.validate_json(data, strict=True)
    except ValidationError as error:
        if (newer := _newer_version(data)) is not None:
            raise NewerMessageError(f"A message of version {newer}; this process knows version {VERSION}.") from None
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'message'}: {fault['type']}" for fault in error.errors()[:5]
        )
        raise MalformedMessageError(f"Not a message of version {VERSION} ({faults}).") from None


def _newer_version(data: bytes) -> int | None:
    try:
        return _Newer.model_validate_json(data, strict=True).version
    except ValidationError:
        return None
