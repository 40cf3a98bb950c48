"""CORS: which pages may call us. Pure.

Sessions travel in a header that no page has by accident, never in a cookie; so there are no credentials to allow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

_ALLOWED_HEADERS: Final = (
    "Content-Type, Authorization, X-Correlation-ID, X-Request-ID, X-Session-ID, Idempotency-Key, Prefer, traceparent"
)
_EXPOSED_HEADERS: Final = "X-Correlation-ID, Location, Preference-Applied, Retry-After"
#: Seconds for which a browser may remember a preflight.
_PREFLIGHT_S: Final = "600"


def reply_headers(origin: str | None, allowed: frozenset[str]) -> Mapping[str, str]:
    """Headers that let the page of this origin read the reply; none for a stranger's page."""
    if not allowed:
        return {}
    if "*" in allowed:
        return {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": _EXPOSED_HEADERS}
    if origin is None or origin not in allowed:
        return {"Vary": "Origin"}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": _EXPOSED_HEADERS,
        "Vary": "Origin",
    }


def preflight_headers(methods: Iterable[str]) -> Mapping[str, str]:
    """What a page may send to an address that has these methods."""
    return {
        "Access-Control-Allow-Methods": ", ".join(sorted(methods)),
        "Access-Control-Allow-Headers": _ALLOWED_HEADERS,
        "Access-Control-Max-Age": _PREFLIGHT_S,
    }
