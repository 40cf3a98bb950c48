"""What Pub/Sub does, shown through the official client on the stand-in and on Google's emulator alike."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from google.api_core.exceptions import NotFound
from google.protobuf.field_mask_pb2 import FieldMask
from google.pubsub_v1 import types
from support.pubsub_gaps import known_gap
from support.pubsub_wire import PROJECT, Wire, status

#: A second and a bit: how late a timer may be on a busy machine before it is wrong.
LATE_S = 1.5


class TestTopics:
    def test_a_topic_is_there_from_its_creation_until_its_deletion(self, wire: Wire):
        name = wire.topic(labels={"team": "payments"})
        assert wire.publisher.get_topic(topic=name).labels == {"team": "payments"}
        assert name in [topic.name for topic in wire.publisher.list_topics(project=f"projects/{PROJECT}")]
        wire.publisher.delete_topic(topic=name)
        assert status(lambda: wire.publisher.get_topic(topic=name)) == "NOT_FOUND"

    def test_a_name_is_given_once(self, wire: Wire):
        topic, subscription = wire.both()
        again = {"name": subscription, "topic": topic}
        assert status(lambda: wire.publisher.create_topic(name=topic)) == "ALREADY_EXISTS"
        assert status(lambda: wire.subscriber.create_subscription(request=again)) == "ALREADY_EXISTS"

    @pytest.mark.parametrize("name", ["ab", "1abc", "goog-x", "with space", "with/slash"])
    def test_a_name_follows_the_rules(self, wire: Wire, name: str):
        call = lambda: wire.publisher.create_topic(name=f"projects/{PROJECT}/topics/{name}")  # noqa: E731
        assert status(call) == "INVALID_ARGUMENT"

    def test_what_is_missing_is_not_found(self, wire: Wire):
        topic, subscription = wire.topic_name(), wire.subscription_name()
        created = {"name": subscription, "topic": topic}
        assert status(lambda: wire.publish(topic, b"x")) == "NOT_FOUND"
        assert status(lambda: wire.publisher.delete_topic(topic=topic)) == "NOT_FOUND"
        assert status(lambda: wire.subscriber.create_subscription(request=created)) == "NOT_FOUND"
        assert status(lambda: wire.subscriber.get_subscription(subscription=subscription)) == "NOT_FOUND"
        assert status(lambda: wire.subscriber.delete_subscription(subscription=subscription)) == "NOT_FOUND"
        pull = {"subscription": subscription, "max_messages": 1}
        assert status(lambda: wire.subscriber.pull(request=pull, retry=None)) == "NOT_FOUND"


class TestSubscriptions:
    def test_its_settings_are_given_back(self, wire: Wire):
        topic, dead = wire.topic(), wire.topic()
        name = wire.subscription(
            topic,
            ack_deadline_seconds=30,
            message_retention_duration=timedelta(hours=1),
            expiration_policy={"ttl": timedelta(days=2)},
            filter='attributes.reply_to = "me"',
            retry_policy={"minimum_backoff": timedelta(seconds=1), "maximum_backoff": timedelta(seconds=60)},
            dead_letter_policy={"dead_letter_topic": dead, "max_delivery_attempts": 20},
        )
        found = wire.subscriber.get_subscription(subscription=name)
        assert (found.topic, found.ack_deadline_seconds) == (topic, 30)
        assert found.message_retention_duration == timedelta(hours=1)
        assert found.expiration_policy.ttl == timedelta(days=2)
        assert found.filter == 'attributes.reply_to = "me"'
        assert found.retry_policy.minimum_backoff == timedelta(seconds=1)
        assert found.retry_policy.maximum_backoff == timedelta(seconds=60)
        assert found.dead_letter_policy.dead_letter_topic == dead
        assert found.dead_letter_policy.max_delivery_attempts == 20

    def test_an_update_changes_what_its_mask_names_and_nothing_else(self, wire: Wire):
        _, name = wire.both(ack_deadline_seconds=30, labels={"a": "b"})
        changed = types.Subscription(name=name, ack_deadline_seconds=60)
        mask = FieldMask(paths=["ack_deadline_seconds"])
        wire.subscriber.update_subscription(subscription=changed, update_mask=mask)
        found = wire.subscriber.get_subscription(subscription=name)
        assert (found.ack_deadline_seconds, found.labels) == (60, {"a": "b"})

    def test_an_update_needs_a_mask_that_names_fields(self, wire: Wire):
        _, name = wire.both()
        changed = types.Subscription(name=name, ack_deadline_seconds=60)
        for paths in ([], ["no_such_field"]):
            mask = FieldMask(paths=paths)
            call = lambda: wire.subscriber.update_subscription(subscription=changed, update_mask=mask)  # noqa: B023, E731
            assert status(call) == "INVALID_ARGUMENT"

    def test_those_of_a_topic_are_listed_and_survive_it(self, wire: Wire):
        topic, name = wire.both()
        assert list(wire.publisher.list_topic_subscriptions(topic=topic)) == [name]
        wire.publisher.delete_topic(topic=topic)
        assert wire.subscriber.get_subscription(subscription=name).topic == "_deleted-topic_"
        listed = wire.subscriber.list_subscriptions(project=f"projects/{PROJECT}")
        assert name in [each.name for each in listed]

    @pytest.mark.parametrize(
        "settings",
        [
            {"ack_deadline_seconds": 601},
            {"retry_policy": {"maximum_backoff": timedelta(seconds=601)}},
            {"message_retention_duration": timedelta(minutes=9)},
            {"message_retention_duration": timedelta(days=32)},
        ],
        ids=str,
    )
    def test_its_bounds_are_kept(self, wire: Wire, settings: dict):
        topic = wire.topic()
        assert status(lambda: wire.subscription(topic, **settings)) == "INVALID_ARGUMENT"

    @pytest.mark.parametrize("attempts", [4, 101])
    def test_attempts_before_the_dead_letters_have_bounds_and_a_status_of_their_own(self, wire: Wire, attempts: int):
        topic = wire.topic()
        policy = {"dead_letter_topic": wire.topic(), "max_delivery_attempts": attempts}
        assert status(lambda: wire.subscription(topic, dead_letter_policy=policy)) == "OUT_OF_RANGE"

    def test_an_ack_deadline_is_ten_seconds_or_more(self, wire: Wire):
        topic = wire.topic()
        with known_gap(wire.server, "short ack deadline"):
            assert status(lambda: wire.subscription(topic, ack_deadline_seconds=9)) == "INVALID_ARGUMENT"

    def test_its_dead_letter_topic_must_be_there(self, wire: Wire):
        topic, missing = wire.topic(), wire.topic_name()
        assert (
            status(lambda: wire.subscription(topic, dead_letter_policy={"dead_letter_topic": missing})) == "NOT_FOUND"
        )


class TestPublishing:
    def test_a_message_arrives_whole(self, wire: Wire):
        topic, subscription = wire.both()
        before = datetime.now(UTC) - timedelta(seconds=1)
        [message_id] = wire.publish_messages(
            topic, [{"data": b"\x00\xff", "attributes": {"type": "Capture"}, "ordering_key": "payment-1"}]
        )
        found = wire.pull_one(subscription).message
        assert (found.message_id, found.data, dict(found.attributes)) == (message_id, b"\x00\xff", {"type": "Capture"})
        assert found.ordering_key == "payment-1"
        assert before < found.publish_time < datetime.now(UTC) + timedelta(seconds=1)

    def test_every_subscription_gets_every_message_from_its_creation_on(self, wire: Wire):
        topic, first = wire.both()
        wire.publish(topic, b"early")
        second = wire.subscription(topic)
        wire.publish(topic, b"late")
        assert {each.message.data for each in wire.pull_all(first, 2)} == {b"early", b"late"}
        assert wire.pull_one(second).message.data == b"late"

    def test_a_thousand_messages_go_in_one_request_and_have_ids_of_their_own(self, wire: Wire):
        topic, subscription = wire.both()
        ids = wire.publish(topic, *[b"x"] * 1000)
        assert len(set(ids)) == 1000
        assert len({each.message.message_id for each in wire.pull_all(subscription, 1000)}) == 1000

    @pytest.mark.parametrize("messages", [[], [{}], [{"data": b"x"}] * 1001], ids=["none", "empty", "1001"])
    def test_what_cannot_be_published_is_refused(self, wire: Wire, messages: list):
        topic = wire.topic()
        assert status(lambda: wire.publish_messages(topic, messages)) == "INVALID_ARGUMENT"

    @pytest.mark.parametrize(
        "attributes",
        [{"k" * 257: "v"}, {"k": "v" * 1025}, {"goog": "v"}, {f"k{n}": "v" for n in range(101)}],
        ids=["long key", "long value", "reserved key", "101"],
    )
    def test_attributes_have_limits(self, wire: Wire, attributes: dict[str, str]):
        topic = wire.topic()
        with known_gap(wire.server, "attribute limits"):
            refused = status(lambda: wire.publish_messages(topic, [{"data": b"x", "attributes": attributes}]))
            assert refused == "INVALID_ARGUMENT"

    def test_more_than_ten_megabytes_are_refused_with_an_answer(self, wire: Wire):
        topic = wire.topic()
        with known_gap(wire.server, "large publish unanswered"):
            assert status(lambda: wire.publish(topic, b"x" * 11_000_000, timeout=5)) == "INVALID_ARGUMENT"


class TestAcknowledging:
    def test_what_is_acknowledged_does_not_come_back(self, wire: Wire):
        topic, subscription = wire.both()
        wire.publish(topic, b"done")
        done = wire.pull_one(subscription)
        wire.modify(subscription, 1, done)
        wire.acknowledge(subscription, done)
        assert wire.pull(subscription, within_s=LATE_S) == []

    def test_what_is_not_acknowledged_comes_back_at_its_deadline_under_another_id(self, wire: Wire):
        topic, subscription = wire.both()
        wire.publish(topic, b"lost")
        first = wire.pull_one(subscription)
        wire.modify(subscription, 2, first)
        started = time.monotonic()
        second = wire.pull_one(subscription)
        assert 1.8 < time.monotonic() - started < 2 + LATE_S
        assert second.message.message_id == first.message.message_id
        assert second.ack_id != first.ack_id

    def test_a_deadline_can_be_put_off(self, wire: Wire):
        topic, subscription = wire.both()
        wire.publish(topic, b"slow")
        slow = wire.pull_one(subscription)
        wire.modify(subscription, 1, slow)
        wire.modify(subscription, 30, slow)
        assert wire.pull(subscription, within_s=1 + LATE_S) == []

    def test_a_nack_brings_it_back_at_once(self, wire: Wire):
        topic, subscription = wire.both()
        wire.publish(topic, b"again")
        wire.modify(subscription, 0, wire.pull_one(subscription))
        assert wire.pull_one(subscription, within_s=LATE_S).message.data == b"again"

    def test_an_acknowledgement_after_the_deadline_is_in_vain(self, wire: Wire):
        topic, subscription = wire.both()
        wire.publish(topic, b"late")
        late = wire.pull_one(subscription)
        wire.modify(subscription, 0, late)
        wire.acknowledge(subscription, late)
        assert wire.pull_one(subscription, within_s=LATE_S).message.data == b"late"

    def test_ids_and_deadlines_that_cannot_be_are_refused(self, wire: Wire):
        topic, subscription = wire.both()
        wire.publish(topic, b"x")
        good = wire.pull_one(subscription)
        bad = types.ReceivedMessage(ack_id="nonsense")
        assert status(lambda: wire.acknowledge(subscription, bad)) == "INVALID_ARGUMENT"
        assert status(lambda: wire.modify(subscription, 10, bad)) == "INVALID_ARGUMENT"
        assert status(lambda: wire.modify(subscription, -1, good)) == "INVALID_ARGUMENT"

    def test_a_deadline_is_put_off_by_ten_minutes_at_most(self, wire: Wire):
        topic, subscription = wire.both()
        wire.publish(topic, b"x")
        received = wire.pull_one(subscription)
        with known_gap(wire.server, "long lease"):
            assert status(lambda: wire.modify(subscription, 601, received)) == "INVALID_ARGUMENT"

    def test_without_a_dead_letter_policy_attempts_are_not_counted(self, wire: Wire):
        topic, subscription = wire.both()
        wire.publish(topic, b"x")
        assert wire.pull_one(subscription).delivery_attempt == 0


class TestRetrying:
    RETRY = {"minimum_backoff": timedelta(seconds=2), "maximum_backoff": timedelta(seconds=3)}  # noqa: RUF012

    def test_a_failure_waits_from_the_first_on(self, wire: Wire):
        topic, subscription = wire.both(retry_policy=self.RETRY)
        wire.publish(topic, b"x")
        wire.modify(subscription, 0, wire.pull_one(subscription))
        with known_gap(wire.server, "first nack at once"):
            assert wire.pull(subscription, within_s=1) == []

    def test_the_wait_is_within_the_bounds_and_the_message_comes(self, wire: Wire):
        topic, subscription = wire.both(retry_policy=self.RETRY)
        wire.publish(topic, b"x")
        wire.modify(subscription, 0, wire.pull_one(subscription))
        wire.modify(subscription, 0, wire.pull_one(subscription))
        started = time.monotonic()
        wire.pull_one(subscription)
        # The emulator doubles, then adds to it: its waits of 2 to 8 seconds were 3 to 5.
        assert 1.8 < time.monotonic() - started < 5 + LATE_S


class TestDeadLetters:
    def test_what_fails_too_often_moves_there_and_says_where_it_comes_from(self, wire: Wire):
        topic, dead = wire.topic(), wire.topic()
        grave = wire.subscription(dead)
        subscription = wire.subscription(
            topic, dead_letter_policy={"dead_letter_topic": dead, "max_delivery_attempts": 5}
        )
        wire.publish(topic, b"poison", type="Capture")
        attempts = []
        for _ in range(5):
            received = wire.pull_one(subscription)
            attempts.append(received.delivery_attempt)
            wire.modify(subscription, 0, received)
        # Asked for first, because the emulator moves it only when somebody asks.
        assert wire.pull(subscription, within_s=1) == []
        buried = wire.pull_one(grave).message
        assert attempts == [1, 2, 3, 4, 5]
        assert buried.data == b"poison"
        attributes = dict(buried.attributes)
        published = attributes.pop("CloudPubSubDeadLetterSourceTopicPublishTime")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", published)
        assert attributes == {
            "type": "Capture",
            "CloudPubSubDeadLetterSourceDeliveryCount": "5",
            "CloudPubSubDeadLetterSourceSubscription": subscription.rsplit("/", 1)[1],
            "CloudPubSubDeadLetterSourceSubscriptionProject": PROJECT,
        }


class TestFilters:
    def test_only_what_matches_is_delivered(self, wire: Wire):
        topic, subscription = wire.both(filter='attributes.reply_to = "me"')
        wire.publish(topic, b"theirs", reply_to="you")
        wire.publish(topic, b"mine", reply_to="me")
        with known_gap(wire.server, "filter ignored"):
            assert [each.message.data for each in wire.pull(subscription)] == [b"mine"]

    def test_a_filter_that_cannot_be_read_is_refused(self, wire: Wire):
        topic = wire.topic()
        with known_gap(wire.server, "filter unread"):
            assert status(lambda: wire.subscription(topic, filter="reply_to is me")) == "INVALID_ARGUMENT"


class TestStreams:
    def test_messages_flow_to_a_stream_that_is_open(self, wire: Wire):
        topic, subscription = wire.both()
        with wire.listening(subscription) as inbox:
            for number in range(20):
                wire.publish(topic, b"%d" % number)
                message = inbox.next()
                assert message.data == b"%d" % number
                message.ack()
        assert wire.pull(subscription, within_s=0.5) == []

    def test_a_stream_gets_no_more_than_it_can_hold(self, wire: Wire):
        topic, subscription = wire.both()
        wire.publish(topic, *[b"x"] * 20)
        # The stream itself, because the client holds surplus messages back.
        with wire.stream(subscription, max_outstanding_messages=3) as stream:
            first = stream.read()
            with known_gap(wire.server, "flow control ignored"):
                assert len(first) == 3
            stream.say(ack_ids=[first[0].ack_id])
            assert len(stream.read()) == 1

    def test_a_nack_on_a_stream_brings_the_message_back(self, wire: Wire):
        topic, subscription = wire.both()
        with wire.listening(subscription) as inbox:
            wire.publish(topic, b"x")
            first = inbox.next()
            first.nack()
            second = inbox.next()
            second.ack()
        assert second.message_id == first.message_id

    def test_readers_share_what_there_is(self, wire: Wire):
        topic, subscription = wire.both()
        with wire.listening(subscription) as one, wire.listening(subscription) as other:
            wire.publish(topic, b"warm up")
            deadline = time.monotonic() + 10
            seen = [0, 0]
            while 0 in seen and time.monotonic() < deadline:
                wire.publish(topic, *[b"x"] * 10)
                for index, inbox in enumerate((one, other)):
                    while not inbox.is_quiet_for(0.05):
                        seen[index] += 1
            assert 0 not in seen

    def test_what_a_lost_reader_held_comes_back_at_its_deadline(self, wire: Wire):
        topic, subscription = wire.both()
        wire.publish(topic, b"x")
        with wire.stream(subscription) as stream:
            [held] = stream.read()
            wire.modify(subscription, 2, held)
        # The emulator delivers it to the lost stream once more, and so takes another deadline.
        assert wire.pull_one(subscription, within_s=20).message.message_id == held.message.message_id

    def test_the_stream_ends_with_its_subscription(self, wire: Wire):
        topic, subscription = wire.both()
        with wire.listening(subscription) as inbox:
            wire.publish(topic, b"x")
            inbox.next().ack()
            wire.subscriber.delete_subscription(subscription=subscription)
            assert isinstance(inbox.future.exception(timeout=10), NotFound)


class TestSeeking:
    def test_to_the_future_drops_everything(self, wire: Wire):
        topic, subscription = wire.both()
        wire.publish(topic, b"old", b"older")
        request = {"subscription": subscription, "time": datetime.now(UTC) + timedelta(minutes=1)}
        wire.subscriber.seek(request=request)
        assert wire.pull(subscription, within_s=1) == []

    def test_to_the_past_brings_back_what_was_kept(self, wire: Wire):
        topic, subscription = wire.both(retain_acked_messages=True)
        before = datetime.now(UTC) - timedelta(minutes=1)
        wire.publish(topic, b"done")
        wire.acknowledge(subscription, wire.pull_one(subscription))
        wire.subscriber.seek(request={"subscription": subscription, "time": before})
        assert wire.pull_one(subscription).message.data == b"done"
