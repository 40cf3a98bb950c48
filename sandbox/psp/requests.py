"""What callers may send: one strict model per route. Unknown fields are refused, so that a misspelling is noticed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, StringConstraints

Amount = Annotated[int, Field(strict=True, gt=0, le=10**12)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Metadata = Annotated[
    dict[
        Annotated[str, StringConstraints(min_length=1, max_length=40)],
        Annotated[str, StringConstraints(max_length=500)],
    ],
    Field(max_length=20),
]


class Request(BaseModel):
    """The base of all: frozen and strict about its fields."""

    # Errors must not repeat what was sent: it may be a token.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class CreatePayment(Request):
    """`POST /v1/payments`."""

    amount: Amount
    currency: Currency
    token: Text
    merchant_reference: Text
    return_url: HttpUrl
    metadata: Metadata = Field(default_factory=dict)
    description: Text | None = None
    capture_method: Literal["manual"] = "manual"
    #: The merchant's name for the customer for whom the card is to be kept.
    store_for: Text | None = None
    #: Who is there. A merchant alone needs a stored method, and nobody is challenged.
    initiator: Literal["shopper", "merchant"] = "shopper"


class ForgetMethod(Request):
    """`POST /v1/stored_methods/forget`. The id is not in the path, since paths are logged."""

    id: Text


class CompletePayment(Request):
    """`POST /v1/payments/{id}/complete`."""

    result: Text


class CreateCapture(Request):
    """`POST /v1/payments/{id}/captures`."""

    amount: Amount
    currency: Currency | None = None
    merchant_reference: Text
    metadata: Metadata = Field(default_factory=dict)


class CancelPayment(Request):
    """`POST /v1/payments/{id}/cancel`."""

    merchant_reference: Text
    metadata: Metadata = Field(default_factory=dict)


class CancelByReference(CancelPayment):
    """`POST /v1/cancels`."""

    payment_merchant_reference: Text


class CreateRefund(Request):
    """`POST /v1/payments/{id}/refunds`."""

    amount: Amount
    currency: Currency | None = None
    capture: Text | None = None
    merchant_reference: Text
    metadata: Metadata = Field(default_factory=dict)


class CreateToken(Request):
    """`POST /v1/tokens`, from the fields page only."""

    number: Annotated[str, StringConstraints(pattern=r"^[0-9 ]{12,23}$")]
    exp_month: Annotated[int, Field(strict=True, ge=1, le=12)]
    exp_year: Annotated[int, Field(strict=True, ge=2000, le=2099)]
    cvc: Annotated[str, StringConstraints(pattern=r"^[0-9]{3,4}$")]
    origin: Text | None = None
