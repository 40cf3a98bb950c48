"""Somebody's attributes and ours on one message, within Pub/Sub's limits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.attributes import beside, theirs_of

OURS = {f"ctpay_{number}": "x" for number in range(11)}


def crowd(count, size):
    return {f"name-{number:03}": "x" * size for number in range(count)}


@pytest.mark.parametrize("count", [0, 3, 89])
def test_while_there_is_room_every_attribute_stands_under_its_own_name(count):
    theirs = crowd(count, 1024)
    assert beside(theirs, OURS) == theirs | OURS


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(TEXTS.filter(lambda name: not name.startswith(("ctpay_", "goog"))), TEXTS, max_size=11))
def test_where_there_is_none_whatever_they_say_nothing_of_theirs_is_lost(few):
    theirs = few | crowd(100 - len(few), 300)
    together = beside(theirs, OURS)
    assert len(together) <= 100
    assert all(len(value.encode()) <= 1024 for value in together.values())
    assert theirs_of(together) == theirs


def test_what_fits_nowhere_is_left_out_and_the_rest_is_not():
    theirs = crowd(99, 1024) | {"short": "1"}
    together = beside(theirs, OURS)
    assert len(together) <= 100
    kept = theirs_of(together)
    assert kept.items() < theirs.items()
    assert kept["short"] == "1"
    assert len(kept) == 81 + 8


@pytest.mark.parametrize("name", ["type", "correlation_id", "command_id", "reply_to", "traceparent"])
def test_what_is_read_on_the_way_shares_no_place(name):
    assert beside({name: ""} | crowd(99, 10), OURS)[name] == ""


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "[" * 1000, "1", '{"a": 1}', '{"": "a"}', '{"a": "\\ud800"}', '{"%s": "a"}' % ("x" * 257)],
)
def test_what_shares_a_place_and_was_not_written_by_us_is_nothing(text):
    assert theirs_of({"a": "own", "ctpay_shared_0": text}) == {"a": "own"}


def test_no_attribute_is_shared_that_pubsub_would_take_from_nobody():
    text = '{"long": "' + "x" * 1025 + '", "ctpay_for": "person", "goog": "1", "google-x": "1", "googclient_x": "1"}'
    assert theirs_of({"ctpay_shared_0": text[:1024], "ctpay_shared_1": text[1024:]}) == {"googclient_x": "1"}


def test_what_shares_a_place_says_nothing_else_than_what_stands_alone():
    text = '{"type": "RefundPayment", "fine": "1"}'
    assert theirs_of({"type": "CapturePayment", "ctpay_shared_0": text}) == {"type": "CapturePayment", "fine": "1"}
