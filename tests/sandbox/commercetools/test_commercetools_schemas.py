"""The validator itself: what plain JSON Schema would let through, it must not."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import openapi
from support.commercetools_api import payment_draft, transaction
from support.commercetools_gaps import KNOWN_GAPS


def update(**action: object) -> dict:
    return {"version": 1, "actions": [action]}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ("PaymentUpdate", update(action="bogus")),
        ("PaymentUpdate", update(action="setKey", kee="x")),
        ("PaymentUpdate", update(action="changeTransactionState", transactionId="x", state="Bogus")),
        ("PaymentUpdate", update(action="changeTransactionState", transactionId="x")),
        ("PaymentUpdate", update()),
        ("PaymentDraft", {}),
        ("PaymentDraft", payment_draft(bogus=1)),
        ("PaymentDraft", payment_draft(transactions=[transaction("Bogus")])),
        ("SubscriptionDraft", {"destination": {"type": "Bogus"}}),
        ("ErrorResponse", {"statusCode": 400, "message": "x", "errors": [{"code": "Bogus", "message": "x"}]}),
        ("ErrorResponse", {"statusCode": 400, "message": "x", "errors": [{"code": "DuplicateField", "message": "x"}]}),
        ("Transaction", {**transaction(), "id": "x", "state": "Initial", "timestamp": "2026-01-01"}),
    ],
)
def test_what_is_not_in_the_official_file_is_found(schema: str, value: object):
    with pytest.raises(openapi.SchemaError):
        openapi.validate(schema, value)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ("PaymentUpdate", update(action="setKey")),
        ("PaymentUpdate", update(action="addTransaction", transaction=transaction())),
        ("PaymentUpdate", update(action="setMethodInfoToken", token={"value": "x"})),
        ("PaymentDraft", payment_draft(key="x", transactions=[transaction(interfaceId="x")])),
        ("SubscriptionDraft", {"destination": {"type": "GoogleCloudPubSub", "projectId": "p", "topic": "t"}}),
    ],
)
def test_what_is_in_the_official_file_passes(schema: str, value: object):
    openapi.validate(schema, value)


def test_a_schema_that_is_not_there_is_an_error_of_the_test():
    with pytest.raises(KeyError):
        openapi.validate("Bogus", {})


def test_a_message_of_an_unknown_type_is_found():
    with pytest.raises(openapi.SchemaError):
        openapi.validate_message({"type": "PaymentBogus"})


def test_every_known_gap_names_a_test_that_exists():
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_commercetools_*.py"))
    missing = [name for name in KNOWN_GAPS if f"def {name.partition('[')[0]}(" not in text]
    assert missing == []
