"""What is told of an error: the words that were written for it, or, of a bug, where it is and nothing that it quotes."""

from __future__ import annotations

import pytest
from support.house import open_house

from bus.port import PublishError
from ct.errors import UnavailableError
from ct.payment import UnreadablePaymentError
from psp.errors import RefusedError, UnknownVocabularyError, UnsupportedError
from workers.reason import reason_of
from workers.superseded import CartMovedError


def raised(error):
    try:
        raise error
    except type(error) as found:
        return found


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UnavailableError("It is away."), "UnavailableError: It is away."),
        (RefusedError(code="no", message="under sk_live_1"), "[secret]"),
        (CartMovedError("on the move"), "CartMovedError: on the move"),
        (PublishError("no bus"), "PublishError: no bus"),
        (TimeoutError("too long"), "TimeoutError: too long"),
        (UnknownVocabularyError("a new word"), "UnknownVocabularyError: a new word"),
        (UnreadablePaymentError("look at it"), "UnreadablePaymentError: look at it"),
        (UnsupportedError("not here"), "UnsupportedError: not here"),
    ],
)
async def test_words_for_people_are_told_without_what_is_secret_in_them(error, told):
    async with open_house() as house:
        assert told in reason_of(house.work, raised(error))
        assert "sk_live" not in reason_of(house.work, raised(error))


@pytest.mark.parametrize("kind", [RuntimeError, KeyError, AttributeError])
async def test_of_a_bug_its_kind_and_its_place_are_told_and_no_word_of_its_text(kind):
    async with open_house() as house:
        told = reason_of(house.work, raised(kind("opaque-canary-4711")))
        assert told.startswith(f"{kind.__name__}; raised at {__file__}:")
        assert "canary" not in told
        assert reason_of(house.work, kind("never raised, opaque-canary-4711")) == kind.__name__
