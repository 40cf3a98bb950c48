"""What lies in topics over a deployment: the next version must find it by the same names, kept as long as before."""

from __future__ import annotations

from bus.messages import TOPICS
from bus.port import Cause, Verdict
from bus.topics import LETTERS_KEPT_S, POLICIES, Policy, Topic

#: Topics and subscriptions in a merchant's project are called by these.
TOPICS_AS_PROVISIONED = {
    "AUTHORIZE": "authorize",
    "CAPTURE": "capture",
    "CANCEL": "cancel",
    "REFUND": "refund",
    "METHODS": "methods",
    "WEBHOOK": "webhook",
    "COMMERCETOOLS": "commercetools",
    "RESULTS": "results",
    "DEAD_LETTERS": "dead-letters",
}
#: Dead letters bear these for 31 days.
CAUSES_AS_WRITTEN = {
    "POISON": "poison",
    "REFUSED": "refused",
    "OUTAGE": "outage",
    "MISSING_PAYMENT": "missing-payment",
    "FAULT": "fault",
    "UNTOLD": "untold",
    "GIVEN_UP": "given-up",
}
#: Outcome lines in the logs are called `message.` and one of these; alerts and dashboards look for them.
VERDICTS_AS_LOGGED = {"DONE": "done", "IGNORED": "ignored", "AGAIN": "again", "DEAD": "dead"}
#: The worker of a topic reads these and no others.
MESSAGES_BY_TOPIC = {
    "authorize": ["AuthorizePayment", "CompleteAuthorization"],
    "cancel": ["CancelPayment", "ReversePayment"],
    "capture": ["CapturePayment"],
    "methods": ["DeletePaymentMethod", "StorePaymentMethod"],
    "refund": ["RefundPayment"],
    "results": ["OperationResult"],
    "webhook": ["PspNotification"],
}


def test_topics_keep_their_names():
    assert {one.name: one.value for one in Topic} == TOPICS_AS_PROVISIONED


def test_causes_of_death_keep_their_words():
    assert {one.name: one.value for one in Cause} == CAUSES_AS_WRITTEN


def test_verdicts_keep_their_words():
    assert {one.name: one.value for one in Verdict} == VERDICTS_AS_LOGGED


def test_a_message_travels_on_the_topic_whose_worker_reads_it():
    found = {}
    for message, topic in TOPICS.items():
        found.setdefault(topic.value, []).append(message.__name__)
    assert {topic: sorted(names) for topic, names in found.items()} == MESSAGES_BY_TOPIC


def test_most_topics_deliver_alike_and_the_others_each_for_a_reason_of_their_own():
    alike = {Topic.CAPTURE, Topic.CANCEL, Topic.REFUND, Topic.METHODS, Topic.COMMERCETOOLS}
    assert {topic for topic, policy in POLICIES.items() if policy == Policy()} == alike
    assert set(POLICIES) == set(Topic)
    usual = Policy()
    shopper, event = POLICIES[Topic.AUTHORIZE], POLICIES[Topic.WEBHOOK]
    assert shopper.backoff_s_min < usual.backoff_s_min
    assert event.backoff_s_max > usual.backoff_s_max
    assert POLICIES[Topic.RESULTS].retention_s < usual.retention_s
    assert POLICIES[Topic.DEAD_LETTERS].retention_s == LETTERS_KEPT_S
    assert [topic for topic, policy in POLICIES.items() if policy.attempts is None] == [
        Topic.RESULTS,
        Topic.DEAD_LETTERS,
    ]
