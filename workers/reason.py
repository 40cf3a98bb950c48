"""What may be told of an error in logs, by commands and on Payments.

Law: only texts that were written to be told are. What a bug of ours raises may quote whatever it had in hand, secrets
included; its kind and its place will do.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Final

from bus.port import PublishError
from ct.errors import CommercetoolsError
from ct.payment import UnreadablePaymentError
from psp.errors import PspError, UnknownVocabularyError, UnsupportedError
from workers.superseded import CartMovedError

if TYPE_CHECKING:
    from workers.work import Work

#: Whose texts are for people. They may quote what others have said, so they are scrubbed.
_FOR_PEOPLE: Final = (
    CommercetoolsError,
    CartMovedError,
    PspError,
    PublishError,
    TimeoutError,
    UnknownVocabularyError,
    UnreadablePaymentError,
    UnsupportedError,
)


def reason_of(work: Work, error: Exception) -> str:
    """Why something could not be done, in words that may be told."""
    name = type(error).__name__
    if isinstance(error, _FOR_PEOPLE):
        return work.psp.scrub(f"{name}: {error}")
    places = [f"{frame.name} at {frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    return "; ".join([name, *places[-1:]])
