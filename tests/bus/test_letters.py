"""What is written on a dead letter, what is read from it, and when it replays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bus.attributes import theirs_of
from bus.letters import (
    FOR,
    PERSON,
    REPLAYS,
    Step,
    due_at,
    epitaph,
    for_person,
    for_replay,
    for_replay_by_person,
    next_step,
    read,
)
from bus.port import Cause, Delivery, again, dead
from bus.topics import LETTERS_KEPT_S, Topic

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FOREVER = timedelta(seconds=LETTERS_KEPT_S)
DELIVERY = Delivery(
    message_id="m-1",
    data=b"body",
    attributes={"type": "RefundPayment", "correlation_id": "c", "traceparent": ""},
    published_at=NOON,
    attempt=3,
)
#: What heals by itself, and how often it is tried.
HEALING = {cause: most for cause, most in REPLAYS.items() if most != 0}


def buried(ending, *, at=NOON, delivery=DELIVERY, topic=Topic.REFUND):
    """The letter as the bus delivers it."""
    return Delivery(
        message_id="l-1",
        data=delivery.data,
        attributes=epitaph(topic, delivery, ending, at),
        published_at=at,
        attempt=0,
    )


def letter(cause=Cause.OUTAGE, **more):
    return replace(read(buried(dead("down", cause, error="UnavailableError"))), **more)


def moved(**more):
    """A message that Pub/Sub moved by its own policy."""
    source = {
        "CloudPubSubDeadLetterSourceDeliveryCount": "100",
        "CloudPubSubDeadLetterSourceSubscription": "ctpay-refund",
        "CloudPubSubDeadLetterSourceSubscriptionProject": "p",
        "CloudPubSubDeadLetterSourceTopicPublishTime": "2026-03-01T11:00:00.000Z",
    }
    attributes = {**DELIVERY.attributes, **source, **more}
    return Delivery(message_id="l-2", data=b"body", attributes=attributes, published_at=NOON, attempt=0)


def test_a_letter_says_all_that_its_worker_knew():
    found = read(buried(dead("down", Cause.OUTAGE, error="UnavailableError"), at=NOON + timedelta(hours=1)))
    assert (found.id, found.data, found.origin) == ("l-1", b"body", Topic.REFUND)
    assert (found.cause, found.reason, found.error) == (Cause.OUTAGE, "down", "UnavailableError")
    assert (found.type, found.correlation_id, found.attempts, found.replays) == ("RefundPayment", "c", 3, 0)
    assert (found.published_at, found.first_dead_at) == (NOON, NOON + timedelta(hours=1))
    assert found.dead_at == found.first_dead_at
    assert found.attributes["ctpay_message_id"] == "m-1"


def test_a_body_is_not_shown_with_the_rest():
    assert "body" not in repr(letter())


@pytest.mark.parametrize("cause", Cause)
def test_whose_a_letter_is_hangs_on_its_cause_alone(cause):
    mine = REPLAYS[cause] == 0
    assert (buried(dead("x", cause)).attributes.get(FOR) == PERSON) is mine
    assert letter(cause).is_for_person is mine
    assert (next_step(letter(cause), NOON + timedelta(hours=1)) is Step.LEFT) is mine


def test_the_causes_that_heal_are_these():
    assert HEALING == {Cause.OUTAGE: None, Cause.MISSING_PAYMENT: None, Cause.FAULT: None, Cause.UNTOLD: 10}


def test_an_ending_without_a_cause_is_for_a_person():
    assert read(buried(replace(again("x"), cause=None))).cause is Cause.POISON


@pytest.mark.parametrize("cause", HEALING)
def test_a_letter_waits_before_it_replays_and_every_time_longer_up_to_four_hours(cause):
    pauses = [due_at(letter(cause, replays=count)) - NOON for count in range(10)]
    assert pauses == [timedelta(minutes=min(2**count, 240)) for count in range(10)]
    for count, pause in enumerate(pauses):
        one = letter(cause, replays=count)
        assert next_step(one, NOON + pause - timedelta(seconds=1)) is Step.WAITS
        assert next_step(one, NOON + pause) is Step.REPLAYS


def test_a_letter_replays_for_as_long_as_letters_are_kept_from_its_first_death_and_then_goes_to_a_person():
    late = letter(replays=300, dead_at=NOON + FOREVER - timedelta(hours=5))
    assert next_step(late, NOON + FOREVER - timedelta(seconds=1)) is Step.REPLAYS
    assert next_step(late, NOON + FOREVER) is Step.HANDED_OVER
    given_up = read(replace(buried(dead("x")), attributes=for_person(late)))
    assert given_up.is_for_person
    assert (given_up.cause, given_up.reason, given_up.error) == (Cause.GIVEN_UP, "down", "UnavailableError")
    assert (given_up.origin, given_up.replays, given_up.first_dead_at) == (Topic.REFUND, 300, NOON)
    assert given_up.attributes["ctpay_message_id"] == "m-1"


def test_a_letter_that_pubsub_moved_is_read_and_replays():
    found = read(moved())
    assert (found.cause, found.reason, found.origin, found.attempts) == (Cause.UNTOLD, "", Topic.REFUND, 100)
    assert (found.published_at, found.first_dead_at) == (NOON - timedelta(hours=1), NOON)
    assert not found.is_for_person
    assert next_step(found, NOON + timedelta(minutes=1)) is Step.REPLAYS


def test_what_its_readers_die_of_goes_to_a_person_after_ten_replays():
    found = read(moved())
    for _ in range(10):
        assert next_step(found, NOON + timedelta(hours=5)) is Step.REPLAYS
        found = read(moved(**for_replay(found)))
    assert next_step(found, NOON) is Step.HANDED_OVER
    given_up = read(replace(moved(), attributes=for_person(found)))
    assert (given_up.cause, given_up.reason) == (Cause.GIVEN_UP, "its readers died or hung")


def test_replays_of_an_outage_do_not_count_towards_those_of_what_its_readers_die_of():
    after_an_outage = read(moved(**for_replay(letter(Cause.OUTAGE, replays=12))))
    assert (after_an_outage.cause, after_an_outage.replays, after_an_outage.untold_replays) == (Cause.UNTOLD, 13, 0)
    assert next_step(after_an_outage, NOON + timedelta(hours=5)) is Step.REPLAYS
    # And an outage in between does not make anybody forget them.
    tenth = read(moved(ctpay_untold_replays="9", ctpay_replays="9"))
    second = Delivery(message_id="m-2", data=b"body", attributes=for_replay(tenth), published_at=NOON, attempt=1)
    outage = read(buried(dead("down", Cause.OUTAGE), delivery=second))
    assert (outage.untold_replays, next_step(outage, NOON + timedelta(days=1))) == (10, Step.REPLAYS)
    assert next_step(read(moved(**for_replay(outage))), NOON) is Step.HANDED_OVER


def test_what_came_from_nowhere_goes_to_a_person():
    stray = read(Delivery(message_id="l", data=b"?", attributes={}, published_at=NOON, attempt=0))
    assert (stray.origin, next_step(stray, NOON)) == (None, Step.HANDED_OVER)
    handed = read(replace(moved(), attributes=for_person(stray)))
    assert (handed.cause, handed.reason, handed.is_for_person) == (Cause.POISON, "nobody knows its topic", True)
    assert handed.origin is None


def test_the_dead_letters_are_nobodys_origin():
    assert read(moved(CloudPubSubDeadLetterSourceSubscription="ctpay-dead-letters")).origin is None
    assert read(moved(CloudPubSubDeadLetterSourceSubscription="capture")).origin is Topic.CAPTURE


def test_a_replay_bears_the_original_attributes_its_history_and_not_why_it_died():
    once = read(buried(dead("down", Cause.OUTAGE), at=NOON + timedelta(hours=1)))
    assert for_replay(once) == {
        **DELIVERY.attributes,
        "ctpay_replays": "1",
        "ctpay_untold_replays": "0",
        "ctpay_published_at": NOON.isoformat(),
        "ctpay_first_dead_at": (NOON + timedelta(hours=1)).isoformat(),
    }


def test_history_outlives_every_further_death_whoever_buries_it():
    first = read(buried(dead("down", Cause.OUTAGE)))
    later = NOON + timedelta(hours=2)
    second = Delivery(message_id="m-2", data=b"body", attributes=for_replay(first), published_at=later, attempt=1)
    for found in (
        read(buried(dead("still", Cause.OUTAGE), at=later, delivery=second)),
        read(moved(**for_replay(first))),
    ):
        assert (found.replays, found.first_dead_at, found.published_at) == (1, NOON, NOON)
    assert read(moved(**for_replay(first))).cause is Cause.UNTOLD


def test_what_a_person_replays_has_its_original_attributes_and_begins_anew():
    """It was given up after a month; should it meet another outage, that is no older than any."""
    given_up = letter(replays=300, first_dead_at=NOON - FOREVER, dead_at=NOON - timedelta(days=3))
    again = for_replay_by_person(given_up)
    assert again == {**DELIVERY.attributes, "ctpay_published_at": NOON.isoformat()}
    second = Delivery(message_id="m-2", data=b"body", attributes=again, published_at=NOON, attempt=1)
    for found in (read(buried(dead("down", Cause.OUTAGE), delivery=second)), read(moved(**again))):
        assert (found.replays, found.first_dead_at, found.published_at) == (0, NOON, NOON)
        assert next_step(found, NOON + timedelta(minutes=1)) is Step.REPLAYS


def test_a_person_gets_what_heals_by_itself_no_earlier():
    poison = read(buried(dead("x", Cause.POISON)))
    healing = Delivery(message_id="m", data=b"", attributes=for_replay(poison), published_at=NOON, attempt=9)
    assert not read(buried(dead("down", Cause.OUTAGE), delivery=healing)).is_for_person


@pytest.mark.parametrize("count", [88, 89, 90, 96, 97, 100])
def test_a_hundred_attributes_of_somebody_elses_travel_on_a_letter_and_on_its_replay_and_die_again(count):
    crowd = {f"a-{number:03}": "x" for number in range(count)}
    delivery = replace(DELIVERY, attributes=crowd)
    for _ in range(2):
        letter = read(buried(dead("x"), delivery=delivery))
        delivery = replace(DELIVERY, attributes=for_replay(letter))
        for attributes in (letter.attributes, for_person(letter), delivery.attributes):
            assert len(attributes) <= 100
            assert theirs_of(attributes) == crowd
    # Its worker gets the same again, unless the history left no room for all.
    assert (delivery.attributes.keys() >= crowd.keys()) is (count <= 96)


def test_values_fit_pubsubs_limits_and_are_text():
    written = epitaph(Topic.REFUND, DELIVERY, dead("ä" * 2000 + "\ud800", Cause.POISON), NOON)
    assert written["ctpay_reason"] == "ä" * 512
    assert epitaph(Topic.REFUND, DELIVERY, dead("\ud800"), NOON)["ctpay_reason"] == "?"


OURS = (
    "worker",
    "cause",
    "reason",
    "attempts",
    "replays",
    "untold_replays",
    "published_at",
    "first_dead_at",
    "dead_at",
    "for",
)
PUBSUBS = ("Subscription", "DeliveryCount", "TopicPublishTime")
NAMES = (
    st.sampled_from(OURS).map("ctpay_{}".format)
    | st.sampled_from(PUBSUBS).map("CloudPubSubDeadLetterSource{}".format)
    | st.sampled_from(["type", "other"])
)
TIMES = st.datetimes(timezones=st.none() | st.just(UTC)).map(datetime.isoformat)
VALUES = st.text(max_size=20) | TIMES | st.sampled_from([*Topic, *Cause, PERSON, "9" * 1000, "²", "-1", ""])


@settings(deadline=None)
@given(st.dictionaries(NAMES, VALUES))
@example({"ctpay_dead_at": "0001-01-01T00:00:00+14:00", "ctpay_worker": "refund"})
@example({"ctpay_first_dead_at": "9999-12-31T23:59:59.999999", "ctpay_replays": "9" * 1000})
def test_whatever_is_written_on_a_letter_it_is_read_has_a_next_step_and_loses_nothing(attributes):
    found = read(Delivery(message_id="l", data=b"?", attributes=attributes, published_at=NOON, attempt=0))
    assert found.first_dead_at <= found.dead_at <= NOON
    step = next_step(found, NOON + timedelta(hours=5))
    assert step is not Step.WAITS
    for written in (for_replay(found), for_replay_by_person(found), for_person(found)):
        assert {name: written.get(name) for name in ("type", "other")} == {
            name: attributes.get(name) for name in ("type", "other")
        }
    handed = read(Delivery(message_id="l", data=b"?", attributes=for_person(found), published_at=NOON, attempt=0))
    assert handed.is_for_person
    assert handed.origin is found.origin
