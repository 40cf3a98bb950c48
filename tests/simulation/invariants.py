"""The checker: from a history to everything in it that breaks a promise.

It shares no code with the product. One predicate for each invariant, by the names of `docs/reliability.md`; `M` are the
promise itself in terms of carts, `P` what is kept for customers. What one history cannot tell is proved elsewhere: X1,
X4 and X5 by the corpora of the handlers' tests, S7's "any order" by `simulation.orders`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from simulation.invariants_answers import (
    s16_an_answer_says_what_stands_on_the_payment,
    s17_what_is_refused_was_forbidden,
)
from simulation.invariants_audit import (
    a1_every_change_has_its_cause,
    x2_only_the_psp_is_believed,
    x3_secrets_stay_secret,
)
from simulation.invariants_commands import (
    m5_given_up_for_a_reason,
    s18_a_reversal_leaves_nothing,
    s19_every_command_is_somebodys,
    s20_two_clicks_are_one_wish,
    s21_who_waits_is_told,
)
from simulation.invariants_liveness import (
    l1_both_sides_agree,
    l2_every_promise_is_kept,
    l3_every_webhook_is_accounted_for,
    l4_replayed_letters_are_made_good,
    l5_reconciling_leaves_nothing,
)
from simulation.invariants_messages import (
    s10_published_before_it_is_promised,
    s11_durable_before_it_is_let_go,
    s15_every_message_ends,
)
from simulation.invariants_money import (
    m1_paid_once,
    m2_weighed_before_it_is_asked,
    s1_one_effect,
    s2_captures_within_the_authorization,
    s3_refunds_within_the_captures,
    s9_no_capture_after_the_cancel,
    s14_one_amount_everywhere,
)
from simulation.invariants_sending import (
    m3_given_up_is_left_alone,
    m4_what_a_shopper_answered_the_psp_hears,
    s4_reserved_before_it_is_asked,
    s12_one_key_for_one_request,
    s13_not_sent_too_late,
    s22_what_is_others_is_left_alone,
)
from simulation.invariants_states import (
    s5_no_state_without_evidence,
    s6_states_only_rise,
    s7_nothing_is_there_twice,
    s8_a_timeout_is_no_failure,
)
from simulation.invariants_stored import (
    l6_letters_stay_with_their_people,
    p1_kept_by_wish_and_once,
    p2_the_list_is_what_the_psp_keeps,
    p3_what_is_deleted_is_forgotten,
    p4_paid_with_by_its_customer,
)
from simulation.reading import Reading, Violation

if TYPE_CHECKING:
    from simulation.logs import History

Predicate: TypeAlias = Callable[[Reading], Iterator[Violation]]

#: Name -> predicate. Its docstring is its statement.
INVARIANTS: Final[Mapping[str, Predicate]] = {
    "S1": s1_one_effect,
    "S2": s2_captures_within_the_authorization,
    "S3": s3_refunds_within_the_captures,
    "S4": s4_reserved_before_it_is_asked,
    "S5": s5_no_state_without_evidence,
    "S6": s6_states_only_rise,
    "S7": s7_nothing_is_there_twice,
    "S8": s8_a_timeout_is_no_failure,
    "S9": s9_no_capture_after_the_cancel,
    "S10": s10_published_before_it_is_promised,
    "S11": s11_durable_before_it_is_let_go,
    "S12": s12_one_key_for_one_request,
    "S13": s13_not_sent_too_late,
    "S14": s14_one_amount_everywhere,
    "S15": s15_every_message_ends,
    "S16": s16_an_answer_says_what_stands_on_the_payment,
    "S17": s17_what_is_refused_was_forbidden,
    "S18": s18_a_reversal_leaves_nothing,
    "S19": s19_every_command_is_somebodys,
    "S20": s20_two_clicks_are_one_wish,
    "S21": s21_who_waits_is_told,
    "S22": s22_what_is_others_is_left_alone,
    "L1": l1_both_sides_agree,
    "L2": l2_every_promise_is_kept,
    "L3": l3_every_webhook_is_accounted_for,
    "L4": l4_replayed_letters_are_made_good,
    "L5": l5_reconciling_leaves_nothing,
    "L6": l6_letters_stay_with_their_people,
    "M1": m1_paid_once,
    "M2": m2_weighed_before_it_is_asked,
    "M3": m3_given_up_is_left_alone,
    "M4": m4_what_a_shopper_answered_the_psp_hears,
    "M5": m5_given_up_for_a_reason,
    "P1": p1_kept_by_wish_and_once,
    "P2": p2_the_list_is_what_the_psp_keeps,
    "P3": p3_what_is_deleted_is_forgotten,
    "P4": p4_paid_with_by_its_customer,
    "X2": x2_only_the_psp_is_believed,
    "X3": x3_secrets_stay_secret,
    "A1": a1_every_change_has_its_cause,
}


def check(history: History) -> list[Violation]:
    """Everything in the history that breaks a promise; empty: nothing does."""
    reading = Reading(history)
    return [violation for predicate in INVARIANTS.values() for violation in predicate(reading)]
