from __future__ import annotations

from datetime import timedelta

import pytest
from support.ct_documents import payment, transaction

from ct.judge import (
    Refusal,
    charge_to_refund,
    judge_cancel,
    judge_capture,
    judge_refund,
    refund_parts,
)
from psp.capabilities import Capabilities, CaptureSupport, LookupBy, RefundScope, Remainder
from psp.money import Money


def capabilities(captures=CaptureSupport.MULTIPLE, remainder=Remainder.KEPT, scope=RefundScope.PAYMENT):
    return Capabilities(
        methods=frozenset({"card"}),
        captures=captures,
        remainder=remainder,
        refund_scope=scope,
        key_lifetime=timedelta(hours=24),
        key_length_max=64,
        lookup_by=frozenset(LookupBy),
    )


ANY = capabilities()


def eur(amount):
    return Money(amount=amount, currency="EUR")


def held(*more, state="Success"):
    return payment(transaction("auth", state=state, command="c1"), *more, interfaceId="psp-1")


def charge(identity, amount, state="Success", **more):
    return transaction(identity, "Charge", state, amount, command=more.pop("command", identity), **more)


def refund(identity, amount, state="Success", **more):
    return transaction(identity, "Refund", state, amount, command=identity, **more)


CANCEL = transaction("can", "CancelAuthorization", "Success", 4200, command="can")


@pytest.mark.parametrize(
    ("on", "amount", "code"),
    [
        (held(), eur(4200), None),
        (held(), eur(4201), "exceeds-authorization"),
        (held(charge("a", 4000)), eur(200), None),
        (held(charge("a", 4000, "Initial")), eur(201), "exceeds-authorization"),
        (held(charge("a", 4000, "Pending")), eur(201), "exceeds-authorization"),
        (held(charge("a", 4000, "Failure")), eur(4200), None),
        (held(transaction("m", "Charge", "Initial", 4000)), eur(4200), None),
        (held(CANCEL), eur(1), "cancelled"),
        (held(state="Pending"), eur(1), "not-authorized"),
        (held(state="Failure"), eur(1), "not-authorized"),
        (payment(), eur(1), "not-authorized"),
        (held(), Money(amount=1, currency="USD"), "currency-mismatch"),
        (held(), eur(0), "amount-not-positive"),
        (held(), eur(-5), "amount-not-positive"),
    ],
)
def test_captures_stay_within_the_authorization(on, amount, code):
    verdict = judge_capture(on, amount, ANY)
    assert (verdict.code if verdict else None) == code


def test_a_superseded_attempt_is_not_captured():
    on = payment(transaction("auth", state="Success", command="c", fields={"ctpaySuperseded": True}))
    assert judge_capture(on, eur(1), ANY).code == "superseded"


def test_a_psp_that_captures_once_is_asked_once():
    once = capabilities(CaptureSupport.ONCE)
    assert judge_capture(held(), eur(10), once) is None
    assert judge_capture(held(charge("a", 10)), eur(10), once).code == "already-captured"
    released = capabilities(remainder=Remainder.RELEASED)
    assert judge_capture(held(charge("a", 10)), eur(10), released).code == "already-captured"
    full = capabilities(CaptureSupport.FULL)
    assert judge_capture(held(), eur(10), full).code == "partial-capture-unsupported"
    assert judge_capture(held(), eur(4200), full) is None


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        (held(), 4200),
        (held(charge("a", 200)), 4000),
        (held(charge("a", 200, "Pending")), 4000),
        (held(transaction("m", "Charge", "Initial", 200)), 4200),
        (held(charge("a", 200, "Initial")), "capture-under-way"),
        (held(state="Pending"), 4200),
        (held(state="Initial"), 4200),
        (held(charge("a", 4200)), "nothing-left"),
        (held(CANCEL), "cancelled"),
        (held(state="Failure"), "not-authorized"),
        (payment(), "not-authorized"),
    ],
)
def test_a_cancel_takes_what_is_left(on, expected):
    verdict = judge_cancel(on)
    assert (verdict.code if isinstance(verdict, Refusal) else verdict.amount) == expected


@pytest.mark.parametrize(
    ("on", "amount", "charge_id", "code"),
    [
        (held(charge("a", 3000)), 3000, None, None),
        (held(charge("a", 3000)), 3001, None, "exceeds-captures"),
        (held(charge("a", 3000, "Pending")), 1, None, "exceeds-captures"),
        (held(charge("a", 3000), refund("r", 1000)), 2001, None, "exceeds-captures"),
        (held(charge("a", 3000), refund("r", 1000, "Pending")), 2001, None, "exceeds-captures"),
        (held(charge("a", 3000), refund("r", 1000, "Failure")), 3000, None, None),
        (held(charge("a", 3000), transaction("d", "Chargeback", "Pending", 3000)), 1, None, "exceeds-captures"),
        (held(charge("a", 3000), charge("b", 500)), 501, "b", "exceeds-captures"),
        (held(charge("a", 3000), charge("b", 500)), 500, "b", None),
        (held(charge("a", 3000), charge("b", 500), refund("r", 3400)), 500, "b", "exceeds-captures"),
        (held(charge("a", 3000)), 1, "zz", "unknown-charge"),
        (held(charge("a", 3000)), 0, None, "amount-not-positive"),
    ],
)
def test_refunds_stay_within_the_captures_less_chargebacks(on, amount, charge_id, code):
    verdict = judge_refund(on, eur(amount), ANY, charge_id=charge_id)
    assert (verdict.code if verdict else None) == code


def test_a_psp_that_refunds_per_capture_gets_one_capture_that_covers_it():
    per_capture = capabilities(scope=RefundScope.CAPTURE)
    on = held(charge("a", 300), charge("b", 500), refund("r", 100, fields={"ctpayChargeId": "b"}))
    assert judge_refund(on, eur(400), per_capture) is None
    assert charge_to_refund(on, eur(400), per_capture) == "b"
    assert charge_to_refund(on, eur(300), per_capture) == "a"
    assert judge_refund(on, eur(600), per_capture).code == "charge-needed"
    assert [(p.amount.amount, p.charge_id) for p in refund_parts(on, per_capture)] == [(300, "a"), (400, "b")]
    assert charge_to_refund(on, eur(300), ANY) is None


def test_a_reversal_refunds_what_is_left_and_nothing_where_nothing_is():
    on = held(charge("a", 3000), refund("r", 1000))
    assert [(p.amount.amount, p.charge_id) for p in refund_parts(on, ANY)] == [(2000, None)]
    assert refund_parts(held(), ANY) == ()
