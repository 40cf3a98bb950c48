"""Is this bearer token good, and for what in our project? Asked of commercetools (RFC 7662), believed briefly."""

from __future__ import annotations

import hashlib
import re
from typing import Final
from urllib.parse import urlencode

from pydantic import SecretStr
from yarl import URL

from ct.cache import Cache, Kept
from ct.callers import FRESH, Caller, Known, UnknownCallerError
from ct.token import form_headers
from ct.wire import JsonObject, Wire, correlated, refusal
from psp.seams import Clock

#: The call's name in errors.
_ASKED: Final = "POST /oauth/introspect"

#: RFC 6750, section 2.1. Longer than any that commercetools gives.
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]{1,4096}={0,8}")

#: Seconds since 1970 stay below this for thousands of years; a larger `exp` counts milliseconds.
_MILLISECONDS_FROM: Final = 100_000_000_000


class Introspection:
    """Checks the tokens of API clients. Our own API client needs the scope `introspect_oauth_tokens`."""

    def __init__(
        self,
        *,
        wire: Wire,
        auth_url: str,
        client_id: str,
        client_secret: SecretStr,
        project_key: str,
        clock: Clock,
        known: Known,
    ) -> None:
        self._wire = wire
        self._url = URL(auth_url) / "oauth/introspect"
        self._client_id = client_id
        self._client_secret = client_secret
        self._project_key = project_key
        self._clock = clock
        self._known_s = known.for_s
        self._cache: Cache[Caller] = Cache(size=known.size)

    async def check(self, bearer: str, *, correlation_id: str | None = None) -> Caller:
        """The API client whose token this is.

        Raises UnknownCallerError (not a token, not active, without any scope), UnavailableError (nobody to ask: answer
        503, not 401) or ForbiddenError (we may not ask).
        """
        if not _TOKEN.fullmatch(bearer):
            raise UnknownCallerError("The bearer token is malformed. Send an access token of commercetools.")
        key = hashlib.sha256(bearer.encode()).hexdigest()
        return await self._cache.get(key, lambda: self._ask(bearer, correlation_id))

    async def _ask(self, bearer: str, correlation_id: str | None) -> Kept[Caller]:
        asked_at = self._clock()
        reply = await self._wire.send(
            "POST",
            self._url,
            asked=_ASKED,
            headers={**correlated(correlation_id), **form_headers(self._client_id, self._client_secret)},
            body=urlencode({"token": bearer}).encode(),
        )
        if not reply.good:
            raise refusal(reply, asked=_ASKED)
        for_s = min(self._known_s, _ends_at(reply.document) - asked_at.timestamp())
        return Kept(value=_read_caller(reply.document, self._project_key), fresh_s=FRESH * for_s, for_s=for_s)


def _read_caller(document: JsonObject, project_key: str) -> Caller:
    client_id, scope = document.get("client_id"), document.get("scope")
    if document.get("active") is not True or not isinstance(client_id, str) or not isinstance(scope, str) or not scope:
        raise UnknownCallerError("The bearer token is not active. Ask commercetools for a new one.")
    return Caller(client_id=client_id, authorities=_authorities(scope, project_key))


def _authorities(scope: str, project_key: str) -> frozenset[str]:
    """Names of the scopes for the whole of this project.

    `manage_project:other` is another project's, and `manage_orders:project:store` is less than the project.
    """
    parts = (one.split(":") for one in scope.split())
    return frozenset(part[0] for part in parts if part[1:] == [project_key])


def _ends_at(document: JsonObject) -> float:
    """Seconds since 1970; endless where commercetools does not say. Both units of `exp` are met with."""
    exp = document.get("exp")
    if not isinstance(exp, int | float):
        return float("inf")
    return exp / 1000 if exp >= _MILLISECONDS_FROM else exp
