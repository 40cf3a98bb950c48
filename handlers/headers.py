"""What callers say in headers: the correlation id, their trace, the idempotency key, how long they would wait."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from aiohttp import web

from handlers.attempts import is_idempotency_key
from handlers.cards import refuse_card_data
from handlers.errors import invalid
from psp.card_numbers import hides_card_number
from psp.trace import TRACEPARENT, parse

CORRELATION: Final = "X-Correlation-ID"
SESSION: Final = "X-Session-Id"
IDEMPOTENCY: Final = "Idempotency-Key"

_CORRELATION_ID: Final = re.compile(r"[A-Za-z0-9_./:-]{1,128}", re.ASCII)
#: RFC 7240: preferences are separated by commas, their parameters by semicolons.
_WAIT: Final = re.compile(r'\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;.*)?', re.ASCII | re.IGNORECASE)

_CORRELATION_KEY: Final = web.RequestKey("correlation_id", str)


def is_correlation_id(text: str | None) -> bool:
    """Whether the text may go into logs, messages and commercetools' own header, where it stays."""
    return text is not None and _CORRELATION_ID.fullmatch(text) is not None and not hides_card_number(text)


def correlate(request: web.Request, correlation_id: str | None) -> None:
    """Make it the request's correlation id, in the reply, the logs and the messages; unless it is not fit for one."""
    if correlation_id is not None and is_correlation_id(correlation_id):
        request[_CORRELATION_KEY] = correlation_id
        structlog.contextvars.bind_contextvars(correlation_id=correlation_id)


def correlation_id(request: web.Request) -> str:
    """The request's correlation id."""
    return request[_CORRELATION_KEY]


def traceparent(request: web.Request) -> str | None:
    """What the caller says of its trace, if it says one thing and that may stay in logs and messages."""
    values = request.headers.getall(TRACEPARENT, [])
    if len(values) != 1 or parse(values[0]) is None or hides_card_number(values[0]):
        return None
    return values[0]


def idempotency_key(request: web.Request) -> str | None:
    """The caller's key, if there is one. Raises RequestError."""
    values = request.headers.getall(IDEMPOTENCY, [])
    if not values:
        return None
    refuse_card_data(*values)
    if len(values) > 1 or not is_idempotency_key(values[0]):
        raise invalid(IDEMPOTENCY, "Send one Idempotency-Key of 1 to 255 visible ASCII characters.")
    return values[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """How long an answer may wait for its result."""

    seconds: float
    #: Headers of the answer, which say that the preference was heard.
    headers: dict[str, str]


def wait(request: web.Request, *, default_s: float, s_max: int) -> Wait:
    """`Prefer: wait=N` (RFC 7240, section 4.3), bounded; the default where it is absent or unreadable."""
    preferred = _preferred_wait(request.headers.getall("Prefer", []))
    if preferred is None:
        return Wait(seconds=default_s, headers={})
    seconds = min(preferred, s_max)
    return Wait(seconds=seconds, headers={"Preference-Applied": f"wait={seconds}"})


def _preferred_wait(values: Sequence[str]) -> int | None:
    # RFC 7240, section 2: where a preference is repeated, the first counts.
    found = (_WAIT.fullmatch(preference) for value in values for preference in value.split(","))
    return next((int(match[1]) for match in found if match), None)
