"""Idempotency keys: the first result of a key is the result of the key, whatever it was, until the key expires."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sandbox.psp.behaviour import Manner
from sandbox.psp.reply import Reply, problem

KEY_LENGTH_MAX = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class _Use:
    fingerprint: str
    since: datetime
    #: None while the first call is still running.
    reply: Reply | None = None


class Keys:
    """Every key in use."""

    def __init__(self, *, lifetime: timedelta) -> None:
        self._lifetime = lifetime
        #: In order of first use, so that the expired ones are in front.
        self._uses: dict[str, _Use] = {}

    def begin(self, key: str, fingerprint: str, now: datetime) -> Reply | None:
        """None: go ahead, and `finish` or `release` the key. Otherwise the answer for this use of the key."""
        self._forget_expired(now)
        use = self._uses.get(key)
        if use is None:
            self._uses[key] = _Use(fingerprint=fingerprint, since=now)
            return None
        if use.fingerprint != fingerprint:
            return problem(422, "idempotency_key_reused", "This key was used with another request. Use a new key.")
        if use.reply is None:
            return problem(409, "idempotency_key_in_progress", "The first request with this key is still running.")
        return use.reply

    def finish(self, key: str, reply: Reply) -> None:
        """Keep the reply as this key's result. A repetition gets it at once, however the first one fared."""
        stored = replace(
            reply, manner=Manner.SEND, delay_s=0.0, headers={**reply.headers, "Idempotency-Replayed": "true"}
        )
        self._uses[key] = replace(self._uses[key], reply=stored)

    def release(self, key: str) -> None:
        """The call ended without a result: the key is unused again."""
        use = self._uses.get(key)
        if use is not None and use.reply is None:
            del self._uses[key]

    def _forget_expired(self, now: datetime) -> None:
        while self._uses:
            oldest = next(iter(self._uses))
            if now - self._uses[oldest].since < self._lifetime:
                return
            del self._uses[oldest]
