"""Our own access token for commercetools: fetched once for all who need it, renewed before it ends."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from pydantic import SecretStr
from yarl import URL

from ct.cache import Cache, Kept
from ct.errors import ForbiddenError
from ct.wire import Reply, Wire, describe

#: Parts of a token's life (commercetools gives 48 hours) after which it is renewed, and used no more.
_FRESH: Final = 0.8
_USED: Final = 0.95

#: The only key of the cache.
_OURS: Final = "ours"


def form_headers(client_id: str, client_secret: SecretStr) -> dict[str, str]:
    """Headers of the calls to the authorization service: our credentials and the form's type."""
    credentials = f"{client_id}:{client_secret.get_secret_value()}".encode()
    return {
        "Authorization": f"Basic {base64.b64encode(credentials).decode()}",
        "Content-Type": "application/x-www-form-urlencoded",
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Granted:
    """A token and what it is good for."""

    token: str = field(repr=False)
    #: As commercetools writes them, such as `manage_payments:demo`.
    scopes: frozenset[str]


class Tokens:
    """One API client's token by the client credentials flow, with all the scopes the client was given."""

    def __init__(self, *, wire: Wire, auth_url: str, client_id: str, client_secret: SecretStr) -> None:
        self._wire = wire
        self._url = URL(auth_url) / "oauth/token"
        self._client_id = client_id
        self._client_secret = client_secret
        self._cache: Cache[Granted] = Cache(size=1)

    async def get(self) -> str:
        """The token to send. Raises ForbiddenError (wrong credentials), or UnavailableError."""
        return (await self._granted()).token

    async def scopes(self) -> frozenset[str]:
        """What our API client may do, as the token in use says. Raises as `get` does."""
        return (await self._granted()).scopes

    def invalidate(self, token: str) -> None:
        """Call when commercetools refused this token. The next `get` fetches another, unless somebody already did."""
        self._cache.forget(_OURS, lambda granted: granted.token == token)

    async def bear(
        self, send: Callable[[str], Awaitable[Reply]], *, refused: frozenset[int] = frozenset({401})
    ) -> Reply:
        """The reply to a request that bears our token, sent once more with a fresh one if the first was refused.

        Raises what `get` and `send` raise.
        """
        token = await self.get()
        reply = await send(token)
        if reply.status not in refused:
            return reply
        self.invalidate(token)
        return await send(await self.get())

    async def _granted(self) -> Granted:
        return await self._cache.get(_OURS, self._fetch)

    async def _fetch(self) -> Kept[Granted]:
        reply = await self._wire.send(
            "POST",
            self._url,
            asked="POST /oauth/token",
            headers=form_headers(self._client_id, self._client_secret),
            body=b"grant_type=client_credentials",
        )
        token, life_s = reply.document.get("access_token"), reply.document.get("expires_in")
        if not reply.good or not isinstance(token, str) or not isinstance(life_s, int | float):
            raise ForbiddenError(
                f"commercetools gave no token ({describe(reply)}). Check CTP_AUTH_URL, CTP_CLIENT_ID and "
                "CTP_CLIENT_SECRET."
            )
        granted = Granted(token=token, scopes=frozenset(str(reply.document.get("scope", "")).split()))
        return Kept(value=granted, fresh_s=_FRESH * life_s, for_s=_USED * life_s)
