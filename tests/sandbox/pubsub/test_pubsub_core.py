"""The core on explicit times: leases, backoff, dead letters, flow control, retention, seeking."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.pubsub_core import DEAD, GRAVE, START, SUBSCRIPTION, TOPIC, Bench, bodies, retry

from sandbox.pubsub.errors import RefusedError, Status
from sandbox.pubsub.model import DAY_S, DELETED_TOPIC, DeadLetterPolicy, Draft, Subscription, Topic
from sandbox.pubsub.stream import Stream

FIVE = DeadLetterPolicy(topic=DEAD, attempts_max=5)


class TestLeases:
    def test_a_leased_message_is_nobody_elses(self):
        bench = Bench()
        bench.publish("a")
        assert bodies(bench.pull()) == ["a"]
        assert bench.pull(at=9.999) == []

    def test_it_comes_back_at_its_deadline_to_the_moment(self):
        bench = Bench()
        bench.publish("a")
        bench.pull()
        assert bench.next_due == 10
        assert bodies(bench.pull(at=10)) == ["a"]

    def test_a_deadline_counts_from_when_it_was_set(self):
        bench = Bench()
        bench.publish("a")
        [held] = bench.pull()
        bench.modify(30, held, at=8)
        assert bench.pull(at=37.9) == []
        assert bodies(bench.pull(at=38)) == ["a"]

    def test_a_deadline_can_be_brought_forward(self):
        bench = Bench()
        bench.publish("a")
        bench.modify(2, *bench.pull())
        assert bodies(bench.pull(at=2)) == ["a"]

    def test_a_lease_that_ran_out_can_neither_be_put_off_nor_acknowledged(self):
        bench = Bench()
        bench.publish("a")
        [late] = bench.pull()
        bench.modify(60, late, at=10)
        bench.acknowledge(late, at=10)
        assert bodies(bench.pull(at=10)) == ["a"]

    def test_an_acknowledged_message_is_gone_for_good(self):
        bench = Bench(retry=retry(1, 1))
        bench.publish("a")
        bench.nack(*bench.pull())
        bench.acknowledge(*bench.pull(at=1), at=2)
        assert bench.pull(at=100_000) == []

    def test_the_deadlines_of_what_is_done_do_not_pile_up(self):
        bench = Bench()
        for second in range(50):
            bench.publish(*["x"] * 100, at=second / 100)
            bench.acknowledge(*bench.pull(at=second / 100), at=second / 100)
        assert len(bench.broker._backlogs[SUBSCRIPTION]._deadlines) < 2000


class TestRetrying:
    def test_the_wait_doubles_from_the_first_failure_up_to_the_most(self):
        bench = Bench(retry=retry(2, 8))
        bench.publish("a")
        now, waits = 0.0, []
        for _ in range(5):
            bench.nack(*bench.pull(at=now), at=now)
            due = bench.next_due
            assert due is not None
            assert bench.pull(at=due - 0.001) == []
            waits.append(due - now)
            now = due
        assert waits == [2, 4, 8, 8, 8]

    def test_a_deadline_missed_waits_like_a_nack_and_from_the_deadline_on(self):
        bench = Bench(retry=retry(5, 60))
        bench.publish("a")
        bench.pull()
        bench.broker.advance(SUBSCRIPTION, START + 13)
        assert bench.pull(at=14.9) == []
        assert bodies(bench.pull(at=15)) == ["a"]

    def test_others_are_delivered_meanwhile(self):
        bench = Bench(retry=retry(5, 60))
        bench.publish("a", "b", "c")
        first, *_ = bench.pull(count=1)
        bench.nack(first)
        assert bodies(bench.pull()) == ["b", "c"]

    def test_after_hundreds_of_failures_the_wait_is_still_the_most(self):
        assert retry(0.1, 600).backoff_s(2000) == 600


class TestDeadLetters:
    def test_a_message_moves_after_its_last_failure_whether_nack_or_deadline(self):
        bench = Bench(dead_letter=FIVE, ack_deadline_s=10)
        bench.publish("nacked", "forgotten", kind="capture")
        attempts = []
        for round_ in range(5):
            delivered = bench.pull(at=10 * round_)
            attempts.append([each.attempt for each in delivered])
            bench.nack(*[each for each in delivered if each.message.data == b"nacked"], at=10 * round_)
        bench.broker.advance(SUBSCRIPTION, START + 50)
        buried = bench.pull(at=50, subscription=GRAVE)
        assert attempts == [[1, 1], [2, 2], [3, 3], [4, 4], [5, 5]]
        assert bodies(buried) == ["nacked", "forgotten"]
        assert buried[0].message.attributes == {
            "kind": "capture",
            "CloudPubSubDeadLetterSourceDeliveryCount": "5",
            "CloudPubSubDeadLetterSourceSubscription": "subscription",
            "CloudPubSubDeadLetterSourceSubscriptionProject": "p",
            "CloudPubSubDeadLetterSourceTopicPublishTime": "2023-11-14T22:13:20.000Z",
        }
        assert bench.pull(at=1000) == []

    def test_without_the_dead_letter_topic_it_goes_on_being_delivered(self):
        bench = Bench(dead_letter=FIVE)
        bench.publish("a")
        bench.broker.delete_topic(DEAD)
        for _ in range(20):
            bench.nack(*bench.pull())
        assert bodies(bench.pull()) == ["a"]

    def test_who_waits_on_the_dead_letters_is_told(self):
        bench = Bench(dead_letter=FIVE)
        bench.publish("a")
        for _ in range(5):
            delivered = bench.pull()
            bench.changed.clear()
            bench.nack(*delivered)
        assert bench.changed == [GRAVE, SUBSCRIPTION]

    def test_a_message_that_dies_into_its_own_topic_starts_anew(self):
        bench = Bench(dead_letter=DeadLetterPolicy(topic=TOPIC, attempts_max=5))
        bench.publish("a")
        for _ in range(5):
            bench.nack(*bench.pull())
        assert [each.attempt for each in bench.pull()] == [1]


class TestStreams:
    def test_a_stream_holds_no_more_messages_than_its_limit(self):
        bench = Bench()
        bench.publish(*"abcdef")
        stream = bench.stream(messages_max=2)
        first = bench.take(stream)
        assert bodies(first) == ["a", "b"]
        assert bench.take(stream) == []
        assert bench.broker.hungry(SUBSCRIPTION) == []
        bench.acknowledge(first[0])
        assert bench.broker.hungry(SUBSCRIPTION) == [stream]
        assert bodies(bench.take(stream)) == ["c"]

    def test_nack_and_deadline_make_room_too(self):
        bench = Bench(retry=retry(100, 100))
        bench.publish(*"abcd")
        stream = bench.stream(messages_max=2)
        held = bench.take(stream)
        bench.nack(held[0], at=1)
        assert bodies(bench.take(stream, at=1)) == ["c"]
        assert bodies(bench.take(stream, at=10)) == ["d"]

    def test_bytes_are_limited_and_one_message_too_large_still_comes(self):
        bench = Bench()
        bench.publish("x" * 500, "y" * 500)
        stream = bench.stream(bytes_max=100)
        [large] = bench.take(stream)
        assert bench.take(stream) == []
        bench.acknowledge(large)
        assert len(bench.take(stream)) == 1

    def test_streams_with_room_get_equal_shares_and_turns(self):
        bench = Bench()
        one, other = bench.stream(), bench.stream()
        bench.publish(*"abcdef")
        assert len(bench.take(one)) == 3
        assert bench.broker.hungry(SUBSCRIPTION) == [other, one]
        assert len(bench.take(other)) == 2
        assert bench.broker.hungry(SUBSCRIPTION) == [one, other]

    def test_what_a_closed_stream_held_stays_leased_until_its_deadline(self):
        bench = Bench()
        bench.publish("a")
        stream = bench.stream()
        bench.take(stream)
        bench.broker.close_stream(stream)
        assert bench.pull(at=9) == []
        assert bodies(bench.pull(at=10)) == ["a"]

    def test_the_stream_of_a_subscription_that_was_made_anew_is_told_to_go(self):
        bench = Bench()
        stream = bench.stream()
        bench.broker.delete_subscription(SUBSCRIPTION)
        assert bench.changed[-1] == SUBSCRIPTION
        bench.broker.create_subscription(Subscription(name=SUBSCRIPTION, topic=TOPIC))
        with pytest.raises(RefusedError) as refused:
            bench.take(stream)
        assert refused.value.status is Status.NOT_FOUND
        bench.broker.close_stream(stream)

    @pytest.mark.parametrize("lease_s", [0, 9, 601])
    def test_a_stream_sets_a_deadline_within_bounds(self, lease_s: int):
        with pytest.raises(RefusedError, match="10 to 600"):
            Bench().broker.open_stream(Stream(subscription=SUBSCRIPTION, lease_s=lease_s))

    def test_a_batch_ends_at_a_megabyte(self):
        bench = Bench()
        bench.publish(*["x" * 400_000] * 5)
        assert len(bench.take(bench.stream())) == 3


class TestRetention:
    def test_what_nobody_took_in_time_is_gone(self):
        bench = Bench(retention_s=600)
        bench.publish("old")
        bench.publish("new", at=300)
        assert bodies(bench.pull(at=601)) == ["new"]

    def test_a_message_that_grows_too_old_under_a_lease_does_not_come_back(self):
        bench = Bench(retention_s=600)
        bench.publish("a")
        bench.modify(600, *bench.pull(at=5), at=5)
        assert bench.pull(at=700) == []

    def test_kept_acknowledged_messages_grow_old_too(self):
        bench = Bench(retention_s=600, retain_acked=True)
        bench.publish("a")
        bench.acknowledge(*bench.pull())
        bench.broker.seek(SUBSCRIPTION, START, START + 601)
        assert bench.pull(at=601) == []


class TestSeeking:
    def test_what_is_older_is_done_even_under_a_lease(self):
        bench = Bench()
        bench.publish("leased", at=0)
        bench.pull()
        bench.publish("ready", at=1)
        bench.publish("young", at=2)
        bench.broker.seek(SUBSCRIPTION, START + 2, START + 3)
        assert bodies(bench.pull(at=100)) == ["young"]

    def test_what_was_kept_comes_back_and_stays_in_the_order_of_publishing(self):
        bench = Bench(retain_acked=True, retention_s=600)
        bench.publish("a", at=0)
        bench.publish("b", at=1)
        bench.acknowledge(*bench.pull(at=1), at=1)
        bench.publish("c", at=2)
        bench.broker.seek(SUBSCRIPTION, START + 1, START + 3)
        assert sorted(bodies(bench.pull(at=3))) == ["b", "c"]
        # Retention looks at the oldest first: b goes, c stays.
        assert bodies(bench.pull(at=601.5)) == ["c"]

    def test_without_keeping_nothing_comes_back(self):
        bench = Bench()
        bench.publish("a")
        bench.acknowledge(*bench.pull())
        bench.broker.seek(SUBSCRIPTION, START - 1, START + 1)
        assert bench.pull(at=1) == []


class TestResources:
    def test_a_filter_decides_before_anything_is_kept(self):
        bench = Bench(filter='attributes.reply_to = "me"')
        bench.publish("theirs", reply_to="you")
        bench.publish("mine", reply_to="me")
        assert bodies(bench.pull()) == ["mine"]

    def test_a_topic_made_anew_is_not_the_old_one(self):
        bench = Bench()
        bench.publish("old")
        bench.broker.delete_topic(TOPIC)
        bench.broker.create_topic(Topic(name=TOPIC))
        bench.publish("new")
        assert bench.broker.subscription(SUBSCRIPTION).topic == DELETED_TOPIC
        assert bodies(bench.pull()) == ["old"]

    def test_new_settings_hold_from_now_on_and_topic_and_filter_stay(self):
        bench = Bench(filter="attributes:k")
        settings = bench.broker.subscription(SUBSCRIPTION)
        changed = replace(settings, ack_deadline_s=60, topic=DEAD, filter="")
        bench.broker.update_subscription(changed, START)
        bench.publish("a", k="v")
        bench.publish("unfit")
        assert bodies(bench.pull()) == ["a"]
        assert bench.pull(at=59) == []
        assert bodies(bench.pull(at=60)) == ["a"]

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ({"ack_deadline_s": 9}, Status.INVALID_ARGUMENT),
            ({"ack_deadline_s": 601}, Status.INVALID_ARGUMENT),
            ({"retention_s": 599}, Status.INVALID_ARGUMENT),
            ({"retention_s": 32 * DAY_S}, Status.INVALID_ARGUMENT),
            ({"ttl_s": DAY_S - 1}, Status.INVALID_ARGUMENT),
            ({"ttl_s": 6 * DAY_S}, Status.INVALID_ARGUMENT),
            ({"retry": retry(-1, 1)}, Status.INVALID_ARGUMENT),
            ({"retry": retry(10, 5)}, Status.INVALID_ARGUMENT),
            ({"retry": retry(0, 601)}, Status.INVALID_ARGUMENT),
            ({"filter": "nonsense"}, Status.INVALID_ARGUMENT),
            ({"dead_letter": DeadLetterPolicy(topic=DEAD, attempts_max=4)}, Status.OUT_OF_RANGE),
            ({"dead_letter": DeadLetterPolicy(topic="dead")}, Status.INVALID_ARGUMENT),
            ({"dead_letter": DeadLetterPolicy(topic="projects/p/topics/none")}, Status.NOT_FOUND),
            ({"topic": "projects/p/topics/none"}, Status.NOT_FOUND),
            ({"name": "subscription"}, Status.INVALID_ARGUMENT),
            ({"name": TOPIC}, Status.INVALID_ARGUMENT),
            ({"name": SUBSCRIPTION}, Status.ALREADY_EXISTS),
        ],
        ids=str,
    )
    def test_what_the_service_refuses_is_refused_and_leaves_nothing(self, change: dict, status: Status):
        bench = Bench()
        before = bench.broker.subscriptions()
        wanted = replace(Subscription(name="projects/p/subscriptions/new", topic=TOPIC), **change)
        with pytest.raises(RefusedError) as refused:
            bench.broker.create_subscription(wanted)
        assert refused.value.status is status
        assert bench.broker.subscriptions() == before

    @pytest.mark.parametrize(
        "draft",
        [
            Draft(),
            Draft(data=b"x", ordering_key="k" * 1025),
            Draft(data=b"x", attributes={"": "v"}),
            Draft(data=b"x", attributes={"é" * 129: "v"}),
            Draft(data=b"x", attributes={"k": "é" * 513}),
            Draft(data=b"x" * 10_000_000),
        ],
        ids=["empty", "ordering key", "no key", "key in bytes", "value in bytes", "too large"],
    )
    def test_one_message_that_cannot_be_published_refuses_the_whole_request(self, draft: Draft):
        bench = Bench()
        with pytest.raises(RefusedError) as refused:
            bench.broker.publish(TOPIC, [Draft(data=b"good"), draft], START)
        assert refused.value.status is Status.INVALID_ARGUMENT
        assert bench.pull() == []

    def test_the_clients_own_trace_attributes_pass(self):
        bench = Bench()
        bench.publish("a", googclient_traceparent="00-1-2-01")
        assert bodies(bench.pull()) == ["a"]

    @pytest.mark.parametrize("ack_id", ["", "1", "a-1", "1-1 ", "projects/p/subscriptions/s:1"])
    def test_an_ack_id_of_another_shape_is_refused(self, ack_id: str):
        with pytest.raises(RefusedError, match="no ack id"):
            Bench().broker.acknowledge(SUBSCRIPTION, [ack_id], START)
