"""What commercetools answered when it was not yes: errors named by the reaction they need."""

from __future__ import annotations


class CommercetoolsError(Exception):
    """Something went wrong between us and commercetools. Caught by its subclasses, never raised itself."""


class NotFoundError(CommercetoolsError):
    """There is no such resource (404)."""


class ConflictError(CommercetoolsError):
    """Somebody else changed the resource (409). Read it again and decide again; never resend the same actions."""


class DuplicateError(CommercetoolsError):
    """A unique value is taken (400 DuplicateField). Read the resource that has it."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class InvalidRequestError(CommercetoolsError):
    """commercetools will never accept this request (other 400s, 413). A fault of ours or of the set-up; see `code`."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class ForbiddenError(CommercetoolsError):
    """Our API client may not do this (401 after a fresh token, 403). Give it the scope that the message names."""


class UnavailableError(CommercetoolsError):
    """commercetools cannot be reached, or is overloaded, after our retries.

    A write may have had its effect: read again before deciding.
    """
