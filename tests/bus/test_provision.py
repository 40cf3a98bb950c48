"""What `ctpay setup` compares and how long it waits, without a server."""

from __future__ import annotations

from google.api_core.exceptions import NotFound, ServiceUnavailable
from google.cloud.pubsub_v1.types import Subscription

from bus import provision
from bus.topics import Names, Topic

NAMES = Names(project="p", prefix="x")


class Remembering:
    """A client that remembers how it was asked."""

    def __init__(self):
        self.asked = {}

    def create_topic(self, **asked):
        self.asked = asked


def test_everything_that_decides_about_delivery_is_compared_and_told_in_one_order():
    wanted = provision._wanted(Topic.REFUND, NAMES)
    other = {
        "name": wanted["name"],
        "topic": "projects/p/topics/another",
        "ack_deadline_seconds": 77,
        "message_retention_duration": {"seconds": 600},
        "filter": "attributes:x",
        "expiration_policy": {"ttl": {"seconds": 86400}},
        "push_config": {"push_endpoint": "https://elsewhere.example"},
        "detached": True,
    }
    assert provision._differences(Subscription(other), Subscription(wanted)) == (
        "topic",
        "ack_deadline_seconds",
        "message_retention_duration",
        "retry_policy",
        "dead_letter_policy",
        "expiration_policy",
        "filter",
        "push_config",
        "detached",
    )
    # A label is the merchant's own affair.
    assert provision._differences(Subscription(wanted | {"labels": {"team": "pay"}}), Subscription(wanted)) == ()


def test_a_person_waits_ten_seconds_at_most_and_what_is_merely_away_is_asked_again():
    client = Remembering()
    provision._topic(client, "projects/p/topics/t")
    assert client.asked.keys() == {"request", "timeout", "retry"}
    assert client.asked["timeout"] == client.asked["retry"].timeout == 10.0
    is_worth_another_try = client.asked["retry"]._predicate
    assert is_worth_another_try(ServiceUnavailable("away"))
    assert not is_worth_another_try(NotFound("gone"))


def test_what_setup_reports_keeps_its_words():
    """Scripts read them from `ctpay setup --json`."""
    assert {one.name: one.value for one in provision.Found} == {
        "CREATED": "created",
        "UNCHANGED": "unchanged",
        "DIFFERS": "differs",
    }
