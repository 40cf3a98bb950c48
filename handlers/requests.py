"""The bodies of requests, as the Checkout contract writes them, and the faults of those that are not so.

Fields that we do not know are tolerated, as the contract does; card data is refused before this (`handlers.body`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Final, Literal, Self, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from handlers.cards import is_card_field, refusal
from handlers.errors import Fault, RequestError, invalid, required
from psp.card_numbers import has_card_number, hides_card_number
from psp.money import FRACTION_DIGITS, Money

#: The largest integer that every JSON reader has exactly (RFC 8259, section 6).
_INTEGER_MAX: Final = 2**53 - 1
#: Faults told at once.
_FAULTS_MAX: Final = 10

PARAMETERS_MAX: Final = 32
#: Characters.
PARAMETER_NAME_MAX: Final = 128
#: Banks of the first 3-D Secure send thousands.
PARAMETER_VALUE_MAX: Final = 8192
#: Half of a character, which JSON can write and nothing else can carry.
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

#: Ids of operations and of commercetools resources in a path. Nothing that changes the meaning of a URL.
ID_PATTERN: Final = r"^[A-Za-z0-9_-]{1,128}$"
_OPAQUE: Final = r"^[A-Za-z0-9_.-]+$"
_ID: Final = re.compile(ID_PATTERN, re.ASCII)


def _kept(text: str) -> str:
    """Ids and tokens are full of digits and may hide what they like; this stands in commercetools and at the PSP."""
    if hides_card_number(text):
        raise ValueError("The text holds what looks like a card number. Send it without.")
    return text


#: Text for people: everything but control characters.
_Text: TypeAlias = Annotated[str, Field(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$"), AfterValidator(_kept)]
_Id: TypeAlias = Annotated[str, Field(pattern=ID_PATTERN)]


class _Body(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, extra="ignore", frozen=True, strict=True, hide_input_in_errors=True
    )


class PaymentMethod(_Body):
    """How the shopper pays."""

    #: A payment method type, for example `card`.
    type: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    #: What the PSP's hosted fields gave the browser. This, or a stored method, for every method of the PSP.
    token: Annotated[
        Annotated[SecretStr, Field(min_length=1, max_length=512, json_schema_extra={"pattern": _OPAQUE})] | None,
        Field(json_schema_extra={"writeOnly": True, "format": "password"}),
    ] = None
    #: A stored method of the cart's customer.
    stored_payment_method_id: _Id | None = None
    #: The shopper's consent to have the method stored: nothing but `true` is one.
    store_payment_method: bool | None = None
    #: The buyer's number for it: with a purchase order, and perhaps with an invoice.
    po_number: _Text | None = None
    #: What the buyer has to say, kept beside the number.
    invoice_memo: (
        Annotated[str, Field(max_length=1024, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"), AfterValidator(_kept)]
        | None
    ) = None

    @field_validator("token")
    @classmethod
    def _conservative(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and re.fullmatch(_OPAQUE, token.get_secret_value(), re.ASCII) is None:
            raise ValueError("A token has only letters, digits, dots, dashes and underscores.")
        return token


class PaymentRequest(_Body):
    """POST /payments."""

    payment_method: PaymentMethod


class CompleteRequest(_Body):
    """POST /payments/{operation}/complete."""

    #: What the browser got from the action, as the PSP named it.
    parameters: dict[str, str] = Field(default_factory=dict)


class Amount(_Body):
    """commercetools' Money, cent precision only."""

    cent_amount: Annotated[int, Field(gt=0, le=_INTEGER_MAX)]
    currency_code: Annotated[str, Field(json_schema_extra={"enum": sorted(FRACTION_DIGITS)})]
    type: Literal["centPrecision"] | None = None
    fraction_digits: int | None = None

    @field_validator("currency_code")
    @classmethod
    def _known(cls, code: str) -> str:
        if code not in FRACTION_DIGITS:
            raise ValueError("The currency is not one of ISO 4217's. Send a code such as EUR.")
        return code

    @model_validator(mode="after")
    def _same_digits(self) -> Self:
        if self.fraction_digits not in (None, FRACTION_DIGITS[self.currency_code]):
            raise ValueError("The fraction digits are not the currency's. Leave them out, or send ISO 4217's.")
        return self

    def money(self) -> Money:
        return Money(amount=self.cent_amount, currency=self.currency_code)


class CaptureAction(_Body):
    action: Literal["capturePayment"]
    amount: Amount
    merchant_reference: _Text | None = None


class RefundAction(_Body):
    action: Literal["refundPayment"]
    amount: Amount
    merchant_reference: _Text | None = None
    #: The Charge to take it from.
    transaction_id: _Id | None = None


class CancelAction(_Body):
    action: Literal["cancelPayment"]
    merchant_reference: _Text | None = None


class ReverseAction(_Body):
    action: Literal["reversePayment"]
    merchant_reference: _Text | None = None


Action: TypeAlias = CaptureAction | RefundAction | CancelAction | ReverseAction
_ACTIONS: Final = ("capturePayment", "refundPayment", "cancelPayment", "reversePayment")


class TransactionRequest(_Body):
    """POST /operations/transactions."""

    type: Literal["Recurring"]
    cart_id: _Id
    #: Checkout's own name for it; the contract demands it, and we need it for nothing.
    checkout_transaction_item_id: _Id
    #: A stored method of the cart's customer.
    payment_method_id: _Id
    #: Of the cart; left out: all that is left of it to pay.
    amount: Amount | None = None
    #: Repeating a request with the same key repeats its answer and never charges twice.
    idempotency_key: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,255}$")] | None = None
    #: What the PSP's dashboard shows it by.
    future_order_number: _Text | None = None


class PaymentIntentRequest(_Body):
    """POST /operations/payment-intents/{id}."""

    #: Exactly one: two could half succeed.
    actions: Annotated[list[Annotated[Action, Field(discriminator="action")]], Field(min_length=1, max_length=1)]


_Model = TypeVar("_Model", bound=_Body)


def read(model: type[_Model], body: dict[str, object]) -> _Model:
    """The body as the model. Raises RequestError with every fault, each naming its field and none its value."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise RequestError(*map(_fault, faults[:_FAULTS_MAX])) from None


def path_id(name: str, value: str) -> str:
    """An id out of the path. Raises RequestError."""
    if has_card_number(value):
        raise refusal()
    if _ID.fullmatch(value) is None:
        raise invalid(name, "An id has 1 to 128 letters, digits, dashes and underscores.")
    return value


def parameters(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """What the browser brought back from a challenge or a redirect, free of card data. Raises RequestError."""
    field = "parameters"
    if len(pairs) > PARAMETERS_MAX:
        raise invalid(field, f"There are too many parameters. Send at most {PARAMETERS_MAX}.")
    for name, value in pairs:
        if is_card_field(name) or has_card_number(name) or has_card_number(value):
            raise refusal()
        if not name or len(name) > PARAMETER_NAME_MAX or len(value) > PARAMETER_VALUE_MAX:
            sizes = f"1 to {PARAMETER_NAME_MAX} characters, its value at most {PARAMETER_VALUE_MAX}"
            raise invalid(field, f"A parameter's name has {sizes}.")
        if not (name + value).isascii() and _SURROGATE.search(name + value):
            raise invalid(field, "A parameter has half a character. Send Unicode text.")
    found = dict(pairs)
    if len(found) != len(pairs):
        raise invalid(field, "A parameter's name is repeated. Send each name once.")
    return found


def _fault(detail: ErrorDetails) -> Fault:
    # Between an action's index and its fields pydantic puts the action's name, which is no part of the body's path.
    path = [str(part) for part in detail["loc"] if part not in _ACTIONS]
    match detail["type"]:
        case "missing":
            return required(".".join(path))
        case "union_tag_not_found":
            return required(".".join([*path, "action"]))
        case "union_tag_invalid":
            message = "There is no such action."
            return invalid(".".join([*path, "action"]), message, allowed_values=_ACTIONS).faults[0]
        case _:
            return invalid(".".join(path), detail["msg"].removeprefix("Value error, ")).faults[0]
