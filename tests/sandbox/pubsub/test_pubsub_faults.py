"""Faults on order: each strikes where it should, as often as it should, and a message is never lost by one."""

from __future__ import annotations

import pytest
from support.pubsub_core import SUBSCRIPTION, TOPIC, Bench, bodies, retry

from sandbox.pubsub.errors import RefusedError, Status
from sandbox.pubsub.faults import Fault, FaultKind


def test_a_refused_publish_has_no_effect_and_the_next_one_passes():
    bench = Bench()
    bench.plan(Fault(kind=FaultKind.PUBLISH_REFUSE, on=TOPIC))
    with pytest.raises(RefusedError) as refused:
        bench.publish("a")
    bench.publish("b")
    assert refused.value.status is Status.UNAVAILABLE
    assert bodies(bench.pull()) == ["b"]


def test_a_publish_whose_reply_is_lost_has_its_effect():
    bench = Bench()
    bench.plan(Fault(kind=FaultKind.PUBLISH_DROP_REPLY))
    with pytest.raises(RefusedError):
        bench.publish("a")
    assert bodies(bench.pull()) == ["a"]


def test_a_duplicate_is_delivered_under_another_id_and_either_acknowledgement_ends_it():
    bench = Bench()
    bench.plan(Fault(kind=FaultKind.DELIVERY_DUPLICATE))
    bench.publish("a")
    [first] = bench.pull()
    [second] = bench.pull()
    assert first.message == second.message
    assert first.ack_id != second.ack_id
    bench.acknowledge(first)
    bench.nack(second)
    assert bench.pull(at=1000) == []


def test_one_of_two_duplicates_given_back_comes_once():
    bench = Bench(retry=retry(5, 5))
    bench.plan(Fault(kind=FaultKind.DELIVERY_DUPLICATE))
    bench.publish("a")
    first, second = bench.pull(), bench.pull()
    bench.nack(*first, at=1)
    bench.nack(*second, at=2)
    assert bodies(bench.pull(at=6)) == ["a"]
    assert bench.pull(at=7) == []


def test_a_delayed_message_comes_later_and_after_others():
    bench = Bench()
    bench.plan(Fault(kind=FaultKind.DELIVERY_DELAY, delay_s=3))
    bench.publish("late", "early")
    assert bodies(bench.pull()) == ["early"]
    assert bench.changed[-1] == SUBSCRIPTION
    assert bench.next_due == 3
    assert bodies(bench.pull(at=3)) == ["late"]


def test_a_dropped_acknowledgement_leaves_the_lease_to_run_out():
    bench = Bench()
    bench.plan(Fault(kind=FaultKind.ACK_DROP, skip=1))
    bench.publish("heard", "dropped")
    bench.acknowledge(*bench.pull())
    assert bodies(bench.pull(at=10)) == ["dropped"]


def test_a_killed_stream_loses_what_was_on_its_way_until_the_deadline():
    bench = Bench()
    bench.plan(Fault(kind=FaultKind.STREAM_KILL, on=SUBSCRIPTION))
    bench.publish("a")
    stream = bench.stream()
    with pytest.raises(RefusedError) as refused:
        bench.take(stream)
    bench.broker.close_stream(stream)
    assert refused.value.status is Status.UNAVAILABLE
    assert bench.pull(at=9) == []
    assert bodies(bench.pull(at=10)) == ["a"]


def test_a_fault_strikes_so_often_only_there_and_only_after_those_it_lets_through():
    bench = Bench()
    bench.plan(
        Fault(kind=FaultKind.PUBLISH_REFUSE, on="projects/p/topics/other"),
        Fault(kind=FaultKind.PUBLISH_REFUSE, skip=1, times=2),
    )
    outcomes = []
    for _ in range(4):
        try:
            bench.publish("x")
            outcomes.append("ok")
        except RefusedError:
            outcomes.append("refused")
    assert outcomes == ["ok", "refused", "refused", "ok"]
    assert bench.broker.faults.plan.faults == (Fault(kind=FaultKind.PUBLISH_REFUSE, on="projects/p/topics/other"),)
