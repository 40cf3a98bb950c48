"""The shop's history of a payment: every difference between two versions is told, and nothing twice."""

from __future__ import annotations

from sandbox.shop.history import History, Source

MONEY = {"type": "centPrecision", "centAmount": 4230, "currencyCode": "EUR", "fractionDigits": 2}


def payment(version: int, *transactions: dict, **more) -> dict:
    return {
        "id": "p",
        "version": version,
        "lastModifiedAt": f"2026-11-23T10:00:0{version}.000Z",
        "amountPlanned": MONEY,
        "transactions": list(transactions),
        "interfaceInteractions": [],
        **more,
    }


def transaction(state: str, **more) -> dict:
    return {"id": "t", "type": "Authorization", "amount": MONEY, "state": state, **more}


def told(history: History) -> list[list[tuple]]:
    return [
        [(one.kind, one.type, one.before, one.after) for one in row.changes]
        for row in history.rows
        if row.source is Source.COMMERCETOOLS
    ]


def test_a_payment_seen_from_its_first_version_on_tells_each_step():
    history = History()
    history.see(payment(1, transaction("Initial")))
    history.see(payment(2, transaction("Success", interactionId="pay_1"), interfaceId="pay_1"))
    assert told(history) == [
        [("payment", None, None, None), ("transaction", "Authorization", None, "Initial")],
        [
            ("state", "Authorization", "Initial", "Success"),
            ("reference", "Authorization", None, "pay_1"),
            ("status", None, None, "pay_1"),
        ],
    ]
    assert [(row.version, row.at[-6:]) for row in history.rows] == [(1, "1.000Z"), (2, "2.000Z")]


def test_a_version_that_was_seen_or_is_older_adds_no_row():
    history = History()
    history.see(payment(2, transaction("Success")))
    history.see(payment(2, transaction("Success")))
    history.see(payment(1, transaction("Initial")))
    assert len(history.rows) == 1
    assert history.payment["version"] == 2


def test_custom_fields_and_interactions_are_told_once_each():
    fields = {"custom": {"fields": {"ctpayCommandId": "c"}}}
    later = {"custom": {"fields": {"ctpayCommandId": "c", "ctpaySuperseded": True}}}
    note = {"type": {"id": "x"}, "fields": {"ctpayKind": "fact", "ctpayMessage": "captured"}}
    history = History()
    history.see(payment(1, transaction("Initial", **fields)))
    history.see(payment(3, transaction("Initial", **later), interfaceInteractions=[note]))
    history.see(payment(4, transaction("Failure", **later), interfaceInteractions=[note]))
    texts = [[(one.kind, one.text, one.after) for one in row.changes] for row in history.rows[1:]]
    assert texts == [
        [("field", "ctpaySuperseded", "True"), ("interaction", "fact · captured", None)],
        [("state", "changed", "Failure")],
    ]


def test_what_was_asked_for_here_stands_between_the_versions():
    history = History()
    history.see(payment(1))
    history.note("capturePayment 10.00 EUR → approved", at="2026-11-23T10:00:02.000Z")
    history.see(payment(2, transaction("Success")))
    assert [(row.source.value, row.version) for row in history.rows] == [
        ("commercetools", 1),
        ("request", 1),
        ("commercetools", 2),
    ]


def test_a_long_value_is_cut_short():
    history = History()
    history.see(payment(1))
    history.see(payment(2, interfaceId="x" * 500))
    (change,) = history.rows[1].changes
    assert change.after == "x" * 119 + "…"
