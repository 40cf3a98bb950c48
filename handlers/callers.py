"""Who is calling: from headers to a checked session, a checked program or a checked person.

Every route but webhooks and returns asks here first, before it reads one byte of the body. Who calls too often is told
so before commercetools is asked who it is.
"""

from __future__ import annotations

import hashlib

from aiohttp import web

from handlers import headers
from handlers.allowance import Allowance
from handlers.cards import refuse_card_data
from handlers.dependencies import Caller, Dependencies, Merchant, Session
from handlers.errors import too_many, unauthenticated


async def session(dependencies: Dependencies, request: web.Request) -> Session:
    """The shopper's session.

    Raises UnknownCallerError, UnavailableError; RequestError for no session at all, for too many requests, and for card
    data in the query.
    """
    session_id = request.headers.get(headers.SESSION)
    if not session_id:
        raise unauthenticated(f"There is no session. Send its id in {headers.SESSION}.")
    # Before it is asked about in commercetools, where it would stand in an address.
    refuse_card_data(session_id)
    _take(dependencies.session_allowance, session_id)
    found = await dependencies.sessions.check(session_id, correlation_id=headers.correlation_id(request))
    # Checkout's own correlation id goes before the browser's: it ties the session's requests together.
    headers.correlate(request, found.correlation_id)
    refuse_card_data(*request.query.keys(), *request.query.values())
    return found


async def program(dependencies: Dependencies, request: web.Request, *authorities: str) -> Caller:
    """The program behind an access token, which has one of the authorities on this project.

    Raises UnknownCallerError, NotAllowedError, UnavailableError; RequestError for no token at all, for too many
    requests, and for card data in the query.
    """
    bearer = _bearer(request, "There is no access token. Send it in Authorization: Bearer.")
    _take(dependencies.caller_allowance, bearer)
    caller = await dependencies.callers.check(bearer, correlation_id=headers.correlation_id(request))
    # A program may have many tokens.
    _take(dependencies.caller_allowance, f"client {caller.client_id}")
    caller.require(*authorities)
    refuse_card_data(*request.query.keys(), *request.query.values())
    return caller


async def merchant(dependencies: Dependencies, request: web.Request) -> Merchant:
    """The person in the Merchant Center behind a token.

    Raises UnknownCallerError, UnavailableError; RequestError for no token at all, for too many requests, and for card
    data in the query.
    """
    bearer = _bearer(request, "There is no token of the Merchant Center. Send it in Authorization: Bearer.")
    _take(dependencies.caller_allowance, bearer)
    found = await dependencies.merchants.check(bearer, correlation_id=headers.correlation_id(request))
    _take(dependencies.caller_allowance, f"person {found.subject}")
    refuse_card_data(*request.query.keys(), *request.query.values())
    return found


def _bearer(request: web.Request, missing: str) -> str:
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not bearer:
        raise unauthenticated(missing)
    refuse_card_data(bearer)
    return bearer


def _take(allowance: Allowance, credential: str) -> None:
    """Raises RequestError. What is remembered is a hash, since the credential is a secret."""
    name = hashlib.sha256(credential.encode(errors="surrogateescape")).hexdigest()
    if (retry_after_s := allowance.take(name)) is not None:
        raise too_many(retry_after_s)
