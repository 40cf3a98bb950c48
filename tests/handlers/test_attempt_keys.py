"""Keys and hashes outlive a deployment: they stand on Payments, and a repeated request must find its own there."""

from __future__ import annotations

import pytest

from handlers.attempts import (
    Scope,
    attempt_key,
    command_id,
    modification_hash,
    payment_hash,
    program_owner,
    transaction_hash,
)
from psp.money import Money

SCOPE = Scope(project_key="demo", caller="owner", route="POST /payments")
AMOUNT = Money(amount=4200, currency="EUR")


@pytest.mark.parametrize(
    ("found", "before"),
    [
        (command_id(SCOPE, "key-1"), "5f346606872e81c3ed7198fb4ecc8c0c81bd4c9faf08daba2e042f134759805c"),
        (attempt_key(SCOPE, "key-1"), "1163edbc25da9feb08efb4524f828efa51de109001925dabc978d03e85c84427"),
        (program_owner(SCOPE), "4996371aa3d474f05c60f9f55e13adb71d2de6e2d1e63d2689052dc721ca30e5"),
        (
            payment_hash(cart_id="cart", method="card"),
            "a86cae4dbd6cf57409a2d8b134f8cb6935e18a930163c9c82ad3c184b2bbffe5",
        ),
        (
            transaction_hash(cart_id="cart", method_id="m", amount=AMOUNT),
            "eeded917969f503ebaf3e1d1fc53a7d95f58c07b5bfafce1cdcb12d6bb69ff9d",
        ),
        (
            modification_hash(payment_id="pay", action="refundPayment", amount=AMOUNT, charge_id="charge"),
            "a9902da04968d24aeb788a7dc3847253970a7d8a824bcb81497491cb3f30948c",
        ),
    ],
    ids=["command", "attempt", "owner", "payment", "transaction", "modification"],
)
def test_the_next_release_derives_the_same_from_the_same_request(found, before):
    assert found == before
