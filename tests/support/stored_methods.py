"""What customers have stored, as plain values instead of commercetools: for tests of the ingress."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ct.stored import StoredMethod

METHOD = StoredMethod(
    id="method-1",
    customer_id="customer-1",
    method="card",
    is_default=False,
    created_at=datetime(2026, 11, 22, 12, tzinfo=UTC),
    brand="Visa",
    last_four="4242",
    expiry_month=12,
    expiry_year=2029,
)


@dataclass
class StoredMethods:
    """To be passed as `stored` where a merchant offers them."""

    #: Has `customer`, `methods` and `asked_of`.
    world: Any

    async def customer(self, *, cart_id: str, correlation_id: str) -> str | None:
        self.world.asked_of.append(cart_id)
        return self.world.customer

    async def of_customer(self, customer_id: str, *, correlation_id: str) -> list[StoredMethod]:
        return [one for one in self.world.methods if one.customer_id == customer_id]

    async def find(self, method_id: str, *, correlation_id: str) -> StoredMethod | None:
        return next((one for one in self.world.methods if one.id == method_id), None)
