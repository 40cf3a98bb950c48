"""The shelf of the bus in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from bus.port import Delivery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bus.memory import Held, MemoryBus, Subscription


class MemoryShelf:
    """A Shelf, for the length of the block."""

    def __init__(self, *, bus: MemoryBus, subscription: Subscription) -> None:
        self._bus = bus
        self._subscription = subscription
        self._held: dict[str, Held] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Put back what is still in hand, in its order."""
        for held in reversed(self._held.values()):
            self._subscription.waiting.appendleft(held)
        self._held.clear()

    async def take(self) -> Sequence[Delivery]:
        taken = [*self._subscription.waiting]
        self._subscription.waiting.clear()
        self._held |= {one.message_id: one for one in taken}
        return [
            Delivery(
                message_id=one.message_id,
                data=one.data,
                attributes=one.attributes,
                published_at=one.published_at,
                attempt=one.attempt,
            )
            for one in taken
        ]

    async def remove(self, message_id: str) -> None:
        self._bus.acked(self._subscription, self._held.pop(message_id), None)
