"""Sandbox Pay's vocabulary in ours, as data. A word without a row is never guessed: UnknownVocabularyError.

The list of event types is what the PSP publishes; a test compares the two.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final, TypeVar

from psp.errors import UnknownVocabularyError
from psp.facts import ActionType, Kind, State

Meaning = TypeVar("Meaning")


class Subject(enum.Enum):
    """What an event's object is."""

    PAYMENT = enum.auto()
    #: A capture, cancel, refund or dispute.
    OPERATION = enum.auto()


#: Event type -> what its object is. The facts come from the object's own status, not from the event's name.
EVENTS: Final[Mapping[str, Subject]] = {
    "payment.action_required": Subject.PAYMENT,
    "payment.pending": Subject.PAYMENT,
    "payment.authorized": Subject.PAYMENT,
    "payment.failed": Subject.PAYMENT,
    "payment.canceled": Subject.OPERATION,
    "payment.expired": Subject.OPERATION,
    "capture.pending": Subject.OPERATION,
    "capture.succeeded": Subject.OPERATION,
    "capture.failed": Subject.OPERATION,
    "refund.pending": Subject.OPERATION,
    "refund.succeeded": Subject.OPERATION,
    "refund.failed": Subject.OPERATION,
    "dispute.opened": Subject.OPERATION,
    "dispute.won": Subject.OPERATION,
    "dispute.lost": Subject.OPERATION,
}

#: A payment's status -> the state of its authorization, while nothing has been authorized.
UNAUTHORIZED: Final[Mapping[str, State]] = {
    "requires_action": State.PENDING,
    "approved_not_completed": State.PENDING,
    "pending": State.PENDING,
    "failed": State.FAILURE,
    "canceled": State.FAILURE,
    "expired": State.FAILURE,
}

#: The same once it has been: what is done with an authorization does not undo it.
AUTHORIZED: Final[Mapping[str, State]] = {
    "authorized": State.SUCCESS,
    "canceled": State.SUCCESS,
    "expired": State.SUCCESS,
}

#: What was done to a payment -> the kind of fact.
KINDS: Final[Mapping[str, Kind]] = {
    "capture": Kind.CHARGE,
    "cancel": Kind.CANCEL_AUTHORIZATION,
    "refund": Kind.REFUND,
    "dispute": Kind.CHARGEBACK,
}

#: An operation's status -> state. A dispute that is open has taken the money, but nobody has decided yet.
STATES: Final[Mapping[str, State]] = {
    "pending": State.PENDING,
    "succeeded": State.SUCCESS,
    "failed": State.FAILURE,
    "open": State.PENDING,
    "lost": State.SUCCESS,
    "won": State.REVERSED,
}

#: The same for an operation that had succeeded before: late failures undo it.
STATES_AFTER_SUCCESS: Final[Mapping[str, State]] = {
    "succeeded": State.SUCCESS,
    "failed": State.REVERSED,
}

#: What the shopper has to do.
ACTIONS: Final[Mapping[str, ActionType]] = {
    "challenge": ActionType.CHALLENGE,
    "redirect": ActionType.REDIRECT,
}


def meaning(table: Mapping[str, Meaning], word: str, *, what: str) -> Meaning:
    """The row of a word. Raises UnknownVocabularyError, which says where to add one."""
    if word not in table:
        raise UnknownVocabularyError(f"Unknown {what} {word[:60]!r}. Add its row to psp/sandbox/table.py, then replay.")
    return table[word]
