"""The three kinds of PSP error, named by the reaction each one needs, and the two ways a webhook can be unusable.

A timeout is not a failure. Only `RefusedError` proves that nothing happened and nothing will.
"""

from __future__ import annotations


class PspError(Exception):
    """Something went wrong between us and the PSP. Caught by its three subclasses, never raised itself."""


class RefusedError(PspError):
    """The PSP answered definitely: no. Record the failure with its code; do not retry."""

    def __init__(self, *, code: str, message: str) -> None:
        super().__init__(f"The PSP refused: {message} ({code}).")
        self.code = code
        self.message = message


class RetryableError(PspError):
    """The request certainly had no effect. Send it again under the same key, after `retry_after` seconds if given."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class OutcomeUnknownError(PspError):
    """The request may have had its effect. Look it up, or repeat it under the same key; never call it a failure."""


class UnverifiedWebhookError(Exception):
    """The webhook bears no valid signature. Answer 401 and say no more."""


class UnknownVocabularyError(Exception):
    """The PSP used a word we have no row for. Keep the message where a person sees it; add the row; replay."""


class UnsupportedError(Exception):
    """The operation is not among the adapter's capabilities. Refuse it with this reason before anything is written."""
