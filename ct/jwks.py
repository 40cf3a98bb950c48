"""The keys with which commercetools signs: fetched once for all who need them, believed for a short time (RFC 7517).

Law: whoever sends tokens with invented key ids cannot make us ask more often than once in an interval.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from yarl import URL

from ct.cache import Cache, Kept
from ct.callers import FRESH, UnknownCallerError
from ct.errors import UnavailableError
from ct.wire import JsonObject, Wire, correlated, describe

#: The call's name in errors.
_ASKED: Final = "GET the signing keys"
#: The only key of the cache.
_ALL: Final = "all"
#: Bits. RFC 7518, section 3.3: what is shorter must not be used.
_MODULUS_BITS_MIN: Final = 2048


Ask: TypeAlias = Callable[[], Awaitable[Kept[Mapping[str, RSAPublicKey]]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trust:
    """For how long fetched keys are believed, and how often an unknown one is asked after."""

    #: Seconds.
    for_s: float = 300.0
    #: Seconds between two fetches for the sake of an unknown key id.
    again_s: float = 30.0


class SigningKeys:
    """The keys behind one JWKS address, by their ids."""

    def __init__(self, *, wire: Wire, url: str, trust: Trust) -> None:
        self._wire = wire
        self._url = URL(url)
        self._trust = trust
        self._cache: Cache[Mapping[str, RSAPublicKey]] = Cache(size=1)
        self._asked_again_at = float("-inf")
        self._asking_again = 0
        #: Whether the last fetch had no answer: then an unknown key id may exist all the same.
        self._in_doubt = False

    async def get(self, key_id: str, *, correlation_id: str | None = None) -> RSAPublicKey:
        """The key of this id.

        Raises UnknownCallerError (no such key) or UnavailableError (nobody to ask: answer 503, not 401).
        """
        ask = partial(self._ask, correlation_id)
        keys = await self._cache.get(_ALL, ask)
        if key_id not in keys:
            keys = await self._ask_again(keys, ask)
        if key_id in keys:
            return keys[key_id]
        if self._in_doubt:
            raise UnavailableError(
                "The signing keys could not be read. Check CTP_JWKS_URL, and that it can be reached."
            )
        raise UnknownCallerError("The token is signed with an unknown key. Ask commercetools for a new one.")

    async def _ask_again(self, keys: Mapping[str, RSAPublicKey], ask: Ask) -> Mapping[str, RSAPublicKey]:
        """Fresh keys, if it is time for them: commercetools may have begun to sign with another."""
        now = asyncio.get_running_loop().time()
        if not self._asking_again and now < self._asked_again_at + self._trust.again_s:
            return keys
        self._asked_again_at = now
        self._asking_again += 1
        try:
            return await self._cache.renew(_ALL, ask)
        finally:
            self._asking_again -= 1

    async def _ask(self, correlation_id: str | None) -> Kept[Mapping[str, RSAPublicKey]]:
        self._in_doubt = True
        headers = {"Accept": "application/json", **correlated(correlation_id)}
        reply = await self._wire.send("GET", self._url, asked=_ASKED, headers=headers)
        if not reply.good:
            # Whatever the reason: nobody's token can be judged without the keys, and that is no caller's fault.
            raise UnavailableError(f"The signing keys could not be read ({describe(reply)}). Check CTP_JWKS_URL.")
        self._in_doubt = False
        for_s = self._trust.for_s
        return Kept(value=_read_keys(reply.document), fresh_s=FRESH * for_s, for_s=for_s)


def _read_keys(document: JsonObject) -> Mapping[str, RSAPublicKey]:
    """Keys fit for RS256 by their ids; the others are left out, as RFC 7517, section 5, has it."""
    listed = document.get("keys")
    found = ((one, _read_key(one)) for one in (listed if isinstance(listed, list) else []) if isinstance(one, dict))
    return {str(one["kid"]): key for one, key in found if key is not None}


def _read_key(one: JsonObject) -> RSAPublicKey | None:
    if one.get("kty") != "RSA" or not isinstance(one.get("kid"), str):
        return None
    if one.get("use", "sig") != "sig" or one.get("alg", "RS256") != "RS256":
        return None
    try:
        key = jwt.PyJWK(dict(one), algorithm="RS256").key
    except jwt.PyJWTError:
        return None
    return key if isinstance(key, RSAPublicKey) and key.key_size >= _MODULUS_BITS_MIN else None
