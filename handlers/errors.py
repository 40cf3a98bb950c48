"""Errors as the Checkout contract writes them, and one table from exception to status and code.

A message tells the caller what to do and never repeats what the caller sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bus.port import PublishError
from ct.callers import NotAllowedError, UnknownCallerError
from ct.errors import ForbiddenError, UnavailableError
from handlers.shapes import ErrorReply, FaultReply
from psp.errors import UnverifiedWebhookError


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing that is wrong."""

    #: One of the contract's codes, or commercetools' own where the contract has none.
    code: str
    message: str
    #: The field's path, such as `actions.0.amount`; None where no field is to blame.
    field: str | None = None
    allowed_values: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """What is answered instead of what was asked for."""

    status: int
    #: At least one.
    faults: tuple[Fault, ...]
    headers: Mapping[str, str]


class RequestError(Exception):
    """The request is wrong in itself. Answer the status and the faults; publish nothing."""

    def __init__(self, *faults: Fault, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(faults[0].message)
        self.faults = faults
        self.status = status
        self.headers = dict(headers or {})


def malformed(message: str) -> RequestError:
    """The body cannot be read as what it should be."""
    return RequestError(Fault(code="InvalidJsonInput", message=message))


def invalid(field: str, message: str, *, allowed_values: tuple[str, ...] | None = None) -> RequestError:
    """A field has a value that it cannot have."""
    return RequestError(Fault(code="InvalidField", message=message, field=field, allowed_values=allowed_values))


def required(field: str) -> Fault:
    """The fault of a missing field."""
    return Fault(code="RequiredField", message=f"The field {field!r} is missing. Send it.", field=field)


def unauthenticated(message: str) -> RequestError:
    """The caller does not say who it is."""
    return RequestError(Fault(code="access_denied", message=message), status=401)


def too_large(bytes_max: int) -> RequestError:
    """The body has more bytes than this route takes."""
    message = f"The body is too large. Send at most {bytes_max} bytes."
    return RequestError(Fault(code="ContentTooLarge", message=message), status=413)


def too_many(retry_after_s: int) -> RequestError:
    """The caller calls more often than it may."""
    message = f"There are too many requests. Try again in {retry_after_s} s, and then more slowly."
    fault = Fault(code="RateLimitExceeded", message=message)
    return RequestError(fault, status=429, headers={"Retry-After": str(retry_after_s)})


def not_found(message: str) -> RequestError:
    """There is nothing at this address."""
    return RequestError(Fault(code="ResourceNotFound", message=message), status=404)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    status: int
    code: str
    #: None: the exception's own, which is written for the caller.
    message: str | None = None
    #: Seconds after which another try makes sense; None: it makes none.
    retry_after_s: int | None = None


_UNEXPECTED: Final = _Row(
    status=500, code="General", message="Something went wrong here. Report the correlation id of this reply."
)

_ROWS: Final[Mapping[type[Exception], _Row]] = {
    UnknownCallerError: _Row(status=401, code="invalid_token"),
    NotAllowedError: _Row(status=403, code="insufficient_scope"),
    # Whoever forges webhooks learns nothing from us.
    UnverifiedWebhookError: _Row(status=401, code="access_denied", message="Unauthorized."),
    ForbiddenError: _Row(
        status=500, code="General", message="The connector lacks a scope in commercetools; its log names it."
    ),
    UnavailableError: _Row(
        status=503,
        code="ServiceUnavailable",
        message="commercetools could not be asked. Nothing was done; try again.",
        retry_after_s=1,
    ),
    PublishError: _Row(
        status=503,
        code="ServiceUnavailable",
        message="The request could not be accepted. Try again, with the same Idempotency-Key if it had one.",
        retry_after_s=1,
    ),
}

#: Statuses of errors about the caller, which the contract writes in two more fields.
_AUTH_STATUSES: Final = frozenset({401, 403})


def problem_of(error: Exception) -> Problem:
    """What is answered to an exception."""
    if isinstance(error, RequestError):
        return Problem(status=error.status, faults=error.faults, headers=error.headers)
    row = next((row for kind, row in _ROWS.items() if isinstance(error, kind)), _UNEXPECTED)
    fault = Fault(code=row.code, message=row.message or str(error))
    headers = {} if row.retry_after_s is None else {"Retry-After": str(row.retry_after_s)}
    return Problem(status=row.status, faults=(fault,), headers=headers)


def is_known(error: Exception) -> bool:
    """Whether the exception is one of ours, so that its message is fit for the log."""
    return isinstance(error, (RequestError, *_ROWS))


def body_of(problem: Problem) -> ErrorReply:
    """The contract's error body."""
    first = problem.faults[0]
    body = ErrorReply(message=first.message, status_code=problem.status, errors=[_entry(one) for one in problem.faults])
    if problem.status in _AUTH_STATUSES:
        return body.model_copy(update={"error": first.code, "error_description": first.message})
    return body


def _entry(fault: Fault) -> FaultReply:
    told = FaultReply(code=fault.code, message=fault.message)
    if fault.field is not None:
        told = told.model_copy(update={"field": fault.field})
    if fault.allowed_values is not None:
        told = told.model_copy(update={"allowed_values": list(fault.allowed_values)})
    return told
