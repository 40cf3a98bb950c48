"""Is this token the Merchant Center's, for a person in our project? Verified here with commercetools' own keys.

Law: one algorithm, the configured issuer, our project, and an end; what a token says of how to verify it decides
nothing (RFC 8725).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeGuard

import jwt

from ct.callers import Merchant, UnknownCallerError
from ct.jwks import SigningKeys
from psp.seams import Clock

#: Three parts in base64url (RFC 7515, section 3.1). Longer than any that commercetools gives.
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,8192}\.[A-Za-z0-9_-]{1,8192}\.[A-Za-z0-9_-]{1,1024}")
_ALGORITHM: Final = "RS256"
#: Seconds by which clocks may differ, in both directions.
_TOLERANCE_S: Final = 10
#: Times are judged by our own clock, below.
_OPTIONS: Final = jwt.types.Options(
    require=["exp", "iss", "sub"], verify_exp=False, verify_nbf=False, verify_iat=False, verify_aud=False
)

_MALFORMED: Final = "The bearer token is malformed. Send a token of the Merchant Center."
_NOT_GOOD: Final = "The bearer token is not valid for this connector. Ask the Merchant Center for a new one."
_OVER: Final = "The bearer token is not valid at this time. Ask the Merchant Center for a new one."


class Merchants:
    """Checks the tokens of people in the Merchant Center."""

    def __init__(self, *, keys: SigningKeys, issuer: str, project_key: str, clock: Clock) -> None:
        self._keys = keys
        self._issuer = issuer
        self._project_key = project_key
        self._clock = clock

    async def check(self, bearer: str, *, correlation_id: str | None = None) -> Merchant:
        """The person whose token this is.

        Raises UnknownCallerError (not a token, not signed by commercetools, over, another project's) or
        UnavailableError (no keys to verify it with: answer 503, not 401).
        """
        key = await self._keys.get(_key_id(bearer), correlation_id=correlation_id)
        try:
            claims = jwt.decode(bearer, key, algorithms=[_ALGORITHM], issuer=self._issuer, options=_OPTIONS)
        except jwt.PyJWTError:
            # Its own words say which check failed, which helps nobody but a forger.
            raise UnknownCallerError(_NOT_GOOD) from None
        if claims.get(f"{self._issuer}/claims/project_key") != self._project_key:
            raise UnknownCallerError("The bearer token is for another project. Send one for the connector's own.")
        if not _is_now(claims, self._clock().timestamp()):
            raise UnknownCallerError(_OVER)
        return Merchant(subject=str(claims["sub"]))


class NoMerchants:
    """A connector that was not told whose tokens to believe believes none."""

    async def check(self, _bearer: str, *, correlation_id: str | None = None) -> Merchant:  # noqa: ARG002 # as above
        """Raises UnknownCallerError."""
        raise UnknownCallerError(
            "This connector takes no tokens of the Merchant Center. Set its CTP_JWKS_URL and CTP_JWT_ISSUER."
        )


def _key_id(bearer: str) -> str:
    if not _TOKEN.fullmatch(bearer):
        raise UnknownCallerError(_MALFORMED)
    try:
        header = jwt.get_unverified_header(bearer)
    except jwt.PyJWTError:
        raise UnknownCallerError(_MALFORMED) from None
    key_id = header.get("kid")
    # The algorithm is looked at here too, so that no fetch of keys follows from a token that cannot be good.
    if header.get("alg") != _ALGORITHM or not isinstance(key_id, str):
        raise UnknownCallerError(_NOT_GOOD)
    return key_id


def _is_now(claims: Mapping[str, object], now: float) -> bool:
    """`exp` is required; `nbf` may be missing (RFC 7519, section 4.1)."""
    ends, begins = claims["exp"], claims.get("nbf", now)
    if not _is_time(ends) or not _is_time(begins):
        return False
    return begins - _TOLERANCE_S <= now < ends + _TOLERANCE_S


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
