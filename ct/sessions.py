"""Is this checkout session active, and for which cart? Asked of commercetools' session service, believed briefly."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Final

from yarl import URL

from ct.cache import Cache, Kept
from ct.callers import FRESH, Known, Session, UnknownCallerError
from ct.client import segment
from ct.token import Tokens
from ct.wire import Json, JsonObject, Wire, correlated, refusal
from psp.money import Money
from psp.seams import Clock

#: commercetools gives UUIDs. The id becomes part of a URL that is asked with our token, so nothing else is let in.
_SESSION_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")

#: The call's name in errors, without the id: who has that is the shopper.
_ASKED: Final = "GET /sessions/…"

#: The session service refuses an old token with either.
_REFUSED: Final = frozenset({401, 403})

_NOT_FOUND: Final = 404


class Sessions:
    """Checks the sessions of shoppers. Our API client needs the scope `view_sessions`."""

    def __init__(
        self, *, wire: Wire, tokens: Tokens, session_url: str, project_key: str, clock: Clock, known: Known
    ) -> None:
        self._wire = wire
        self._tokens = tokens
        self._project_key = project_key
        self._root = f"{session_url.rstrip('/')}/{segment(project_key)}/sessions/"
        self._clock = clock
        self._known_s = known.for_s
        self._cache: Cache[Session] = Cache(size=known.size)

    async def check(self, session_id: str, *, correlation_id: str | None = None) -> Session:
        """The active session of this id.

        Raises UnknownCallerError (malformed, unknown, not active, without a cart), UnavailableError (nobody to ask:
        answer 503, not 401) or ForbiddenError (we may not ask).
        """
        if not _SESSION_ID.fullmatch(session_id):
            raise UnknownCallerError("The session id is malformed. Send the id of a checkout session in X-Session-Id.")
        owner = hashlib.sha256(f"{self._project_key}/{session_id}".encode()).hexdigest()
        return await self._cache.get(owner, lambda: self._ask(session_id, owner, correlation_id))

    async def _ask(self, session_id: str, owner: str, correlation_id: str | None) -> Kept[Session]:
        asked_at = self._clock()
        url = URL(self._root + session_id, encoded=True)
        reply = await self._tokens.bear(
            lambda token: self._wire.send(
                "GET", url, asked=_ASKED, headers={**correlated(correlation_id), "Authorization": f"Bearer {token}"}
            ),
            refused=_REFUSED,
        )
        if reply.status == _NOT_FOUND and reply.document.get("statusCode") == _NOT_FOUND:
            # In commercetools' own shape: a gateway's 404 would blame the caller for what is an outage.
            raise UnknownCallerError("There is no such session. Start a new checkout session.")
        if not reply.good:
            raise refusal(reply, asked=_ASKED)
        ends_at = _ends_at(reply.document)
        for_s = self._known_s if ends_at is None else min(self._known_s, (ends_at - asked_at).total_seconds())
        return Kept(value=_read_session(reply.document, owner), fresh_s=FRESH * for_s, for_s=for_s)


def _read_session(document: JsonObject, owner: str) -> Session:
    if document.get("state") != "ACTIVE":
        raise UnknownCallerError("The session is not active. Start a new checkout session.")
    cart_id = _object(_object(document.get("activeCart")).get("cartRef")).get("id")
    if not isinstance(cart_id, str):
        raise UnknownCallerError("The session has no cart. Start a checkout session for a cart.")
    metadata = _object(document.get("metadata"))
    return Session(
        owner=owner,
        cart_id=cart_id,
        allowed_payment_methods=_methods(metadata.get("allowedPaymentMethods")),
        merchant_return_url=_text(metadata, "merchantReturnUrl"),
        correlation_id=_text(metadata, "correlationId"),
        gift_card_planned=_money(metadata.get("giftCardPlannedAmount")),
        future_order_number=_text(metadata, "futureOrderNumber"),
        checkout_transaction_item_id=_text(metadata, "checkoutTransactionItemId"),
        payment_interface=_text(metadata, "paymentInterface"),
        processor_url=_text(metadata, "processorUrl"),
    )


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _text(metadata: JsonObject, name: str) -> str | None:
    value = metadata.get(name)
    if value is None or isinstance(value, str):
        return value or None
    raise _unreadable(name)


def _methods(value: Json) -> tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, list):
        methods = tuple(one for one in value if isinstance(one, str))
        if len(methods) == len(value):
            return methods
    raise _unreadable("allowedPaymentMethods")


def _money(value: Json) -> Money | None:
    if value is None:
        return None
    amount, currency = _object(value).get("centAmount"), _object(value).get("currencyCode")
    if not isinstance(amount, int) or isinstance(amount, bool) or amount < 0 or not isinstance(currency, str):
        raise _unreadable("giftCardPlannedAmount")
    try:
        return Money(amount=amount, currency=currency)
    except ValueError as error:
        raise _unreadable("giftCardPlannedAmount") from error


def _unreadable(name: str) -> UnknownCallerError:
    """What the merchant decided cannot be read, so it cannot be kept to: nobody pays on such a session."""
    return UnknownCallerError(f"The session's metadata has an unreadable {name}. Create the session with a proper one.")


def _ends_at(document: JsonObject) -> datetime | None:
    """When the session expires by itself, if commercetools says so in a form we can read; its `state` decides."""
    try:
        ends_at = datetime.fromisoformat(str(document.get("expiryAt")))
    except ValueError:
        return None
    return ends_at if ends_at.tzinfo is not None else None
