"""Checkout sessions: a shopper's right to pay for one cart, for a while."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sandbox.commercetools import checks
from sandbox.commercetools.checks import Shape
from sandbox.commercetools.documents import Document, clone, timestamp
from sandbox.commercetools.errors import not_found
from sandbox.commercetools.state import Desk

LIFETIME: Final = timedelta(hours=1)

_CART: Final = Shape(optional={"id": checks.NAME, "key": checks.NAME, "typeId": checks.one_of("cart")})
_DRAFT: Final = Shape(
    required={"cart": Shape(required={"cartRef": _CART})},
    optional={"metadata": checks.mapping},
)


class Sessions:
    """The sessions of a project."""

    def __init__(self, *, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._sessions: dict[str, tuple[Document, datetime]] = {}

    def create(self, body: object, desk: Desk, now: datetime) -> Document:
        draft = _DRAFT(body)
        reference = desk.resolve(checks.identifier("cart")(draft["cart"]["cartRef"], "cart.cartRef"))
        session: Document = {
            "id": self._new_id(),
            "version": 1,
            "createdAt": desk.now,
            "lastModifiedAt": desk.now,
            "expiryAt": timestamp(now + LIFETIME),
            "metadata": draft.get("metadata", {}),
            "activeCart": {"cartRef": {"id": reference["id"]}},
            "state": "ACTIVE",
        }
        self._sessions[session["id"]] = (session, now + LIFETIME)
        return clone(session)

    def get(self, session_id: str, now: datetime) -> Document:
        """Raises ResourceNotFound. One whose time is over is told to be so."""
        if session_id not in self._sessions:
            raise not_found(f"ID '{session_id}'")
        session, expiry = self._sessions[session_id]
        return {**clone(session), "state": "ACTIVE" if now < expiry else "EXPIRED"}

    def end(self, session_id: str, now: datetime) -> None:
        """Let it be over."""
        session, _ = self._sessions[session_id]
        self._sessions[session_id] = (session, now)
