"""Every outcome on every route that tells one: the design's table of answers, row by row."""

from __future__ import annotations

import pytest

from handlers.answers import intent_answer, payment_answer, return_outcome, status_answer, transaction_answer
from psp.outcome import Outcome, Reason, Standing

REASON = Reason(code="a-code", message="Because.")
#: POST /payments and its status: the status code, the outcome or the error's code.
PAYMENTS = {
    Outcome.APPROVED: (200, "approved"),
    Outcome.REJECTED: (200, "rejected"),
    Outcome.REFUSED: (400, "InvalidOperation"),
    Outcome.ACTION: (200, "action"),
    Outcome.PENDING: (200, "pending"),
    Outcome.NOT_FOUND: (404, "ResourceNotFound"),
    Outcome.KEY_REUSED: (422, "IdempotencyKeyReused"),
}
#: POST /operations/payment-intents/{id}.
INTENTS = {
    Outcome.APPROVED: (200, "approved"),
    Outcome.REJECTED: (200, "rejected"),
    Outcome.REFUSED: (200, "rejected"),
    Outcome.ACTION: (200, "received"),
    Outcome.PENDING: (200, "received"),
    Outcome.NOT_FOUND: (404, "ResourceNotFound"),
    Outcome.KEY_REUSED: (422, "IdempotencyKeyReused"),
}
#: POST /operations/transactions.
TRANSACTIONS = {
    Outcome.APPROVED: (201, "Completed"),
    Outcome.REJECTED: (201, "Failed"),
    Outcome.REFUSED: (201, "Failed"),
    Outcome.ACTION: (201, "Pending"),
    Outcome.PENDING: (201, "Pending"),
    Outcome.NOT_FOUND: (404, "ResourceNotFound"),
    Outcome.KEY_REUSED: (422, "IdempotencyKeyReused"),
}
#: The shopper's way back to the shop.
RETURNS = {
    Outcome.APPROVED: "approved",
    Outcome.REJECTED: "rejected",
    Outcome.REFUSED: "rejected",
    Outcome.ACTION: "action",
    Outcome.PENDING: "pending",
    Outcome.NOT_FOUND: "rejected",
    Outcome.KEY_REUSED: "rejected",
}


def told(answer):
    """Its status code, and the outcome or the error's code."""
    body = answer.body.model_dump(by_alias=True)
    if "errors" in body:
        assert body["statusCode"] == answer.status
        return answer.status, body["errors"][0]["code"]
    if "transactionStatus" in body:
        return answer.status, body["transactionStatus"]["state"]
    return answer.status, body["outcome"]


def standing(outcome, reason=None):
    return Standing(outcome=outcome, payment_reference="pay-1", reason=reason)


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_its_word_on_every_route(outcome):
    for reason in (None, REASON):
        one = standing(outcome, reason)
        assert told(status_answer(one, operation="op")) == PAYMENTS[outcome]
        assert told(payment_answer(one, operation="op", status_url="/payments/op")) == PAYMENTS[outcome]
        assert told(intent_answer(one)) == INTENTS[outcome]
        assert told(transaction_answer(one)) == TRANSACTIONS[outcome]
        assert return_outcome(one) == RETURNS[outcome]


@pytest.mark.parametrize("outcome", Outcome)
def test_a_reason_travels_with_every_no(outcome):
    for answer in (status_answer(standing(outcome, REASON), operation="op"), intent_answer(standing(outcome, REASON))):
        body = answer.body.model_dump(by_alias=True)
        assert body["reason"] == {"code": "a-code", "message": "Because."}


def test_a_failed_transaction_tells_why_in_the_contracts_one_code_and_no_other_tells_errors():
    for outcome, (_, state) in TRANSACTIONS.items():
        if state == "Failed":
            with_reason, without = (
                transaction_answer(standing(outcome, reason)).body.transaction_status.errors
                for reason in (REASON, None)
            )
            assert [(one.code, one.message) for one in with_reason] == [("PaymentRejected", "Because. (a-code)")]
            assert [one.message for one in without] == ["The payment was not accepted."]
        elif state in {"Completed", "Pending"}:
            assert transaction_answer(standing(outcome, REASON)).body.transaction_status.errors == []
