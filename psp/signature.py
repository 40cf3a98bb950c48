"""Signatures over raw bytes, in the manner of https://www.standardwebhooks.com.

Law: the body is not parsed here, every comparison takes constant time, and all failures look the same from outside. A
PSP with another scheme has its own verifier in its folder and takes `matches_any` and `is_fresh` from here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import SecretStr

from psp.errors import UnverifiedWebhookError
from psp.seams import Clock

TOLERANCE: Final = timedelta(minutes=5)

_ID: Final = "webhook-id"
_TIMESTAMP: Final = "webhook-timestamp"
_SIGNATURE: Final = "webhook-signature"

#: No full stop in an id: the stop ends the id in what is signed, and must not be movable.
_ID_PATTERN: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_TIMESTAMP_PATTERN: Final = re.compile(r"[0-9]{1,12}")
#: A header with more signatures than this is no honest one.
_SIGNATURES_MAX: Final = 10
_KEY_BYTES_MIN: Final = 16


class StandardWebhookVerifier:
    """Accepts what any of the active secrets has signed, not long ago and not in the future."""

    headers = frozenset({_ID, _TIMESTAMP, _SIGNATURE})

    def __init__(self, *, secrets: Sequence[SecretStr], clock: Clock, tolerance: timedelta = TOLERANCE) -> None:
        """Several secrets are active during a rotation. Raises ValueError for one that `key_of` refuses."""
        if not secrets:
            raise ValueError("At least one webhook secret is needed: without one nothing could be believed.")
        self._keys = tuple(key_of(secret) for secret in secrets)
        self._clock = clock
        self._tolerance = tolerance

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise UnverifiedWebhookError unless the raw body is signed. `headers` has lower-case names."""
        event_id, timestamp = headers.get(_ID, ""), headers.get(_TIMESTAMP, "")
        well_formed = _ID_PATTERN.fullmatch(event_id) and _TIMESTAMP_PATTERN.fullmatch(timestamp)
        if not well_formed or not is_fresh(int(timestamp), now=self._clock(), tolerance=self._tolerance):
            raise UnverifiedWebhookError
        content = f"{event_id}.{timestamp}.".encode() + body
        expected = [_signature(key, content) for key in self._keys]
        if not matches_any(expected, _given(headers.get(_SIGNATURE, ""))):
            raise UnverifiedWebhookError


def key_of(secret: SecretStr) -> bytes:
    """The key in `whsec_` and base64. Raises ValueError, which does not tell the secret."""
    text = secret.get_secret_value()
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("A webhook secret must be `whsec_` and base64. Copy it again from the PSP.") from None
    if len(key) < _KEY_BYTES_MIN:
        raise ValueError(f"A webhook secret needs {_KEY_BYTES_MIN} bytes at least. Let the PSP make a new one.")
    return key


def is_fresh(timestamp: int, *, now: datetime, tolerance: timedelta) -> bool:
    """Whether a moment (seconds since 1970) is within the tolerance, before or after now."""
    return abs(now.timestamp() - timestamp) <= tolerance.total_seconds()


def matches_any(expected: Iterable[bytes], given: Sequence[bytes]) -> bool:
    """Whether one of the given signatures is an expected one. All are compared, whichever matches."""
    found = False
    for one in expected:
        for other in given:
            found |= hmac.compare_digest(one, other)
    return found


def _signature(key: bytes, content: bytes) -> bytes:
    return base64.b64encode(hmac.new(key, content, hashlib.sha256).digest())


def _given(header: str) -> list[bytes]:
    """The `v1` signatures in the header; other schemes are not ours to check and prove nothing."""
    versioned = (part.partition(",") for part in header.split(" ")[:_SIGNATURES_MAX])
    return [value.encode("utf-8", "surrogateescape") for scheme, _, value in versioned if scheme == "v1"]
