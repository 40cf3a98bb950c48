"""Defects planted on purpose: each breaks one promise of the product in a small way, and each must be caught.

`python -m simulation.detection` prints for each how often a seed finds it, and how many seeds find it in 999 runs of
1,000. A checker that no defect can wake is asleep.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Final
from unittest.mock import patch

from simulation import (
    defects_answers,
    defects_messages,
    defects_money,
    defects_requests,
    defects_states,
    defects_stored,
)
from simulation.planting import Defect

from ct import admission, attempts
from psp.facts import Kind
from psp.outcome import Outcome
from psp.sandbox.adapter import SandboxAdapter
from workers import superseded


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The product with this defect, until the end of the block."""
    with ExitStack() as stack:
        for where, attribute, instead in DEFECTS[name].changes():
            stack.enter_context(patch.object(where, attribute, instead))
        yield


def plant(name: str) -> None:
    """The product with this defect, for as long as the process runs."""
    for where, attribute, instead in DEFECTS[name].changes():
        setattr(where, attribute, instead)


_ALL: Final = (
    Defect(name="no-key", what="requests carry no idempotency key", changes=defects_requests.no_key),
    Defect(name="random-key", what="each try has a new idempotency key", changes=defects_requests.random_key),
    Defect(
        name="wrong-exponent", what="yen are sent with two digits too many", changes=defects_requests.wrong_exponent
    ),
    Defect(
        name="check-then-call",
        what="a capture is judged and sent without being reserved",
        changes=defects_requests.check_then_call,
    ),
    Defect(name="no-send-by", what="an old authorization is sent all the same", changes=defects_requests.no_send_by),
    Defect(name="timeout-is-failure", what="no answer is taken for a no", changes=defects_requests.timeout_is_failure),
    Defect(
        name="nothing-found-is-failure",
        what="a look-up that finds nothing is taken for a no at once",
        changes=defects_requests.nothing_found_is_failure,
    ),
    Defect(
        name="late-success-ignored",
        what="a success after a failure is ignored",
        changes=defects_states.late_success_ignored,
    ),
    Defect(
        name="failure-overwrites-success",
        what="a failure that comes after a success replaces it",
        changes=defects_states.failure_overwrites_success,
    ),
    Defect(name="last-write-wins", what="the last fact wins, whatever it says", changes=defects_states.last_write_wins),
    Defect(
        name="ack-first",
        what="a message is acknowledged before it is handled",
        changes=defects_messages.acknowledged_first,
    ),
    Defect(
        name="dead-letter-forgotten",
        what="what is dead is buried nowhere",
        changes=defects_messages.dead_letter_forgotten,
    ),
    Defect(
        name="dead-letter-unconfirmed",
        what="a letter whose publish failed is let go",
        changes=defects_messages.dead_letter_publish_swallowed,
    ),
    Defect(
        name="unknown-webhook-dropped",
        what="an unknown event is ignored",
        changes=defects_messages.unknown_webhook_dropped,
    ),
    Defect(
        name="publish-error-swallowed",
        what="the ingress answers 2xx although the bus did not confirm",
        changes=defects_messages.publish_error_swallowed,
    ),
    Defect(
        name="promised-first",
        what="the ingress answers 2xx before the bus has confirmed",
        changes=defects_messages.promised_first,
    ),
    Defect(
        name="return-publishes-nothing",
        what="the page for who comes back from a challenge is answered, and nothing is published",
        changes=defects_messages.return_publishes_nothing,
    ),
    Defect(
        name="reservation-not-resumed",
        what="a run that finds its own reservation thinks that all is done",
        changes=defects_messages.reservation_not_resumed,
    ),
    Defect(
        name="merchants-refund-overlooked",
        what="a Refund that a merchant puts there is carried out by nobody",
        changes=defects_money.merchants_refund_overlooked,
    ),
    Defect(
        name="webhook-unsigned",
        what="a webhook is believed without its signature",
        changes=defects_messages.webhook_without_signature,
    ),
    Defect(
        name="captures-turned-away",
        what="the PSP's own webhooks about captures are answered 400",
        changes=defects_messages.captures_turned_away,
    ),
    Defect(
        name="blind-write",
        what="a decision is written to whatever version there is",
        changes=defects_states.blind_write,
    ),
    Defect(
        name="stale-plan",
        what="after a conflict the old actions are sent again",
        changes=defects_states.stale_plan_resent,
    ),
    Defect(
        name="added-again",
        what="what was not asked for is added each time it is told",
        changes=defects_states.added_again,
    ),
    Defect(
        name="cart-not-weighed",
        what="what the cart's payments cover is not counted",
        changes=defects_money.cart_not_weighed,
    ),
    Defect(
        name="reservations-ignored",
        what="what another writer has reserved is free",
        changes=defects_money.others_reservations_ignored,
    ),
    Defect(
        name="pending-refunds-ignored", what="only done refunds count", changes=defects_money.pending_refunds_ignored
    ),
    Defect(
        name="cancel-not-minded",
        what="a capture is admitted during and after a cancel",
        changes=defects_money.cancel_not_minded,
    ),
    Defect(
        name="superseded-completed",
        what="an attempt that was given up is completed",
        changes=defects_money.superseded_completed,
    ),
    Defect(
        name="off-cart-not-weighed",
        what="money that comes to a Payment off its cart is not weighed",
        changes=defects_money.off_cart_not_weighed,
    ),
    Defect(
        name="told-and-forgotten",
        what="money off its cart is weighed no more when a person has been told of it",
        changes=defects_money.told_and_forgotten,
    ),
    Defect(
        name="both-late-given-back",
        what="of two that came late, each counts the other when it is weighed",
        changes=defects_money.both_late_given_back,
    ),
    Defect(
        name="part-given-back",
        what="what was told as paid goes back where its cart bears a part of it",
        changes=defects_money.part_given_back,
    ),
    Defect(
        name="moved-given-up",
        what="nobody asks whether a payment is on another cart",
        changes=defects_money.moved_given_up,
    ),
    Defect(
        name="cheaper-cart-given-back",
        what="the only payment of a cart is given back when that has become cheaper",
        changes=defects_money.cheaper_cart_given_back,
    ),
    Defect(name="superseded-kept", what="money on a given-up attempt is kept", changes=defects_money.superseded_kept),
    Defect(
        name="secret-written-down",
        what="the PSP's key is stored on the Payment",
        changes=defects_states.secret_written_down,
    ),
    Defect(
        name="token-written-down",
        what="the shopper's token stands on the Payment until it is decided",
        changes=defects_states.token_written_down,
    ),
    Defect(
        name="fields-alone-believed",
        what="what was reserved is known by fields that others can replace",
        changes=defects_states.fields_alone_believed,
    ),
    Defect(
        name="late-success-not-weighed",
        what="a late success is kept although the cart is paid for otherwise",
        changes=defects_money.late_success_not_weighed,
    ),
    Defect(
        name="unasked-ignored",
        what="captures and refunds at the PSP's dashboard are ignored",
        changes=defects_states.unasked_ignored,
    ),
    Defect(
        name="declined-told-approved",
        what="a decline is answered with approved",
        changes=lambda: defects_answers.answered(Outcome.REJECTED, Outcome.APPROVED),
    ),
    Defect(
        name="approved-told-declined",
        what="a success is answered with rejected",
        changes=lambda: defects_answers.answered(Outcome.APPROVED, Outcome.REJECTED),
    ),
    Defect(
        name="refusal-not-noted",
        what="a refusal stands nowhere but in its answer",
        changes=defects_answers.refusal_not_noted,
    ),
    Defect(name="refused-for-nothing", what="a second refund is refused", changes=defects_answers.refused_for_nothing),
    Defect(
        name="completion-forgotten",
        what="what the shopper brings back from a challenge is not told to the PSP",
        changes=defects_answers.completion_forgotten,
    ),
    Defect(
        name="completion-let-go",
        what="a completion that the PSP has not heard is let go when the PSP can be asked",
        changes=defects_answers.completion_let_go,
    ),
    Defect(
        name="gateway-believed",
        what="a gateway's own 404 is taken for the PSP's word that there is no such payment",
        changes=defects_requests.gateway_believed,
    ),
    Defect(
        name="newer-version-buried",
        what="a message of a newer version is given to a person at once",
        changes=defects_messages.newer_version_buried,
    ),
    Defect(
        name="letters-for-people", what="no dead letter replays by itself", changes=defects_messages.letters_for_people
    ),
    Defect(
        name="outage-taken-for-absence",
        what="commercetools away is taken for a Payment that is not there",
        changes=defects_messages.outage_ignored,
    ),
    Defect(
        name="reversal-keeps-captures",
        what="a reversal cancels, and does not refund",
        changes=lambda: defects_money.reversing(Kind.REFUND),
    ),
    Defect(
        name="reversal-keeps-the-rest",
        what="a reversal refunds, and does not cancel",
        changes=lambda: defects_money.reversing(Kind.CANCEL_AUTHORIZATION),
    ),
    Defect(
        name="others-payment-taken",
        what="a Payment of other software is taken for one of ours",
        changes=defects_requests.others_payment_taken,
    ),
    Defect(
        name="resumed-under-another-id",
        what="reconcile publishes a lost command again under an id of its own",
        changes=defects_requests.resumed_under_another_id,
    ),
    Defect(
        name="letter-not-handed-over",
        what="a letter that does not replay is let go, and no person gets it",
        changes=defects_messages.letter_not_handed_over,
    ),
    Defect(
        name="replays-not-counted",
        what="a letter replays as if it never had",
        changes=defects_messages.replays_not_counted,
    ),
    Defect(
        name="shopper-not-waited-for",
        what="reconcile gives up a challenge while its shopper is at it",
        changes=defects_money.shopper_not_waited_for,
    ),
    Defect(
        name="nobody-told", what="no result is ever told to the ingress that waits", changes=defects_answers.nobody_told
    ),
    Defect(
        name="second-click-refused",
        what="a second click does not join the first",
        changes=lambda: [(attempts, "_sibling_to_join", lambda *_: None)],
    ),
    Defect(
        name="second-click-gives-up",
        what="the second of two clicks gives up the challenge that the first has brought up",
        changes=lambda: [(attempts, "DOUBLE_CLICK", timedelta(0))],
    ),
    Defect(
        name="key-honoured-for-ever",
        what="a capture is sent when its idempotency key has ended",
        changes=defects_requests.key_honoured_for_ever,
    ),
    Defect(
        name="refund-still-covers",
        what="what was given back pays for the cart all the same",
        changes=defects_money.refund_still_covers,
    ),
    Defect(
        name="cancelled-during-a-capture",
        what="a cancel is admitted while a capture is reserved",
        changes=defects_money.cancelled_during_a_capture,
    ),
    Defect(
        name="claim-not-judged",
        what="what a merchant puts there is carried out, whatever the law says",
        changes=lambda: [(admission, "_judge", lambda *_: None)],
    ),
    Defect(
        name="key-lifetime-overstated",
        what="the adapter says that the PSP's keys live longer than they do",
        changes=lambda: [
            (
                SandboxAdapter,
                "capabilities",
                replace(SandboxAdapter.capabilities, key_lifetime=timedelta(days=9)),
            )
        ],
    ),
    Defect(
        name="reversed-during-a-capture",
        what="all is given back but for what is being captured",
        changes=defects_money.reversed_during_a_capture,
    ),
    Defect(
        name="captured-although-given-up",
        what="what the shopper has paid otherwise is captured all the same",
        changes=defects_money.captured_although_given_up,
    ),
    Defect(
        name="merchants-name-kept",
        what="what the PSP calls a capture does not replace a merchant's name for it",
        changes=defects_states.merchants_name_kept,
    ),
    Defect(
        name="left-to-people-at-once",
        what="money that nobody wants is left to a person, and giving it back is not tried",
        changes=lambda: [(superseded, "_TRIES_MAX", 0)],
    ),
    Defect(
        name="stored-unasked",
        what="a customer's card is kept, whether they wish it or not",
        changes=defects_stored.stored_unasked,
    ),
    Defect(
        name="stored-under-any-key",
        what="a method that was told of twice is made twice",
        changes=defects_stored.stored_under_any_key,
    ),
    Defect(
        name="noted-before-it-is-stored",
        what="that a method is on the list is noted before it is",
        changes=defects_stored.noted_before_it_is_stored,
    ),
    Defect(
        name="old-news-stores-again",
        what="an old event brings a method back that was deleted",
        changes=defects_stored.old_news_stores_again,
    ),
    Defect(
        name="deleted-and-never-forgotten",
        what="a method is deleted, and the PSP keeps the card",
        changes=lambda: defects_stored.deleting("deactivate", "reply", "delete"),
    ),
    Defect(
        name="deleted-before-it-is-forgotten",
        what="a method is deleted before the PSP is asked to forget the card",
        changes=lambda: defects_stored.deleting("deactivate", "reply", "delete", "forget"),
    ),
    Defect(
        name="deletion-told-first",
        what="a customer is told that a method is gone while it can be paid with",
        changes=lambda: defects_stored.deleting("reply", "deactivate", "forget", "delete"),
    ),
    Defect(
        name="forgotten-and-never-deleted",
        what="what the PSP has forgotten stays in commercetools",
        changes=lambda: defects_stored.deleting("deactivate", "reply", "forget"),
    ),
    Defect(
        name="deleted-card-pays",
        what="a method that its customer has deleted can be paid with until the PSP has forgotten it",
        changes=defects_stored.deleted_card_pays,
    ),
    Defect(
        name="anothers-card-pays",
        what="nobody asks whose a stored method is",
        changes=defects_stored.anothers_card_pays,
    ),
    Defect(
        name="shopper-said-to-be-there",
        what="the PSP is not told that the merchant asks alone",
        changes=defects_stored.shopper_said_to_be_there,
    ),
    Defect(
        name="letter-removed-first",
        what="a person's replay removes a letter before it is sent again",
        changes=defects_stored.letter_removed_first,
    ),
    Defect(
        name="letter-let-go-first",
        what="a letter that replays by itself is let go before it is sent again",
        changes=defects_stored.letter_let_go_first,
    ),
)

#: Name -> defect.
DEFECTS: Final[Mapping[str, Defect]] = {one.name: one for one in _ALL}

#: Defect -> the operation of `simulation.crashes` that meets it without any luck, and the steps at which the workers
#: crash in it. The others are for seeds.
BY_ACT: Final[Mapping[str, tuple[str, tuple[int, ...]]]] = {
    "no-key": ("capture", ()),
    "check-then-call": ("capture", ()),
    "promised-first": ("webhook", ()),
    "captures-turned-away": ("capture at the dashboard", ()),
    "reservation-not-resumed": ("capture", (4,)),
    "cancel-not-minded": ("capture after the cancel", ()),
    "pending-refunds-ignored": ("refund while another is pending", ()),
    "merchants-refund-overlooked": ("a merchant's Refund", ()),
    "cart-not-weighed": ("pay for what is paid", ()),
    "secret-written-down": ("authorize", ()),
    "ack-first": ("authorize", ()),
    "superseded-completed": ("come back to what was given up", ()),
    "off-cart-not-weighed": ("a success off its cart", ()),
    "told-and-forgotten": ("another card after a success off its cart", ()),
    "cheaper-cart-given-back": ("capture what was put back on its cart", ()),
    "both-late-given-back": ("two late successes at once", ()),
    "part-given-back": ("a success off its cheaper cart, beside a gift card", ()),
    "moved-given-up": ("pay again for what was moved to another cart", ()),
    "superseded-kept": ("a late success after another card", ()),
    "last-write-wins": ("an old failure", ()),
    "failure-overwrites-success": ("an old failure", ()),
    "late-success-ignored": ("a late success", ()),
    "added-again": ("a dispute told twice", ()),
    "unknown-webhook-dropped": ("an unknown event", ()),
    "dead-letter-forgotten": ("an unknown event", ()),
    "token-written-down": ("authorize", ()),
    "fields-alone-believed": ("capture while our fields are replaced", (20,)),
    "late-success-not-weighed": ("a late success after another card", ()),
    "unasked-ignored": ("capture at the dashboard", ()),
    "declined-told-approved": ("authorize, declined", ()),
    "approved-told-declined": ("authorize", ()),
    "refusal-not-noted": ("capture after the cancel", ()),
    "refused-for-nothing": ("refund after a refund", ()),
    "completion-forgotten": ("complete", ()),
    "return-publishes-nothing": ("complete", ()),
    "completion-let-go": ("complete, and the PSP does not hear it at first", ()),
    "gateway-believed": ("authorize, and a gateway knows nothing of it", ()),
    "reversal-keeps-captures": ("reverse", ()),
    "reversal-keeps-the-rest": ("reverse", ()),
    "others-payment-taken": ("a Charge on a gift card's Payment", ()),
    "resumed-under-another-id": ("a capture that reconcile takes up", ()),
    "letter-not-handed-over": ("a stray letter", ()),
    "shopper-not-waited-for": ("a challenge left open while reconcile passes", ()),
    "nobody-told": ("capture", ()),
    "second-click-refused": ("two clicks", ()),
    "second-click-gives-up": ("two clicks on a challenge", ()),
    "key-honoured-for-ever": ("a capture that comes again days later", ()),
    "refund-still-covers": ("pay again after the refund", ()),
    "cancelled-during-a-capture": ("cancel while a capture is reserved", ()),
    "reversed-during-a-capture": ("reverse while a capture is pending", ()),
    "captured-although-given-up": ("capture what was given up", ()),
    "claim-not-judged": ("a merchant's Charge of what is captured", ()),
    "key-lifetime-overstated": ("a capture that comes again days later", ()),
    "merchants-name-kept": ("a Charge with a name of the merchant's own", ()),
    "left-to-people-at-once": ("a late success after another card", ()),
    "stored-unasked": ("store no card", ()),
    "stored-under-any-key": ("store a card of which an event tells", (14,)),
    "noted-before-it-is-stored": ("store a card of which an event tells", (11,)),
    "old-news-stores-again": ("an old event of a card that was deleted", ()),
    "deleted-and-never-forgotten": ("delete a card", ()),
    "deleted-before-it-is-forgotten": ("delete a card", ()),
    "deletion-told-first": ("delete a card", ()),
    "forgotten-and-never-deleted": ("delete a card", ()),
    "deleted-card-pays": ("charge a card that is being deleted", ()),
    "anothers-card-pays": ("charge another customer's card", ()),
    "shopper-said-to-be-there": ("charge a stored card", ()),
    "letter-removed-first": ("letters of what was refused, replayed by a person", ()),
    "letter-let-go-first": ("a letter of a message whose readers died", ()),
}

#: Defect -> a seed that is known to catch it.
BY_SEED: Final[Mapping[str, int]] = {
    "random-key": 8,
    "timeout-is-failure": 44,
    "reservations-ignored": 82,
    "wrong-exponent": 4,
    "no-send-by": 24,
    "nothing-found-is-failure": 67,
    "dead-letter-unconfirmed": 14,
    "publish-error-swallowed": 6,
    "webhook-unsigned": 60,
    "blind-write": 3,
    "stale-plan": 66,
    "outage-taken-for-absence": 22,
    "newer-version-buried": 4,
    "letters-for-people": 4,
    "replays-not-counted": 4,
}
