"""Everything that goes wrong or out of the ordinary, as one table, and the seeded decisions about when.

A run that has never met a kind of the table has not been tested for it, and fails.
"""

from __future__ import annotations

import enum
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from simulation.logs import Fault
from simulation.record import START

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulation.record import Recorder


class FaultKind(enum.StrEnum):
    """One kind each."""

    # The bus.

    #: A message is delivered twice.
    BUS_DUPLICATE = "bus-duplicate"
    #: A message is delivered seconds late: others overtake it, if there are others.
    BUS_REORDER = "bus-reorder"
    #: A message is delivered hours later.
    BUS_HOURS_LATE = "bus-hours-late"
    #: A message is delivered days later: every idempotency key has ended.
    BUS_DAYS_LATE = "bus-days-late"
    #: A publish fails, and nothing was kept.
    BUS_PUBLISH_FAILS = "bus-publish-fails"
    #: A publish is kept, and its publisher is told that it failed.
    BUS_CONFIRMATION_LOST = "bus-confirmation-lost"
    #: An acknowledgement is lost.
    BUS_ACK_LOST = "bus-ack-lost"
    #: The lease ends while the work goes on: two workers have one message.
    BUS_LEASE_EXPIRES = "bus-lease-expires"
    #: Bytes that are no message of ours.
    BUS_POISON = "bus-poison"
    #: A dead letter cannot be published.
    BUS_DEAD_LETTER_FAILS = "bus-dead-letter-fails"
    #: A result never reaches the ingress that it is for.
    BUS_RESULT_LOST = "bus-result-lost"

    # Processes.

    #: Killed before any step at all, wherever it is.
    PROCESS_KILLED = "process-killed"
    #: Killed after the PSP has done something and before the answer is heard.
    PROCESS_KILLED_AFTER_EFFECT = "process-killed-after-effect"
    #: Killed after commercetools has stored something and before the answer is heard.
    PROCESS_KILLED_AFTER_WRITE = "process-killed-after-write"
    #: Told to stop, with work in hand.
    PROCESS_STOPPED = "process-stopped"
    #: While a newer version is deployed, a process of the old one gets a message that only the new one can read.
    PROCESS_OLDER_VERSION = "process-older-version"
    #: Its clock is wrong.
    PROCESS_CLOCK_SKEWED = "process-clock-skewed"

    # The wire, to the PSP and to commercetools alike.

    #: No connection.
    WIRE_REFUSED = "wire-refused"
    #: The request never arrives.
    WIRE_REQUEST_LOST = "wire-request-lost"
    #: The connection breaks before the request arrives.
    WIRE_RESET_BEFORE = "wire-reset-before"
    #: The request arrives seconds or minutes late, mostly after its sender has given up.
    WIRE_REQUEST_LATE = "wire-request-late"
    #: The effect happens and the reply never comes.
    WIRE_REPLY_LOST = "wire-reply-lost"
    #: The effect happens and the connection breaks.
    WIRE_RESET_AFTER = "wire-reset-after"
    #: The effect happens and the reply is slow.
    WIRE_REPLY_LATE = "wire-reply-late"
    #: Nobody there can be reached for minutes or an hour: nothing that is sent there is done or answered.
    WIRE_OUTAGE = "wire-outage"
    #: A gateway on the way answers in its place, and has no such route: 404, in words of its own.
    WIRE_STRANGER = "wire-stranger"

    # The PSP.

    #: 5xx, and nothing happened.
    PSP_ERROR_BEFORE = "psp-error-before"
    #: 5xx after the effect, kept as the key's result.
    PSP_ERROR_STORED = "psp-error-stored"
    #: 429 with Retry-After.
    PSP_RATE_LIMIT = "psp-rate-limit"
    #: A request runs for long: whoever repeats it meanwhile is answered 409.
    PSP_IN_PROGRESS = "psp-in-progress"
    #: The worker dies before it hears the answer, and its message comes again when the key has been forgotten.
    PSP_KEY_EXPIRED = "psp-key-expired"
    #: A pending payment, capture or refund is decided much later.
    PSP_SETTLES_LATE = "psp-settles-late"
    #: A capture or refund fails after it succeeded.
    PSP_FAILS_LATE = "psp-fails-late"
    #: The bank disputes what was captured.
    PSP_DISPUTE_OPENED = "psp-dispute-opened"

    # Webhooks.

    #: Arrives before the answer of the call that it is about.
    WEBHOOK_EARLY = "webhook-early"
    #: Arrives hours or days later.
    WEBHOOK_LATE = "webhook-late"
    #: Arrives more than once.
    WEBHOOK_REPEATED = "webhook-repeated"
    #: Arrives after a later one.
    WEBHOOK_REORDERED = "webhook-reordered"
    #: Never arrives.
    WEBHOOK_NEVER = "webhook-never"
    #: Is about a payment that nobody knows.
    WEBHOOK_UNKNOWN_PAYMENT = "webhook-unknown-payment"
    #: Is of a kind that nobody knows.
    WEBHOOK_UNKNOWN_KIND = "webhook-unknown-kind"
    #: Tells another amount or currency.
    WEBHOOK_OTHER_AMOUNT = "webhook-other-amount"
    #: Is not the PSP's: changed, signed with another secret, or too old.
    WEBHOOK_FORGED = "webhook-forged"
    #: The PSP's webhook secret is rotated: for a while both sign, then the new one alone.
    WEBHOOK_SECRET_ROTATED = "webhook-secret-rotated"  # the name of a fault

    # commercetools.

    #: Somebody wrote in between: 409.
    CT_CONFLICT = "ct-conflict"
    #: Many in a row.
    CT_CONFLICT_STORM = "ct-conflict-storm"
    #: 5xx, and nothing happened.
    CT_ERROR_BEFORE = "ct-error-before"
    #: 5xx after the effect.
    CT_ERROR_AFTER = "ct-error-after"
    #: 429.
    CT_RATE_LIMIT = "ct-rate-limit"
    #: A read gives what was there before.
    CT_STALE_READ = "ct-stale-read"
    #: Our token ends between two calls.
    CT_TOKEN_EXPIRED = "ct-token-expired"  # the name of a fault
    #: A subscription message comes more than once.
    CT_MESSAGE_REPEATED = "ct-message-repeated"
    #: A subscription message never comes.
    CT_MESSAGE_NEVER = "ct-message-never"

    # People.

    #: A merchant writes to a Payment by hand meanwhile.
    MERCHANT_EDITS_PAYMENT = "merchant-edits-payment"
    #: Other software puts its own custom type, or none, in the place of ours on the transactions of a Payment.
    MERCHANT_REPLACES_TYPE = "merchant-replaces-type"
    #: A merchant sets the state of a transaction by hand.
    MERCHANT_SETS_STATE = "merchant-sets-state"
    #: A merchant takes a Payment off its cart.
    MERCHANT_TAKES_OFF_CART = "merchant-takes-off-cart"
    #: The shop makes an order of a cart that is paid for, or while a payment of it is under way.
    MERCHANT_ORDERS_CART = "merchant-orders-cart"
    #: The shop deletes a cart that is paid for, or while a payment of it is under way.
    MERCHANT_DELETES_CART = "merchant-deletes-cart"
    #: Other payment software has a Payment of its own on the cart, and puts transactions on it.
    FOREIGN_PAYMENT = "foreign-payment"
    #: Somebody captures, refunds or cancels at the PSP's dashboard.
    PSP_BY_HAND = "psp-by-hand"
    #: A shopper clicks again within a second, with the key of the first click.
    SHOPPER_CLICKS_TWICE = "shopper-clicks-twice"
    #: A shopper clicks again within a second, and neither click has a key.
    SHOPPER_CLICKS_TWICE_KEYLESS = "shopper-clicks-twice-keyless"
    #: A shopper pays in a second tab as well, mostly with another card.
    SHOPPER_TWO_TABS = "shopper-two-tabs"
    #: A shopper pays again after a decline, an error or no answer.
    SHOPPER_TRIES_AGAIN = "shopper-tries-again"
    #: A shopper goes away, and does not know yet whether it is paid.
    SHOPPER_GOES_AWAY = "shopper-goes-away"
    #: A shopper fails a challenge.
    SHOPPER_FAILS_CHALLENGE = "shopper-fails-challenge"
    #: A shopper leaves a challenge open.
    SHOPPER_LEAVES_CHALLENGE = "shopper-leaves-challenge"
    #: A shopper pays again while a challenge is open, mostly with another card.
    SHOPPER_PAYS_MEANWHILE = "shopper-pays-meanwhile"
    #: A shopper answers a challenge, closes the tab, and never comes back from it.
    SHOPPER_NEVER_COMES_BACK = "shopper-never-comes-back"
    #: A shopper goes away in the middle of a challenge, and comes back from it minutes later.
    SHOPPER_COMES_BACK_LATE = "shopper-comes-back-late"
    #: A merchant, or the shop, changes the cart's price: it grows, or shrinks below what is held.
    MERCHANT_EDITS_CART = "merchant-edits-cart"
    #: A merchant asks for two captures at the same time.
    MERCHANT_CAPTURES_TWICE = "merchant-captures-twice"
    #: A merchant asks for more than the Payment is about.
    MERCHANT_ASKS_TOO_MUCH = "merchant-asks-too-much"


#: What people do in any seed, in a proportion of their own: no seed draws these, and what has to be well when bad luck is
#: over does not wait for them.
DOINGS: Final = frozenset(
    {
        FaultKind.PSP_DISPUTE_OPENED,
        FaultKind.SHOPPER_CLICKS_TWICE,
        FaultKind.SHOPPER_CLICKS_TWICE_KEYLESS,
        FaultKind.SHOPPER_TWO_TABS,
        FaultKind.SHOPPER_TRIES_AGAIN,
        FaultKind.SHOPPER_GOES_AWAY,
        FaultKind.SHOPPER_FAILS_CHALLENGE,
        FaultKind.SHOPPER_LEAVES_CHALLENGE,
        FaultKind.SHOPPER_PAYS_MEANWHILE,
        FaultKind.SHOPPER_NEVER_COMES_BACK,
        FaultKind.SHOPPER_COMES_BACK_LATE,
        FaultKind.MERCHANT_EDITS_CART,
        FaultKind.MERCHANT_CAPTURES_TWICE,
        FaultKind.MERCHANT_ASKS_TOO_MUCH,
    }
)
#: These are on the way to the PSP and to commercetools alike.
WIRE: Final = frozenset(kind for kind in FaultKind if kind.value.startswith("wire-"))
#: Kinds that come once in a seed where they are on at all, rather than by chance at every opportunity.
_SELDOM: Final = frozenset(
    {
        FaultKind.BUS_POISON,
        FaultKind.BUS_DAYS_LATE,
        FaultKind.BUS_HOURS_LATE,
        FaultKind.WIRE_OUTAGE,
        FaultKind.PROCESS_STOPPED,
        FaultKind.PROCESS_CLOCK_SKEWED,
        FaultKind.WEBHOOK_UNKNOWN_PAYMENT,
        FaultKind.WEBHOOK_UNKNOWN_KIND,
        FaultKind.WEBHOOK_OTHER_AMOUNT,
        FaultKind.WEBHOOK_FORGED,
        FaultKind.WEBHOOK_SECRET_ROTATED,
        FaultKind.CT_CONFLICT_STORM,
        FaultKind.CT_TOKEN_EXPIRED,
        FaultKind.PSP_KEY_EXPIRED,
        FaultKind.MERCHANT_SETS_STATE,
        FaultKind.MERCHANT_TAKES_OFF_CART,
    }
)


#: How often one kind strikes in a seed at the most, and all of them together: bad luck ends, or nothing would ever
#: happen.
_OFTEN: Final = 8
_ALTOGETHER: Final = 30


@dataclass(kw_only=True, slots=True)
class Budget:
    """How many steps of actors and how many faults there may be: a prefix of the run. None: all."""

    until: int | None = None
    taken: int = 0

    def take(self) -> bool:
        """Whether this one is still within the prefix."""
        self.taken += 1
        return self.until is None or self.taken <= self.until


@dataclass(kw_only=True, slots=True)
class Bad:
    """The bad luck of one seed: a few kinds of fault, each with a rate. The same questions get the same answers."""

    rates: dict[FaultKind, float]
    dice: random.Random
    budget: Budget
    recorder: Recorder
    #: No fault strikes any more.
    over: bool = False
    #: When the last of them was over.
    ends_at: datetime = START
    #: How often each kind has struck by chance.
    _struck: Counter[FaultKind] = field(default_factory=Counter)

    def on(self, kind: FaultKind) -> bool:
        """Whether this seed has it at all."""
        return kind in self.rates

    def lasts(self, seconds: float) -> None:
        """What has just struck goes on for so long."""
        self.ends_at = max(self.ends_at, self.recorder.now() + timedelta(seconds=seconds))

    def strikes(self, kind: FaultKind, what: str = "") -> bool:
        """Whether it strikes here and now. Noted if so."""
        drawn = self.draws(kind)
        if drawn:
            self.note(kind, what)
        return drawn

    def draws(self, kind: FaultKind) -> bool:
        """Whether it is to strike. Whoever asks notes it when it does, if it does."""
        rate = self.rates.get(kind)
        if rate is None or self.over:
            return False
        most = 1 if kind in _SELDOM else _OFTEN
        if self.dice.random() >= rate or self._struck[kind] >= most or self._struck.total() >= _ALTOGETHER:
            return False
        if not self.budget.take():
            return False
        self._struck[kind] += 1
        return True

    def first(self, kinds: Sequence[FaultKind], what: str = "") -> FaultKind | None:
        """The first of these that strikes."""
        for kind in kinds:
            if kind in self.rates and self.strikes(kind, what):
                return kind
        return None

    def note(self, kind: FaultKind, what: str = "") -> None:
        n, at = self.recorder.stamp()
        if kind not in DOINGS:
            self.ends_at = max(self.ends_at, at)
        self.recorder.faults.append(Fault(n=n, at=at, kind=kind.value, on=what))


def bad_luck(seed: int, *, budget: Budget, recorder: Recorder) -> Bad:
    """Which kinds this seed has, and how often."""
    dice = random.Random(f"faults {seed}")  # repeatable on purpose
    kinds = [kind for kind in FaultKind if kind not in DOINGS]
    count = dice.choice((0, 1, 2, 3, 4, 6, 9, 14))
    chosen = dice.sample(kinds, count)
    return Bad(
        rates={kind: dice.choice((0.03, 0.1, 0.3, 0.6)) for kind in chosen},
        dice=random.Random(f"strikes {seed}"),  # repeatable on purpose
        budget=budget,
        recorder=recorder,
    )
