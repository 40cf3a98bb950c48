"""Compares commercetools with the PSP's ledger, transaction by transaction. It knows the two APIs and nothing of ours."""

from __future__ import annotations

from collections import Counter

#: What moves money at the PSP -> what commercetools calls it.
KINDS = {"authorization": "Authorization", "capture": "Charge", "cancel": "CancelAuthorization", "refund": "Refund"}


def audit(payments, effects):
    """Everything that is wrong, in words. `payments` are commercetools' documents, `effects` the PSP's ledger."""
    asked = [one for one in effects if one["kind"] in KINDS]
    transactions = {one["id"]: (payment, one) for payment in payments for one in payment["transactions"]}
    wrong = [
        f"{what} {name} had {count} effects"
        for what, names in (
            ("key", Counter(one["key"] for one in asked)),
            ("transaction", Counter(one["metadata"]["transaction_id"] for one in asked)),
        )
        for name, count in names.items()
        if count > 1
    ]
    wrong += [fault for effect in asked for fault in _unlike(effect, transactions)]
    moved = {one["metadata"]["transaction_id"] for one in asked}
    for name, (payment, one) in transactions.items():
        if one["type"] not in KINDS.values():
            continue
        if one["state"] in {"Initial", "Pending"}:
            wrong.append(f"{one['type']} {name} is still {one['state']}")
        if one["state"] == "Success" and name not in moved:
            wrong.append(f"{one['type']} {name} of {payment['id']} is a Success, and no money moved")
    for payment in payments:
        held, captured, refunded = (_total(payment, kind) for kind in ("Authorization", "Charge", "Refund"))
        if not refunded <= captured <= held:
            wrong.append(f"{payment['id']}: {held} held, {captured} captured, {refunded} refunded")
    return wrong


def _unlike(effect, transactions):
    """How the transaction differs from the movement of money that it asked for."""
    name = effect["metadata"]["transaction_id"]
    if name not in transactions:
        return [f"{effect['kind']} {effect['id']}: no Payment has a transaction {name}"]
    payment, one = transactions[name]
    pairs = {
        "payment": (effect["metadata"]["payment_id"], payment["id"]),
        "PSP payment": (effect["payment"], payment.get("interfaceId")),
        "kind": (KINDS[effect["kind"]], one["type"]),
        "state": ("Success", one["state"]),
        "amount": (effect["amount"], one["amount"]["centAmount"]),
        "currency": (effect["currency"], one["amount"]["currencyCode"]),
        "reference": (effect["id"], one.get("interactionId")),
    }
    return [
        f"{effect['kind']} {effect['id']}: {what} is {theirs} at the PSP and {ours} in commercetools"
        for what, (theirs, ours) in pairs.items()
        if theirs != ours
    ]


def _total(payment, kind):
    done = (one for one in payment["transactions"] if (one["type"], one["state"]) == (kind, "Success"))
    return sum(one["amount"]["centAmount"] for one in done)
