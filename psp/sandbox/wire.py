"""Sandbox Pay's JSON as it reaches us: what we read of it, and nothing else of it.

Fields that the PSP adds later do no harm; one that is missing or of another type is a ValueError.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

#: Minor units, as ISO 4217 counts them: this PSP deviates for no currency.
Units = Annotated[int, Field(strict=True, ge=0)]
#: It names the cause in headers and commands of ours, which take visible ASCII alone.
EventId = Annotated[str, Field(max_length=128, pattern=r"^[!-~]+$")]


class Wire(BaseModel):
    """The base of all. Errors name the field and not what was in it."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class CardJson(Wire):
    brand: str
    last4: str
    exp_month: int | None = None
    exp_year: int | None = None


class StoredJson(Wire):
    """A method that it keeps."""

    id: SecretStr


class ForgottenJson(Wire):
    object: Literal["stored_method"]
    deleted: Literal[True]


class ActionJson(Wire):
    type: str
    url: str


class FailureJson(Wire):
    code: str
    decline_code: str | None = None
    message: str


class OperationJson(Wire):
    """A capture, a cancel, a refund, or one round of a dispute."""

    object: str
    id: str
    payment: str
    amount: Units
    currency: str
    status: str
    metadata: dict[str, str]
    failure: FailureJson | None
    payment_metadata: dict[str, str]
    payment_amount_authorized: Units
    #: It succeeded then, even if it failed afterwards.
    succeeded_at: AwareDatetime | None
    updated: AwareDatetime
    #: Why, of a cancel.
    reason: str | None = None


class PaymentJson(Wire):
    object: Literal["payment"]
    id: str
    amount: Units
    currency: str
    status: str
    metadata: dict[str, str]
    card: CardJson
    action: ActionJson | None
    failure: FailureJson | None
    amount_authorized: Units
    authorized_at: AwareDatetime | None
    stored_method: StoredJson | None = None
    updated: AwareDatetime
    captures: tuple[OperationJson, ...] = ()
    cancels: tuple[OperationJson, ...] = ()
    refunds: tuple[OperationJson, ...] = ()
    disputes: tuple[OperationJson, ...] = ()


class PaymentListJson(Wire):
    data: tuple[PaymentJson, ...]


class LedgerJson(Wire):
    """A page of everything there is; each entry is read by itself, so that one nobody understands hides no other."""

    data: tuple[dict[str, object], ...]
    next_cursor: str | None


class ErrorBodyJson(Wire):
    code: str
    message: str
    decline_code: str | None = None
    #: The payment that was declined, where one was made.
    payment: PaymentJson | None = None


class ErrorJson(Wire):
    error: ErrorBodyJson


class EventJson(Wire):
    id: EventId
    type: str
    data: dict[str, object]
