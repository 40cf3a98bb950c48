"""The topics, and how each one retries: one table for provisioning, publishing and consuming.

A topic has one subscription of the same name, read by one kind of worker; the dead letters have a second one, for
people. There are no ordering keys: the law of the ledger makes order unnecessary, and one bad payment must not hold up
another.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


class Topic(enum.StrEnum):
    """Where messages go. The value is the name without the configurable prefix."""

    #: AuthorizePayment, CompleteAuthorization.
    AUTHORIZE = "authorize"
    #: CapturePayment.
    CAPTURE = "capture"
    #: CancelPayment, ReversePayment.
    CANCEL = "cancel"
    #: RefundPayment.
    REFUND = "refund"
    #: StorePaymentMethod, DeletePaymentMethod.
    METHODS = "methods"
    #: PspNotification.
    WEBHOOK = "webhook"
    #: What a commercetools Subscription delivers, in commercetools' own form.
    COMMERCETOOLS = "commercetools"
    #: OperationResult: read by the ingress instance that waits. Best effort.
    RESULTS = "results"
    #: Messages that nobody could finish, with the reason.
    DEAD_LETTERS = "dead-letters"


#: 31 days, the most that Pub/Sub keeps anything.
_KEPT_S: Final = 31 * 24 * 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """How a topic's subscription delivers."""

    #: Seconds a worker may hold a message before it is delivered again; the client extends it while the work goes on.
    ack_deadline_s: int = 30
    #: Seconds before the first and between the last redeliveries of a message that could not be finished yet.
    backoff_s_min: float = 1
    backoff_s_max: float = 60
    #: After so many deliveries without success we bury the message, with the last reason. None: never.
    attempts: int | None = 90
    #: Pub/Sub's own backstop, for messages whose readers die: it moves them without a reason. Approximate by nature, so
    #: it stands well above ours; 100 is the most that Pub/Sub takes.
    attempts_max: int | None = 100
    #: Seconds an undelivered message is kept, where nobody reads it for so long: nothing would tell of it any more.
    retention_s: int = _KEPT_S


#: Seconds that dead letters are kept.
LETTERS_KEPT_S: Final = _KEPT_S

#: Every topic has a row; provisioning and the suite go through it.
POLICIES: Final[Mapping[Topic, Policy]] = {
    # The shopper waits: a second click is answered as soon as the first is.
    # All attempts together take longer than it takes to prove that a lost request never reached the PSP.
    Topic.AUTHORIZE: Policy(backoff_s_min=0.25, backoff_s_max=30),
    Topic.CAPTURE: Policy(),
    Topic.CANCEL: Policy(),
    Topic.REFUND: Policy(),
    Topic.METHODS: Policy(),
    # An event may be about a Payment that is not there yet, and outwaits most outages.
    Topic.WEBHOOK: Policy(backoff_s_max=600),
    Topic.COMMERCETOOLS: Policy(),
    # Each ingress instance makes a subscription of its own, so the topic has no lasting one.
    Topic.RESULTS: Policy(ack_deadline_s=10, attempts=None, attempts_max=None, retention_s=600),
    # Read by the worker that replays what time may heal; the backoff is how often it looks whether the time has come.
    Topic.DEAD_LETTERS: Policy(
        backoff_s_min=60, backoff_s_max=600, attempts=None, attempts_max=None, retention_s=LETTERS_KEPT_S
    ),
}

#: The second subscription on the dead letters: those for a person, who takes them in hand and puts them back. So no
#: backoff.
FOR_PEOPLE: Final = Policy(
    ack_deadline_s=60, backoff_s_min=0, backoff_s_max=0, attempts=None, attempts_max=None, retention_s=LETTERS_KEPT_S
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """Full resource names in one Google Cloud project."""

    project: str
    #: Put before every topic, so that several environments can share a project.
    prefix: str = "ctpay"

    def topic(self, topic: Topic) -> str:
        return f"projects/{self.project}/topics/{self.prefix}-{topic}"

    def subscription(self, topic: Topic) -> str:
        return f"projects/{self.project}/subscriptions/{self.prefix}-{topic}"

    @property
    def for_people(self) -> str:
        """The subscription on the dead letters that wait for a person."""
        return f"{self.subscription(Topic.DEAD_LETTERS)}-for-people"

    def reply_subscription(self, instance: str) -> str:
        """The subscription of one ingress instance on the results."""
        return f"projects/{self.project}/subscriptions/{self.prefix}-{Topic.RESULTS}-{instance}"
