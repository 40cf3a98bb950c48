"""The ledger: Payments and carts in commercetools, read and changed under their version.

Law: a change is a decision made on the Payment as read. On a conflict the Payment is read again and decided again; old
actions are never resent. No actions, no call.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from ct.actions import add_payment, timestamp
from ct.cart import Cart, parse_cart
from ct.client import Commercetools, quoted, segment
from ct.errors import ConflictError
from ct.fields import TransactionField
from ct.payment import Payment, parse_payment
from ct.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ct.actions import UpdateAction
    from ct.wire import JsonObject
    from psp.seams import Draw

#: Seconds to wait before reading again after a conflict: doubled each time up to the most, with full jitter.
_CONFLICT_PAUSE_S: Final = 0.02
_CONFLICT_PAUSE_S_MAX: Final = 1.0


class Change(Protocol):
    """A decision about a Payment: whatever else it says, it says what to write."""

    @property
    def actions(self) -> list[UpdateAction]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Actions:
    """A decision that is nothing but what to write."""

    actions: list[UpdateAction]


ChangeT = TypeVar("ChangeT", bound=Change)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """Every method may raise the errors of `ct.errors`, and UnreadablePaymentError."""

    client: Commercetools
    #: `paymentInterface` of the Payments that are ours.
    interface: str
    turns: Turns
    draw: Draw
    #: Seconds in which a change must get through; kept below the time a message may be held.
    conflicts_within_s: float

    def for_request(self, correlation_id: str) -> Ledger:
        """The same ledger, which tells commercetools on whose behalf it calls."""
        return replace(self, client=self.client.with_correlation(correlation_id))

    async def load(self, payment_id: str) -> Payment:
        """One call. Raises NotFoundError."""
        return parse_payment(await self.client.get(f"/payments/{segment(payment_id)}"))

    async def load_by_key(self, key: str) -> Payment:
        """One call. Raises NotFoundError."""
        return parse_payment(await self.client.get(f"/payments/key={segment(key)}"))

    async def find_by_command(self, command_id: str, *, since: datetime) -> Payment | None:
        """Our Payment on which the command has reserved something, made since then. One call.

        The span keeps it quick: commercetools has no index of custom fields.
        """
        reserved = f"{TransactionField.COMMAND_ID.value} = {quoted(command_id)}"
        ours = f"paymentMethodInfo(paymentInterface = {quoted(self.interface)})"
        made = f"createdAt >= {quoted(timestamp(since))}"
        where = f"{made} and {ours} and transactions(custom(fields({reserved})))"
        page = await self.client.get("/payments", params={"where": where, "limit": "1", "withTotal": "false"})
        results = page["results"]
        found = results[0] if isinstance(results, list) and results else None
        return parse_payment(found) if isinstance(found, dict) else None

    async def find(self, psp_reference: str) -> Payment | None:
        """Our Payment that bears the PSP's reference, as its own or a transaction's; None unless there is just one."""
        name = quoted(psp_reference)
        ours = f"paymentMethodInfo(paymentInterface = {quoted(self.interface)})"
        for condition in (f"interfaceId = {name}", f"transactions(interactionId = {name})"):
            page = await self.client.get(
                "/payments", params={"where": f"{condition} and {ours}", "limit": "2", "withTotal": "false"}
            )
            results = page["results"]
            if isinstance(results, list) and len(results) == 1 and isinstance(results[0], dict):
                return parse_payment(results[0])
        return None

    async def load_cart(self, cart_id: str) -> Cart:
        """The cart with all its payments, in one call. Raises NotFoundError."""
        path = f"/carts/{segment(cart_id)}"
        return parse_cart(await self.client.get(path, params={"expand": "paymentInfo.payments[*]"}))

    async def find_cart(self, payment_id: str) -> Cart | None:
        """The cart that the Payment is on, with all its payments, in one call; None where it is on none.

        A cart that was merged into another is none: nobody orders it, and what it is paid for is on the other one.
        """
        found = await self._cart_of(payment_id, expand="paymentInfo.payments[*]")
        return parse_cart(found) if found is not None else None

    async def is_on_cart(self, payment_id: str) -> bool:
        """Whether `find_cart` finds one. One call, and what else is on the cart need not be readable."""
        return await self._cart_of(payment_id) is not None

    async def _cart_of(self, payment_id: str, **more: str) -> JsonObject | None:
        condition = f'paymentInfo(payments(id = {quoted(payment_id)})) and cartState != "Merged"'
        params = {"where": condition, **more, "limit": "1", "withTotal": "false"}
        results = (await self.client.get("/carts", params=params))["results"]
        found = results[0] if isinstance(results, list) and results else None
        return found if isinstance(found, dict) else None

    async def create(self, draft: UpdateAction) -> Payment:
        """One call. Raises DuplicateError where the key is taken."""
        return parse_payment(await self.client.post("/payments", draft))

    async def attach(self, cart: Cart, payment: Payment) -> None:
        """Add the Payment to the cart as it was read. One call. Raises ConflictError where the cart has changed."""
        body: UpdateAction = {"version": cart.version, "actions": [add_payment(payment.id)]}
        await self.client.post(f"/carts/{segment(cart.id)}", body)

    async def change(self, payment: Payment, decide: Callable[[Payment], ChangeT]) -> tuple[Payment, ChangeT]:
        """Write what `decide` says; the Payment as it is then, and the decision that went through.

        One call where nobody interferes. Raises ConflictError when others kept interfering for too long.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self.conflicts_within_s
        pause = _CONFLICT_PAUSE_S
        async with self.turns.of(payment.id):
            while True:
                decision = decide(payment)
                if not decision.actions:
                    return payment, decision
                body: UpdateAction = {"version": payment.version, "actions": [*decision.actions]}
                try:
                    return parse_payment(await self.client.post(f"/payments/{segment(payment.id)}", body)), decision
                except ConflictError:
                    if loop.time() >= give_up_at:
                        raise
                await asyncio.sleep(self.draw() * pause)
                pause = min(2 * pause, _CONFLICT_PAUSE_S_MAX)
                payment = await self.load(payment.id)
