"""Sandbox Pay's JSON as facts, table by table: no word of it may mean something else tomorrow."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from psp.errors import UnknownVocabularyError
from psp.facts import ActionType, Kind, Reference, State
from psp.money import Money, from_psp_units, to_psp_units
from psp.sandbox.facts import answer_of, operation_facts
from psp.sandbox.table import ACTIONS, AUTHORIZED, KINDS, STATES, STATES_AFTER_SUCCESS, UNAUTHORIZED
from psp.sandbox.wire import OperationJson, PaymentJson
from psp.signature import StandardWebhookVerifier, key_of

AT = datetime(2030, 1, 1, tzinfo=UTC)
OURS = {"project_key": "demo", "payment_id": "p", "transaction_id": "t"}


def operation(**more):
    values = {
        "object": "capture",
        "id": "cap_1",
        "payment": "pay_1",
        "amount": 100,
        "currency": "EUR",
        "status": "succeeded",
        "metadata": OURS,
        "failure": None,
        "payment_metadata": OURS | {"transaction_id": "a"},
        "payment_amount_authorized": 100,
        "succeeded_at": None,
        "updated": AT,
    }
    return OperationJson(**(values | more))


def payment(**more):
    values = {
        "object": "payment",
        "id": "pay_1",
        "amount": 100,
        "currency": "EUR",
        "status": "authorized",
        "metadata": OURS,
        "card": {"brand": "Visa", "last4": "4242"},
        "action": None,
        "failure": None,
        "amount_authorized": 100,
        "authorized_at": None,
        "updated": AT,
    }
    return PaymentJson(**(values | more))


@pytest.mark.parametrize(
    ("reason", "code", "words"),
    [
        ("expired", "expired", "The payment is expired."),
        ("requested", "canceled", "The payment is canceled."),
        (None, "canceled", "The payment is canceled."),
    ],
)
def test_a_cancel_before_anything_was_held_ends_the_authorization_and_says_how(reason, code, words):
    _, ended = operation_facts(operation(object="cancel", reason=reason, payment_amount_authorized=0))
    assert (ended.kind, ended.state, ended.code, ended.message) == (Kind.AUTHORIZATION, State.FAILURE, code, words)
    assert (ended.psp_reference, ended.payment_reference, ended.at) == ("pay_1", "pay_1", AT)
    assert ended.reference == Reference(project_key="demo", payment_id="p", transaction_id="a")
    assert ended.amount == Money(amount=100, currency="EUR")


def test_a_cancel_of_one_cent_that_was_held_releases_it_and_ends_nothing():
    for metadata in (OURS, {}):
        (released,) = operation_facts(operation(object="cancel", payment_amount_authorized=1, metadata=metadata))
        assert released.kind is Kind.CANCEL_AUTHORIZATION


def test_an_operation_that_failed_says_why_and_one_that_did_not_says_nothing():
    (failed,) = operation_facts(operation(status="failed", failure={"code": "bank_no", "message": "The bank says no."}))
    assert (failed.state, failed.code, failed.message) == (State.FAILURE, "bank_no", "The bank says no.")
    (done,) = operation_facts(operation())
    assert (done.code, done.message) == (None, None)


@pytest.mark.parametrize("status", UNAUTHORIZED)
def test_an_authorization_that_ended_without_a_decline_says_how_and_an_open_one_says_nothing(status):
    (fact,) = answer_of(payment(status=status, amount_authorized=0)).facts
    told = (status, f"The payment is {status}.") if UNAUTHORIZED[status] is State.FAILURE else (None, None)
    assert (fact.code, fact.message) == told


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (lambda: answer_of(payment(action={"type": "dance", "url": "https://psp.example"})), "Unknown action 'dance'."),
        (lambda: answer_of(payment(status="lukewarm")), "Unknown payment status 'lukewarm'."),
        (lambda: operation_facts(operation(object="transfer")), "Unknown object 'transfer'."),
        (lambda: operation_facts(operation(status="lukewarm")), "Unknown capture status 'lukewarm'."),
    ],
)
def test_an_unknown_word_says_what_it_was_and_where_its_row_belongs(of, words):
    with pytest.raises(UnknownVocabularyError) as caught:
        of()
    assert str(caught.value) == f"{words} Add its row to psp/sandbox/table.py, then replay."


def test_an_unknown_word_is_told_only_as_far_as_a_word_may_be_long():
    with pytest.raises(UnknownVocabularyError, match=f"Unknown capture status '{'x' * 60}'\\. "):
        operation_facts(operation(status="x" * 100))


def test_every_row_of_the_vocabulary_means_what_the_psp_documents():
    assert UNAUTHORIZED == {
        "requires_action": State.PENDING,
        "approved_not_completed": State.PENDING,
        "pending": State.PENDING,
        "failed": State.FAILURE,
        "canceled": State.FAILURE,
        "expired": State.FAILURE,
    }
    assert dict.fromkeys(("authorized", "canceled", "expired"), State.SUCCESS) == AUTHORIZED
    assert STATES == {
        "pending": State.PENDING,
        "succeeded": State.SUCCESS,
        "failed": State.FAILURE,
        "open": State.PENDING,
        "lost": State.SUCCESS,
        "won": State.REVERSED,
    }
    assert STATES_AFTER_SUCCESS == {"succeeded": State.SUCCESS, "failed": State.REVERSED}
    assert [KINDS[word] for word in ("capture", "cancel", "refund", "dispute")] == [
        Kind.CHARGE,
        Kind.CANCEL_AUTHORIZATION,
        Kind.REFUND,
        Kind.CHARGEBACK,
    ]
    assert ACTIONS == {"challenge": ActionType.CHALLENGE, "redirect": ActionType.REDIRECT}


def test_a_psp_that_counts_as_iso_does_gets_the_amount_as_it_is():
    one = Money(amount=1, currency="EUR")
    assert to_psp_units(one, deviations={}) == 1
    assert from_psp_units(1, "EUR", deviations={}) == one


def test_a_secret_of_the_fewest_bytes_will_do_and_its_text_must_be_pure():
    fewest = base64.b64encode(b"k" * 16).decode()
    assert key_of(SecretStr(f"whsec_{fewest}")) == b"k" * 16
    for text, words in (
        (
            f"whsec_{fewest[:4]}!{fewest[4:]}",
            "A webhook secret must be `whsec_` and base64. Copy it again from the PSP.",
        ),
        ("whsec_a2s=", "A webhook secret needs 16 bytes at least. Let the PSP make a new one."),
    ):
        with pytest.raises(ValueError) as caught:
            key_of(SecretStr(text))
        assert str(caught.value) == words


def test_a_verifier_without_a_secret_says_that_it_could_believe_nothing():
    with pytest.raises(ValueError) as caught:
        StandardWebhookVerifier(secrets=[], clock=lambda: AT)
    assert str(caught.value) == "At least one webhook secret is needed: without one nothing could be believed."
