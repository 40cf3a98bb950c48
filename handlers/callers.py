"""Who is calling: from headers to a checked session or a checked program.

Every route but webhooks and returns asks here first, before it reads one byte of the body.
"""

from __future__ import annotations

from aiohttp import web

from handlers import headers
from handlers.cards import refuse_card_data
from handlers.dependencies import Caller, Dependencies, Session
from handlers.errors import unauthenticated


async def session(dependencies: Dependencies, request: web.Request) -> Session:
    """The shopper's session.

    Raises UnknownCallerError, UnavailableError; RequestError for no session at all, and for card data in the query.
    """
    session_id = request.headers.get(headers.SESSION)
    if not session_id:
        raise unauthenticated(f"There is no session. Send its id in {headers.SESSION}.")
    found = await dependencies.sessions.check(session_id)
    # Checkout's own correlation id goes before the browser's: it ties the session's requests together.
    headers.correlate(request, found.correlation_id)
    refuse_card_data(*request.query.keys(), *request.query.values())
    return found


async def program(dependencies: Dependencies, request: web.Request, *authorities: str) -> Caller:
    """The program behind an access token, which has one of the authorities on this project.

    Raises UnknownCallerError, NotAllowedError, UnavailableError; RequestError for no token at all, and for card data in
    the query.
    """
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not bearer:
        raise unauthenticated("There is no access token. Send it in Authorization: Bearer.")
    caller = await dependencies.callers.check(bearer)
    caller.require(*authorities)
    refuse_card_data(*request.query.keys(), *request.query.values())
    return caller
