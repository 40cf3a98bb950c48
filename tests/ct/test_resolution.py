"""A person's word about what nobody can tell, and the mark that asks for one. Pure."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.ct_documents import NOON, applied, payment_document, transaction

from ct.fields import InteractionKind
from ct.payment import parse_payment
from ct.plan import Cause, plan
from ct.resolution import NotResolved, Resolution, Resolved, is_marked, mark_unknown, resolve
from psp.facts import Fact, Kind, Reference, State
from psp.money import Money

CAUSE = Cause(id="reconcile-1", at=NOON)
WORD = Resolution(transaction_id="t", state=State.SUCCESS, evidence="ticket 4711", by="Ada", at=NOON, cause="resolve-1")


def capture(state="Pending", **more):
    return transaction("t", "Charge", state, 1000, **({"command": "c2"} | more))


def document(*transactions, **more):
    first = transaction("a", state="Success", command="c", interaction_id="pay_1")
    return payment_document(first, *transactions, **({"interfaceId": "pay_1"} | more))


def said(before, word=WORD, interface="ctpay-test"):
    return resolve(parse_payment(before), word, interface=interface, project_key="demo")


def after(before, word=WORD):
    verdict = said(before, word)
    assert isinstance(verdict, Resolved)
    return parse_payment(applied(before, verdict.actions))


@pytest.mark.parametrize("state", [State.SUCCESS, State.FAILURE])
@pytest.mark.parametrize("was", ["Initial", "Pending"])
def test_an_open_transaction_ends_as_said_and_the_log_tells_who_when_and_how(was, state):
    then = after(document(capture(was)), replace(WORD, state=state))
    assert then.transaction("t").state is state
    (entry,) = [one for one in then.interactions if one.kind is InteractionKind.RESOLVED]
    assert (entry.cause, entry.at, entry.code, entry.message, entry.transaction_id, entry.state) == (
        "Ada",
        NOON,
        "resolved-by-hand",
        "ticket 4711",
        "t",
        state,
    )
    (fact,) = [one for one in then.interactions if one.kind is InteractionKind.FACT]
    assert (fact.cause, fact.code, fact.message) == (
        "resolve-1",
        "resolved-by-hand",
        f"Charge {state}: Ended by hand, on evidence.",
    )


def test_what_a_shopper_may_be_told_names_nobody_and_no_evidence():
    then = after(payment_document(transaction("t", state="Pending", command="c")), replace(WORD, state=State.FAILURE))
    told = (then.status_text, then.status_code, then.last_word("t").message)
    assert "Ada" not in str(told)
    assert "4711" not in str(told)


def test_the_psps_id_is_kept_so_that_the_money_can_be_captured():
    word = replace(WORD, psp_reference="pay_9")
    then = after(payment_document(transaction("t", state="Pending", command="c")), word)
    assert (then.interface_id, then.transaction("t").interaction_id) == ("pay_9", "pay_9")
    then = after(document(capture()), replace(WORD, psp_reference="cap_9"))
    assert (then.interface_id, then.transaction("t").interaction_id) == ("pay_1", "cap_9")


def test_a_captures_id_never_becomes_the_payments():
    then = after(document(capture(), interfaceId=None), replace(WORD, psp_reference="cap_9"))
    assert (then.interface_id, then.transaction("t").interaction_id) == (None, "cap_9")


def test_a_capture_whose_name_nobody_gave_is_not_called_like_its_payment_and_bears_the_psps_name_later():
    """A refund would ask for what is no capture, and what has a name keeps it."""
    then = after(document(capture()))
    assert then.transaction("t").interaction_id is None
    reference = Reference(project_key="demo", payment_id=then.id, transaction_id="t")
    amount = then.transaction("t").amount
    told = Fact(
        kind=Kind.CHARGE, state=State.SUCCESS, amount=amount, at=NOON, psp_reference="cap_9", reference=reference
    )
    before = applied(document(capture()), said(document(capture())).actions)
    (named,) = plan(parse_payment(before), (told,), CAUSE)
    assert (named["action"], named["interactionId"]) == ("changeTransactionInteractionId", "cap_9")


@pytest.mark.parametrize(
    ("before", "code"),
    [
        (document(capture("Success")), "already-decided"),
        (document(capture("Failure")), "already-decided"),
        (document(capture("Failure", fields={"ctpayReversed": True})), "already-decided"),
        (document(), "no-such-transaction"),
        (document(transaction("t", "Charge", "Initial", 1000)), "not-our-transaction"),
        (document(transaction("t", "Charge", "Pending", 1000)), "not-our-transaction"),
    ],
)
def test_what_is_decided_and_what_is_not_ours_is_refused(before, code):
    verdict = said(before)
    assert isinstance(verdict, NotResolved)
    assert (verdict.refusal.code, verdict.actions) == (code, [])
    assert verdict.refusal.message


def test_another_interfaces_payment_is_refused():
    verdict = said(document(capture()), interface="ctpay-other")
    assert isinstance(verdict, NotResolved)
    assert verdict.refusal.code == "not-our-payment"
    assert "ctpay-test" in verdict.refusal.message
    bare = payment_document(capture())
    del bare["paymentMethodInfo"]
    assert said(bare).refusal.code == "not-our-payment"


def test_a_refusal_says_what_to_do_in_these_words():
    """Each text is part of the product: changing one is a decision."""
    bare = payment_document(capture())
    del bare["paymentMethodInfo"]
    assert [said(each).refusal.message for each in (bare, document(), document(transaction("t", "Charge")))] == [
        "The Payment belongs to no payment interface.",
        "The Payment has no such transaction. Give the transaction's id.",
        "The transaction is a merchant's own that ctpay never took on. Change it in commercetools.",
    ]
    assert said(document(capture("Success"))).refusal.message == (
        "The transaction is Success already; states only rise by evidence."
    )


def test_what_the_psp_told_of_is_ours_to_end():
    dispute = transaction("t", "Chargeback", "Pending", 1000, interaction_id="dis_1")
    assert after(document(dispute), replace(WORD, state=State.SUCCESS)).transaction("t").state is State.SUCCESS


# The mark.


def marked(before):
    mark = mark_unknown(parse_payment(before), "t", reason="The PSP will not tell.", cause=CAUSE)
    return applied(before, mark.actions)


def test_the_mark_is_made_once_and_what_may_have_been_sent_is_pending():
    once = marked(document(capture("Initial")))
    then = parse_payment(once)
    assert then.transaction("t").state is State.PENDING
    (entry,) = then.interactions
    assert (entry.kind, entry.cause, entry.message, entry.transaction_id, entry.at, entry.code) == (
        InteractionKind.UNKNOWN,
        "reconcile-1",
        "The PSP will not tell.",
        "t",
        NOON,
        "outcome-unknown",
    )
    assert is_marked(then, then.transaction("t"))
    assert not is_marked(then, then.transaction("a"))
    assert marked(once) == once


def test_what_is_pending_gets_the_mark_alone():
    mark = mark_unknown(parse_payment(document(capture("Pending"))), "t", reason="r", cause=CAUSE)
    assert [one["action"] for one in mark.actions] == ["addInterfaceInteraction"]


def test_what_is_decided_or_not_there_gets_no_mark():
    for before in (document(capture("Success")), document()):
        assert marked(before) == before


def test_a_later_success_at_the_psp_still_wins_over_a_persons_failure():
    then = after(document(capture()), replace(WORD, state=State.FAILURE))
    reference = Reference(project_key="demo", payment_id="pay-1", transaction_id="t")
    late = Fact(
        kind=Kind.CHARGE, state=State.SUCCESS, amount=Money(amount=1000, currency="EUR"), at=NOON, reference=reference
    )
    assert {"action": "changeTransactionState", "transactionId": "t", "state": "Success"} in plan(then, [late], CAUSE)
