"""Words of the vocabulary that are stored in commercetools, lie in topics over a deployment, or are told to callers."""

from __future__ import annotations

import pytest

from psp.capabilities import Dropin
from psp.facts import ActionType, Kind, State
from psp.outcome import Outcome

WORDS = {
    Kind: {
        "AUTHORIZATION": "Authorization",
        "CANCEL_AUTHORIZATION": "CancelAuthorization",
        "CHARGE": "Charge",
        "REFUND": "Refund",
        "CHARGEBACK": "Chargeback",
    },
    State: {
        "INITIAL": "Initial",
        "PENDING": "Pending",
        "FAILURE": "Failure",
        "SUCCESS": "Success",
        "REVERSED": "Reversed",
    },
    ActionType: {"CHALLENGE": "challenge", "REDIRECT": "redirect"},
    Outcome: {
        "APPROVED": "approved",
        "REJECTED": "rejected",
        "REFUSED": "refused",
        "ACTION": "action",
        "PENDING": "pending",
        "NOT_FOUND": "not-found",
        "KEY_REUSED": "key-reused",
    },
    Dropin: {"EMBEDDED": "embedded", "HOSTED": "hpp"},
}


@pytest.mark.parametrize("enum", WORDS, ids=lambda enum: enum.__name__)
def test_a_word_that_is_stored_or_told_stays_what_it_is(enum):
    assert {one.name: one.value for one in enum} == WORDS[enum]
