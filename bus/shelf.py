"""The dead letters in a person's hand: taken one after the other, removed, or put back as they were.

Pub/Sub cannot be browsed. Who looks takes the letters away from everybody else for as long as he looks, so a shelf is
open for a short time, and whatever was not removed lies there again when it is closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

from bus.port import Delivery


class ShelfError(Exception):
    """The letters could not be had, or not be removed. The text says what to do; nothing is lost."""


class Shelf(Protocol):
    """The dead letters that wait for a person."""

    async def take(self) -> Sequence[Delivery]:
        """Some that nobody has in hand; none where none came for a while. Raises ShelfError."""
        ...

    async def remove(self, message_id: str) -> None:
        """Let one that was taken never come again. It may all the same; rarely. Raises ShelfError."""
        ...


#: A shelf, open for the length of the block. Making one may raise ShelfError; closing it raises nothing of its own.
OpenShelf: TypeAlias = AbstractAsyncContextManager[Shelf]
