"""What a caller is told of an exception, row by row."""

from __future__ import annotations

import pytest

from bus.port import PublishError
from ct.callers import NotAllowedError, UnknownCallerError
from ct.errors import ForbiddenError, UnavailableError
from handlers.errors import body_of, is_known, problem_of
from psp.errors import UnverifiedWebhookError

SCOPE = "The connector lacks a scope in commercetools; its log names it."
AWAY = "commercetools could not be asked. Nothing was done; try again."
REFUSED = "The request could not be accepted. Try again, with the same Idempotency-Key if it had one."
NEEDED = "The token lacks a scope for this project. It needs one of: a, b."
BUG = "Something went wrong here. Report the correlation id of this reply."
AGAIN = {"Retry-After": "1"}


@pytest.mark.parametrize(
    ("error", "status", "code", "message", "headers"),
    [
        (UnknownCallerError("Who?"), 401, "invalid_token", "Who?", {}),
        (NotAllowedError(needed=("a", "b")), 403, "insufficient_scope", NEEDED, {}),
        (UnverifiedWebhookError("secret detail"), 401, "access_denied", "Unauthorized.", {}),
        (ForbiddenError("secret detail"), 500, "General", SCOPE, {}),
        (UnavailableError("secret detail"), 503, "ServiceUnavailable", AWAY, AGAIN),
        (PublishError("secret detail"), 503, "ServiceUnavailable", REFUSED, AGAIN),
        (ZeroDivisionError("secret detail"), 500, "General", BUG, {}),
    ],
)
def test_an_exception_has_its_status_its_words_and_its_advice(error, status, code, message, headers):
    problem = problem_of(error)
    ((fault,), found) = (problem.faults, problem.headers)
    assert (problem.status, fault.code, fault.message, found) == (status, code, message, headers)
    told = body_of(problem).document()
    assert (told["statusCode"], told["message"], told["errors"]) == (
        status,
        message,
        [{"code": code, "message": message}],
    )
    # The contract has two more fields for errors about the caller, and for no others.
    about_the_caller = {"error": code, "error_description": message} if status in {401, 403} else {}
    assert {name: told[name] for name in ("error", "error_description") if name in told} == about_the_caller


def test_only_what_we_have_written_ourselves_goes_into_the_log_as_it_is():
    plain = (UnknownCallerError, UnverifiedWebhookError, ForbiddenError, UnavailableError, PublishError)
    assert all(is_known(error) for error in (NotAllowedError(needed=()), *(kind("x") for kind in plain)))
    assert not is_known(ValueError("x"))
