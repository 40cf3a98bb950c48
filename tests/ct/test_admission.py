from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support import ct_documents
from support.ct_documents import NOON, applied, transaction

from ct.admission import REFUSALS_MAX, Admitted, Answered, KeyReused, NothingToDo, Refused, Request, admit
from ct.payment import parse_payment
from psp.capabilities import Capabilities, CaptureSupport, LookupBy, RefundScope, Remainder
from psp.facts import Kind, State
from psp.money import Money
from psp.outcome import Outcome

PSP = Capabilities(
    methods=frozenset({"card"}),
    captures=CaptureSupport.MULTIPLE,
    remainder=Remainder.KEPT,
    refund_scope=RefundScope.PAYMENT,
    key_lifetime=timedelta(hours=24),
    key_length_max=64,
    lookup_by=frozenset(LookupBy),
)
AUTH = transaction("auth", state="Success", command="c-auth")


def payment_document(*transactions):
    """A Payment that the PSP knows."""
    return ct_documents.payment_document(*transactions, interfaceId="psp-1")


def request(command="c-1", kind=Kind.CHARGE, amount=1000, **more):
    return Request(
        command_id=command,
        kind=kind,
        accepted_at=NOON,
        now=NOON,
        send_by=NOON + timedelta(hours=23),
        amount=None if amount is None else Money(amount=amount, currency="EUR"),
        **more,
    )


def play(document, *requests):
    """The Payment after the requests, one after the other, and the last admission."""
    for one in requests:
        admission = admit(parse_payment(document), one, PSP)
        document = applied(document, admission.actions)
    return document, admission


def test_a_capture_is_reserved_once_however_often_its_command_comes():
    document, first = play(payment_document(AUTH), request())
    assert isinstance(first, Admitted)
    (reserved,) = first.transactions(parse_payment(document))
    assert (reserved.state, reserved.amount.amount, reserved.command_id) == (State.INITIAL, 1000, "c-1")
    assert reserved.send_by == NOON + timedelta(hours=23)
    again, second = play(document, request())
    assert (again, second.actions) == (document, [])
    assert second.transactions(parse_payment(again)) == (reserved,)


def test_a_run_that_finds_its_own_reservation_never_refuses_it():
    document, _ = play(payment_document(AUTH), request(amount=4200))
    _, resumed = play(document, request(amount=4200))
    assert isinstance(resumed, Admitted)


def test_two_equal_partial_captures_are_two_captures():
    document, _ = play(payment_document(AUTH), request("c-1"), request("c-2"))
    assert len(parse_payment(document).of_kind(Kind.CHARGE)) == 2


def test_a_refusal_is_recorded_once_with_its_reason():
    document, refused = play(payment_document(AUTH), request(amount=9999))
    assert isinstance(refused, Refused)
    (note,) = parse_payment(document).interactions
    assert (note.cause, note.code) == ("c-1", "exceeds-authorization")
    again, answered = play(document, request(amount=9999))
    assert isinstance(answered, Answered)
    assert (again, answered.standing.outcome) == (document, Outcome.REFUSED)
    assert parse_payment(again).of_kind(Kind.CHARGE) == ()


def test_a_key_reused_for_another_amount_is_refused():
    document, _ = play(payment_document(AUTH), request(request_hash="a"))
    assert isinstance(play(document, request(amount=5, request_hash="b"))[1], KeyReused)


def test_a_key_that_met_a_refusal_and_is_reused_for_something_else_is_told_so():
    document, _ = play(payment_document(AUTH), request(amount=9999, request_hash="a"))
    again, reused = play(document, request(amount=5, request_hash="b"))
    assert isinstance(reused, KeyReused)
    assert again == document
    assert isinstance(play(document, request(amount=9999, request_hash="a"))[1], Answered)


def test_a_refusal_of_an_earlier_version_that_does_not_say_of_what_is_repeated():
    document, _ = play(payment_document(AUTH), request(amount=9999))
    assert isinstance(play(document, request(amount=5, request_hash="b"))[1], Answered)


def test_of_two_initial_charges_that_do_not_both_fit_one_goes_through_and_the_other_fails_with_a_reason():
    document = payment_document(
        AUTH, transaction("m-1", "Charge", "Initial", 3000), transaction("m-2", "Charge", "Initial", 3000)
    )
    document, first = play(document, request("x-1", amount=None, claiming="m-1"))
    assert isinstance(first, Admitted)
    assert [one.id for one in first.transactions(parse_payment(document))] == ["m-1"]
    document, second = play(document, request("x-2", amount=None, claiming="m-2"))
    assert isinstance(second, Refused)
    assert [one.state for one in parse_payment(document).of_kind(Kind.CHARGE)] == [State.INITIAL, State.FAILURE]


@pytest.mark.parametrize("typed", [False, True])
def test_a_claim_is_made_once_and_leaves_a_merchants_own_type_alone(typed):
    document = payment_document(
        AUTH,
        transaction("m", "Refund", "Initial", 100, custom=typed),
        transaction("cap", "Charge", "Success", 500, command="c"),
    )
    claim = request("x", Kind.REFUND, None, claiming="m")
    document, _ = play(document, claim)
    claimed = parse_payment(document).transaction("m")
    assert claimed.taken
    assert claimed.command_id == (None if typed else "x")
    assert play(document, claim)[1] == Admitted(commands=(), claimed="m", actions=[])


def test_a_capture_that_is_claimed_comes_out_of_no_charge():
    document, _ = play(
        payment_document(AUTH, transaction("m", "Charge", "Initial", 100)), request("x", amount=None, claiming="m")
    )
    (claimed,) = [one for one in document["transactions"] if one["id"] == "m"]
    assert claimed["custom"]["fields"]["ctpayCommandId"] == "x"
    assert "ctpayChargeId" not in claimed["custom"]["fields"]


def test_what_was_claimed_and_is_not_there_any_more_is_nothing_to_carry_out():
    claimed = Admitted(commands=(), claimed="m", actions=[])
    assert claimed.transactions(parse_payment(payment_document(AUTH))) == ()
    reserved = Admitted(commands=("c-1",), claimed=None, actions=[])
    assert reserved.transactions(parse_payment(payment_document(AUTH))) == ()


@pytest.mark.parametrize("kind", [Kind.AUTHORIZATION, Kind.CHARGEBACK])
def test_nobody_commands_what_only_shoppers_or_banks_do(kind):
    with pytest.raises(AssertionError, match=f"nobody commands a {kind}"):
        play(payment_document(AUTH), request(kind=kind))


def test_a_claim_of_what_is_gone_or_decided_does_nothing():
    decided = payment_document(AUTH, transaction("m", "Charge", "Success", 10))
    for claiming in ("m", "nobody"):
        assert isinstance(play(decided, request(amount=None, claiming=claiming))[1], NothingToDo)


def test_a_merchants_cancel_must_be_over_what_is_left():
    odd = payment_document(AUTH, transaction("m", "CancelAuthorization", "Initial", 10))
    claim = request("x", Kind.CANCEL_AUTHORIZATION, None, claiming="m")
    assert play(odd, claim)[1].refusal.code == "not-what-is-left"
    whole = payment_document(AUTH, transaction("m", "CancelAuthorization", "Initial", 4200))
    assert isinstance(play(whole, claim)[1], Admitted)
    assert play(payment_document(transaction("m", "CancelAuthorization")), claim)[1].refusal.code == "not-authorized"


def test_a_reversal_reserves_the_cancel_and_the_refund_in_one_write():
    document = payment_document(AUTH, transaction("cap", "Charge", "Success", 1000, command="c"))
    reverse = request("rev", None, None)
    document, admitted = play(document, reverse)
    reserved = admitted.transactions(parse_payment(document))
    assert [(one.kind, one.amount.amount) for one in reserved] == [
        (Kind.CANCEL_AUTHORIZATION, 3200),
        (Kind.REFUND, 1000),
    ]
    assert play(document, reverse)[1].actions == []
    nothing = payment_document(transaction("auth", state="Failure", command="c"))
    assert play(nothing, reverse)[1].refusal.code == "nothing-to-reverse"


def test_a_capture_after_a_cancel_is_refused():
    document, _ = play(payment_document(AUTH), request("x", Kind.CANCEL_AUTHORIZATION, None))
    assert play(document, request())[1].refusal.code == "cancelled"
    assert play(payment_document(), request("x", Kind.CANCEL_AUTHORIZATION, None))[1].refusal.code == "not-authorized"


def test_a_payment_that_the_psp_does_not_know_is_refused():
    by_hand = ct_documents.payment_document(AUTH)
    assert play(by_hand, request())[1].refusal.code == "unknown-to-psp"


def test_a_reversal_waits_for_a_capture_that_the_psp_may_not_know_of():
    document, _ = play(payment_document(AUTH), request())
    assert play(document, request("rev", None, None))[1].refusal.code == "capture-under-way"


def test_a_caller_that_never_tires_does_not_fill_the_log():
    document = payment_document(AUTH)
    for number in range(REFUSALS_MAX + 10):
        document, refused = play(document, request(f"c-{number}", amount=9999))
        assert isinstance(refused, Refused)
        assert refused.refusal.code == "exceeds-authorization"
    assert len(parse_payment(document).interactions) == REFUSALS_MAX


def hidden(document):
    """The document with other software's fields in the place of ours, and times of its own, on two equal Charges."""
    charges = [transaction(name, "Charge", "Initial", 1000, at="2026-03-02T12:00:00.000Z") for name in ("x", "y")]
    others = [one for one in document["transactions"] if one["type"] != "Charge"]
    return document | {"transactions": [*others, *charges]}


def test_what_was_reserved_and_is_hidden_since_is_not_reserved_again():
    document, _ = play(payment_document(AUTH), request("c-1"))
    admission = admit(parse_payment(hidden(document)), request("c-1"), PSP)
    why = "it was reserved before, and other software has hidden where"
    assert admission == NothingToDo(reason=why, actions=[])


def test_what_another_command_has_reserved_hides_nothing():
    document, _ = play(payment_document(AUTH), request("c-1"))
    assert isinstance(admit(parse_payment(hidden(document)), request("c-2"), PSP), Admitted)


def test_the_log_tells_what_identified_the_money_of_a_reservation():
    document, _ = play(payment_document(AUTH), request("c-1", request_hash="h-1"))
    (reserved,) = [one["fields"] for one in document["interfaceInteractions"]]
    assert (reserved["ctpayKind"], reserved["ctpayRequestHash"]) == ("reserved", "h-1")


def test_the_log_tells_which_charge_a_merchants_refund_is_taken_from():
    charge = transaction("cap", "Charge", "Success", 500, command="c", interaction_id="cap_1")
    document = payment_document(AUTH, charge, transaction("m", "Refund", "Initial", 100))
    by_capture = replace(PSP, refund_scope=RefundScope.CAPTURE)
    admission = admit(parse_payment(document), request("x", Kind.REFUND, None, claiming="m"), by_capture)
    (claimed,) = [one["fields"] for one in applied(document, admission.actions)["interfaceInteractions"]]
    assert (claimed["ctpayKind"], claimed["ctpayMessage"]) == ("claim", "cap")
