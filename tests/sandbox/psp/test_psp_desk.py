"""Idempotency keys and faults: what a caller meets who repeats himself, or has bad luck."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.psp_servers import PUBLISHABLE_KEY, SECRET_KEY, WEBHOOK_SECRET, ids

from sandbox.psp.behaviour import Manner
from sandbox.psp.desk import Call, Desk, Ticket
from sandbox.psp.faults import Fault, FaultKind, FaultPlan
from sandbox.psp.house import House, build
from sandbox.psp.model import Terms
from sandbox.psp.reply import Reply

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def house() -> House:
    return build(
        secret_key=SECRET_KEY,
        publishable_key=PUBLISHABLE_KEY,
        allowed_origins=None,
        webhook_url=None,
        webhook_secrets=[WEBHOOK_SECRET],
        base_url="https://psp.test",
        clock=lambda: NOW,
        new_id=ids(),
        terms=Terms(),
    )


def call(key: str | None = "k", **changes: object) -> Call:
    body = {
        "amount": 100,
        "currency": "EUR",
        "token": "tok_approved",
        "merchant_reference": "m",
        "return_url": "https://shop.test/",
        **changes,
    }
    return Call(operation="payments.create", payment="", key=key, body=json.dumps(body).encode())


def make(desk: Desk, wanted: Call, now: datetime = NOW) -> Reply:
    opened = desk.open(wanted, now)
    return desk.run(opened, now) if isinstance(opened, Ticket) else opened


def code(reply: Reply) -> object:
    error = reply.body.get("error")
    return error["code"] if isinstance(error, dict) else None


def test_the_first_result_of_a_key_is_replayed_and_nothing_happens_twice():
    it = house()
    first, second = make(it.desk, call()), make(it.desk, call())
    assert first.body == second.body
    assert (first.headers, second.headers) == ({}, {"Idempotency-Replayed": "true"})
    assert len(it.books.effects) == 1


def test_without_a_key_the_same_request_moves_money_twice():
    it = house()
    make(it.desk, call(None))
    make(it.desk, call(None))
    assert len(it.books.effects) == 2


def test_a_decline_is_the_result_of_its_key():
    it = house()
    first, second = (make(it.desk, call(token="tok_declined")) for _ in range(2))
    assert first.status == second.status == 402
    assert len(it.books.payments) == 1


def test_another_request_under_the_same_key_is_refused():
    it = house()
    made = make(it.desk, call())
    assert code(make(it.desk, call(amount=101))) == "idempotency_key_reused"
    elsewhere = replace(
        call(), operation="payments.cancel", payment=str(made.body["id"]), body=b'{"merchant_reference": "m"}'
    )
    assert make(it.desk, elsewhere).status == 422


def test_a_key_whose_first_request_still_runs_is_in_progress():
    it = house()
    ticket = it.desk.open(call(), NOW)
    assert isinstance(ticket, Ticket)
    assert code(make(it.desk, call())) == "idempotency_key_in_progress"
    it.desk.release(ticket)
    assert make(it.desk, call()).status == 201


def test_a_key_is_forgotten_after_its_lifetime_and_then_the_money_moves_again():
    it = house()
    make(it.desk, call())
    make(it.desk, call(), NOW + timedelta(hours=24) - timedelta(seconds=1))
    assert len(it.books.effects) == 1
    make(it.desk, call(), NOW + timedelta(hours=24))
    assert len(it.books.effects) == 2


def test_a_malformed_request_does_not_use_its_key_up():
    it = house()
    wrong = make(it.desk, call(amount=-1))
    assert (wrong.status, code(wrong)) == (400, "invalid_request")
    assert wrong.body["error"]["param"] == "amount"
    assert make(it.desk, call()).status == 201


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"amount": true}'])
def test_what_is_not_the_json_of_the_operation_is_refused(body):
    assert make(house().desk, replace(call(), body=body)).status == 400


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_that_is_empty_or_too_long_is_refused(key):
    assert code(make(house().desk, call(key))) == "invalid_idempotency_key"


def test_a_stored_server_error_is_replayed_although_the_effect_happened():
    it = house()
    replies = [make(it.desk, call(token="tok_error_after")) for _ in range(2)]
    assert [each.status for each in replies] == [500, 500]
    assert len(it.books.effects) == 1


@pytest.mark.parametrize(("token", "manner"), [("tok_timeout", Manner.HOLD), ("tok_drop", Manner.DROP)])
def test_a_reply_that_was_lost_is_given_to_the_same_key_at_once(token, manner):
    it = house()
    first, second = (make(it.desk, call(token=token)) for _ in range(2))
    assert (first.manner, second.manner) == (manner, Manner.SEND)
    assert first.body == second.body
    assert len(it.books.effects) == 1


@pytest.mark.parametrize(
    ("kind", "status", "manner", "effects"),
    [
        (FaultKind.RATE_LIMIT, 429, Manner.SEND, 0),
        (FaultKind.ERROR_BEFORE, 503, Manner.SEND, 0),
        (FaultKind.DROP_BEFORE, 503, Manner.DROP, 0),
        (FaultKind.ERROR_AFTER, 503, Manner.SEND, 1),
        (FaultKind.DROP_REPLY, 201, Manner.DROP, 1),
        (FaultKind.DELAY_REPLY, 201, Manner.SEND, 1),
        (FaultKind.DELAY_BEFORE, 201, Manner.SEND, 1),
    ],
)
def test_a_fault_strikes_before_or_after_the_effect_as_it_says(kind, status, manner, effects):
    it = house()
    it.desk.faults = FaultPlan(faults=(Fault(kind=kind, on="payments.create", status=503, delay_s=2),))
    reply = make(it.desk, call())
    assert (reply.status, reply.manner, len(it.books.effects)) == (status, manner, effects)
    assert it.desk.faults == FaultPlan()
    if kind is FaultKind.RATE_LIMIT:
        assert reply.headers["Retry-After"] == "2"
    if kind is FaultKind.DELAY_REPLY:
        assert reply.delay_s == 2
    assert make(it.desk, call()).status == (503 if kind is FaultKind.ERROR_AFTER else 201)
    assert len(it.books.effects) == 1


def test_a_fault_waits_for_its_turn_and_its_operation():
    plan = FaultPlan(faults=(Fault(kind=FaultKind.RATE_LIMIT, on="refunds.create", skip=1, times=2),))
    kinds = frozenset(FaultKind)
    struck = []
    for operation in ("refunds.create", "captures.create", "refunds.create", "refunds.create", "refunds.create"):
        fault, plan = plan.take(operation, kinds)
        struck.append(fault is not None)
    assert struck == [False, False, True, True, False]
