"""A broker of the stand-in's core with a hand on its clock: no server, no waiting."""

from __future__ import annotations

from typing import Any

from sandbox.pubsub.broker import Broker
from sandbox.pubsub.faults import Fault, FaultPlan
from sandbox.pubsub.model import Delivery, Draft, RetryPolicy, Subscription, Topic
from sandbox.pubsub.stream import Stream

TOPIC = "projects/p/topics/topic"
DEAD = "projects/p/topics/dead"
SUBSCRIPTION = "projects/p/subscriptions/subscription"
GRAVE = "projects/p/subscriptions/grave"
#: Not zero, so that a time and a duration cannot be taken for each other.
START = 1_700_000_000.0


class Bench:
    """One topic, one subscription, dead letters, and the time in seconds since the start."""

    def __init__(self, **settings: Any) -> None:
        self.changed: list[str] = []
        self.broker = Broker(changed=self.changed.append)
        self.broker.create_topic(Topic(name=TOPIC))
        self.broker.create_topic(Topic(name=DEAD))
        self.broker.create_subscription(Subscription(name=SUBSCRIPTION, topic=TOPIC, **settings))
        self.broker.create_subscription(Subscription(name=GRAVE, topic=DEAD))
        self.changed.clear()

    def plan(self, *faults: Fault) -> None:
        self.broker.faults.plan = FaultPlan(faults=faults)

    def publish(self, *bodies: str, at: float = 0, **attributes: str) -> list[str]:
        drafts = [Draft(data=body.encode(), attributes=attributes) for body in bodies]
        return list(self.broker.publish(TOPIC, drafts, START + at))

    def pull(self, *, at: float = 0, count: int = 1000, subscription: str = SUBSCRIPTION) -> list[Delivery]:
        return list(self.broker.pull(subscription, count, START + at))

    def acknowledge(self, *deliveries: Delivery, at: float = 0) -> None:
        self.broker.acknowledge(SUBSCRIPTION, [each.ack_id for each in deliveries], START + at)

    def modify(self, seconds: int, *deliveries: Delivery, at: float = 0) -> None:
        self.broker.modify(SUBSCRIPTION, [each.ack_id for each in deliveries], seconds, START + at)

    def nack(self, *deliveries: Delivery, at: float = 0) -> None:
        self.modify(0, *deliveries, at=at)

    def stream(self, **limits: int) -> Stream:
        stream = Stream(subscription=SUBSCRIPTION, lease_s=10, **limits)
        self.broker.open_stream(stream)
        return stream

    def take(self, stream: Stream, at: float = 0) -> list[Delivery]:
        return list(self.broker.take(stream, START + at))

    @property
    def next_due(self) -> float | None:
        due = self.broker.next_due(SUBSCRIPTION)
        return None if due is None else due - START


def bodies(deliveries: list[Delivery]) -> list[str]:
    return [each.message.data.decode() for each in deliveries]


def retry(least: float, most: float) -> RetryPolicy:
    return RetryPolicy(backoff_s_min=least, backoff_s_max=most)
