"""Whatever readers do and whatever goes wrong: no message is lost, and none comes back after it is done."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from support.pubsub_core import START, SUBSCRIPTION, Bench, retry

from sandbox.pubsub.errors import RefusedError
from sandbox.pubsub.faults import Fault, FaultKind
from sandbox.pubsub.model import Delivery

STEPS = st.lists(
    st.tuples(st.sampled_from(["publish", "take", "acknowledge", "nack", "extend", "wait"]), st.integers(0, 15)),
    max_size=60,
)
FAULTS = st.lists(
    st.builds(
        Fault,
        kind=st.sampled_from([kind for kind in FaultKind if not kind.startswith("publish")]),
        skip=st.integers(0, 5),
        delay_s=st.floats(0, 20),
    ),
    max_size=5,
)


@settings(max_examples=200, deadline=None)
@given(steps=STEPS, faults=FAULTS, limit=st.integers(1, 4))
def test_every_message_is_delivered_until_it_is_done(steps: list[tuple[str, int]], faults: list[Fault], limit: int):
    bench = Bench(retry=retry(1, 8))
    bench.plan(*faults)
    streams = [bench.stream(messages_max=limit), bench.stream(messages_max=limit)]
    names = itertools.count()
    published: set[bytes] = set()
    done: set[bytes] = set()
    held: list[Delivery] = []
    now = 0.0

    def take(index: int) -> None:
        try:
            taken = bench.take(streams[index], at=now)
        except RefusedError:
            bench.broker.close_stream(streams[index])
            streams[index] = bench.stream(messages_max=limit)
            return
        assert len(taken) <= limit
        assert not done & {each.message.data for each in taken}, "came back although it was done"
        held.extend(taken)

    def acknowledge(delivery: Delivery) -> None:
        in_time = delivery.ack_id in bench.broker._backlogs[SUBSCRIPTION]._leases
        before = drops(bench)
        bench.acknowledge(delivery, at=now)
        if in_time and drops(bench) == before:
            done.add(delivery.message.data)

    for step, number in steps:
        match step:
            case "publish":
                body = str(next(names))
                published.add(body.encode())
                bench.publish(body, at=now)
            case "take":
                take(number % 2)
            case "wait":
                now += number
                bench.broker.advance(SUBSCRIPTION, START + now)
            case _ if held:
                delivery = held.pop(number % len(held))
                if step == "acknowledge":
                    acknowledge(delivery)
                else:
                    bench.modify(0 if step == "nack" else 10 + number, delivery, at=now)

    bench.plan()
    delivered: set[bytes] = set()
    for _ in range(100):
        now += 30
        taken = [each for stream in streams for each in bench.take(stream, at=now)]
        bench.acknowledge(*taken, at=now)
        delivered |= {each.message.data for each in taken}
    assert delivered == published - done


def drops(bench: Bench) -> int:
    """Acknowledgements that are still to be dropped."""
    return sum(fault.kind is FaultKind.ACK_DROP for fault in bench.broker.faults.plan.faults)
