"""What an answer of commercetools means, apart from how it came."""

from __future__ import annotations

import pytest
from support.prose import reads_well

from ct.errors import (
    ConflictError,
    DuplicateError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)
from ct.wire import Limits, Reply, _AgainError, _waits, correlated, describe, first_error, is_good, read_reply, refusal

ODD = {"message": "odd"}


def reply(status, *errors, **more):
    return Reply(status=status, document=({"errors": list(errors)} if errors else {}) | more)


@pytest.mark.parametrize(
    ("status", "good"), [(199, False), (200, True), (204, True), (299, True), (300, False), (404, False), (500, False)]
)
def test_success_is_a_class_of_statuses(status, good):
    assert is_good(status) is good
    assert reply(status).good is good


@pytest.mark.parametrize(
    ("status", "content", "document"),
    [
        (200, b'{"id": "p1"}', {"id": "p1"}),
        (404, b'{"id": "p1"}', {"id": "p1"}),
        (404, b"[]", {}),
        (302, b"<html>", {}),
        (500, b"", {}),
    ],
)
def test_an_answer_is_its_status_and_its_document_if_it_has_one(status, content, document):
    assert read_reply(status, content) == Reply(status=status, document=document)


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"null", b'"text"', b"\xff", b'{"id": '])
def test_success_without_a_document_proves_nothing(content):
    assert read_reply(200, content) is None


@pytest.mark.parametrize(
    ("document", "first"),
    [
        ({"errors": [{"code": "A"}, {"code": "B"}]}, {"code": "A"}),
        ({"errors": []}, {}),
        ({"errors": ["A", {"code": "B"}]}, {}),
        ({"errors": {"code": "A"}}, {}),
        ({}, {}),
    ],
)
def test_the_first_error_is_the_one_that_counts(document, first):
    assert first_error(document) == first


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (reply(400, {"code": "InvalidInput"}, message="why"), "400 InvalidInput: why"),
        (
            reply(400, {"code": "InvalidInput"}, message="why", error="other", error_description="no"),
            "400 InvalidInput: why",
        ),
        (reply(401, error="invalid_client", error_description="why"), "401 invalid_client: why"),
        (reply(502), "502: no message"),
        (reply(400, {"code": "c" * 200}, message="m" * 400), f"400 {'c' * 96}: {'m' * 300}"),
        (reply(400, {"code": 7}, message={"a": 1}), "400 7: {'a': 1}"),
    ],
)
def test_an_answer_is_told_by_status_code_and_message_cut(answer, told):
    assert describe(answer) == told


GONE, TAKEN = {"code": "ResourceNotFound"}, {"code": "DuplicateField", "field": "key"}


@pytest.mark.parametrize(
    ("answer", "kind", "advice"),
    [
        (reply(404, GONE), NotFoundError, "Check the id"),
        (reply(404, {"code": "Other"}), UnavailableError, "really commercetools"),
        (reply(404, **ODD), UnavailableError, "really commercetools"),
        (reply(404), UnavailableError, "really commercetools"),
        (reply(409), ConflictError, "decide again"),
        (reply(401), ForbiddenError, "CTP_CLIENT_ID"),
        (reply(403, **ODD), ForbiddenError, "CTP_CLIENT_ID"),
        (reply(400, TAKEN), DuplicateError, "that has it"),
        (reply(400, {"code": "DuplicateFieldWithConflictingResource"}), DuplicateError, "that has it"),
        (reply(422, TAKEN), InvalidRequestError, "will not help"),
        (reply(400, **ODD), InvalidRequestError, "will not help"),
        (reply(400), UnavailableError, "really commercetools"),
        (reply(499, **ODD), InvalidRequestError, "will not help"),
        (reply(405), UnavailableError, "really commercetools"),
        (reply(413), InvalidRequestError, "will not help"),
        (reply(414), InvalidRequestError, "will not help"),
        (reply(431), InvalidRequestError, "will not help"),
        (reply(302, **ODD), UnavailableError, "really commercetools"),
        (reply(501, **ODD), UnavailableError, "really commercetools"),
        (reply(501, GONE), UnavailableError, "really commercetools"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Reply) else "",
)
def test_an_error_is_named_by_the_reaction_it_needs_and_says_what_was_asked(answer, kind, advice):
    error = refusal(answer, asked="GET /demo")
    assert type(error) is kind
    assert f"{describe(answer)} to GET /demo. " in str(error)
    assert advice in str(error)
    assert reads_well(error)


def test_what_a_program_needs_of_an_error_is_told_apart():
    taken = refusal(reply(400, TAKEN), asked="x")
    nameless = refusal(reply(400, {"code": "DuplicateField"}), asked="x")
    assert (taken.field, nameless.field) == ("key", "")
    wrong, codeless = refusal(reply(400, {"code": "InvalidInput"}), asked="x"), refusal(reply(400, **ODD), asked="x")
    assert (wrong.code, codeless.code) == ("InvalidInput", "")


@pytest.mark.parametrize(("given", "headers"), [("c-1", {"X-Correlation-ID": "c-1"}), ("", {}), (None, {})])
def test_a_request_is_named_where_it_has_a_name(given, headers):
    assert correlated(given) == headers


def test_a_wait_doubles_to_its_end_and_is_no_shorter_than_commercetools_asks():
    waits = _waits(lambda: 0.5, Limits(first_wait_s=1.0, longest_wait_s=5.0))
    assert next(waits) == 0.0
    assert waits.send(None) == 0.5
    asked_for = [0.0, 3.0, 4.0, 60.0, 0.0]
    assert [waits.send(_AgainError("again", retry_after=one)) for one in asked_for] == [1.0, 3.0, 4.0, 5.0, 5.0]


def test_names_are_remembered_from_one_answer_to_the_next_and_values_are_not():
    one, other = (read_reply(200, b'{"canary-name": "canary-value"}').document for _ in range(2))
    ((name, value),), ((same, again),) = one.items(), other.items()
    assert name is same
    assert value == again
    assert value is not again
