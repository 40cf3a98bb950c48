"""Bodies: read within limits of size and time, and parsed strictly."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn
from urllib.parse import parse_qsl

from aiohttp import web

from handlers.cards import is_card_field, refusal
from handlers.errors import Fault, RequestError, malformed, too_large
from psp.card_numbers import has_card_number

#: Objects and lists within each other. The contract needs four.
_DEPTH_MAX: Final = 16
_UTF8: Final = frozenset({"utf-8", "utf8"})


@dataclass(frozen=True, kw_only=True, slots=True)
class BodyLimits:
    """How much is read, and how long for it."""

    #: Bytes.
    size_max: int
    #: Seconds.
    time_s_max: float


async def read(request: web.Request, limits: BodyLimits) -> bytes:
    """The raw bytes. Raises RequestError: 413 for too many, 408 for too slow, 400 for compressed ones."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise malformed("The body is compressed. Send it as it is.")
    # The announced length first: then not one byte of a body that is too large is read.
    if (request.content_length or 0) > limits.size_max:
        raise too_large(limits.size_max)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.time_s_max):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > limits.size_max:
                    raise too_large(limits.size_max)
    except (web.RequestPayloadError, ConnectionError):
        raise malformed("The body broke off. Send it again.") from None
    except TimeoutError:
        message = f"The body did not arrive within {limits.time_s_max:g} seconds. Send it again."
        raise RequestError(Fault(code="RequestTimeout", message=message), status=408) from None
    return bytes(body)


async def read_json(request: web.Request, limits: BodyLimits) -> dict[str, object]:
    """The JSON object in the body. Raises RequestError."""
    if request.content_type != "application/json" or (request.charset or "utf-8").lower() not in _UTF8:
        raise malformed("The body is not JSON. Send JSON in UTF-8, with Content-Type: application/json.")
    return parse_json(await read(request, limits))


async def read_form(request: web.Request, limits: BodyLimits) -> list[tuple[str, str]]:
    """The fields of an HTML form in the body. Raises RequestError."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise malformed("The body is not a form. Send Content-Type: application/x-www-form-urlencoded.")
    try:
        return parse_qsl((await read(request, limits)).decode(), keep_blank_values=True, errors="strict")
    except ValueError:
        raise malformed("The body is not a form in UTF-8.") from None


def parse_json(raw: bytes) -> dict[str, object]:
    """The JSON object in the bytes, free of card data. Raises RequestError.

    Two readers must never see two different requests in the same bytes, so repeated names and what is not quite JSON
    (NaN, infinities, deep nests) are refused.
    """
    try:
        value: object = json.loads(
            raw.decode(), object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite
        )
    except (ValueError, RecursionError):
        # The parser's own message quotes the body.
        raise malformed("The body is not valid JSON. Names must not repeat, and numbers must be finite.") from None
    if not isinstance(value, dict):
        raise malformed("The body is not a JSON object.")
    _sweep(value)
    return value


def _object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is repeated")
    return found


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("not JSON")


def _finite(text: str) -> float:
    number = float(text)
    # Here, since the number is not what was written: of 19 digits it has 16.
    if has_card_number(text):
        raise refusal()
    if not math.isfinite(number):
        raise ValueError("too large")
    return number


def _sweep(value: object, depth: int = 1) -> None:
    """Refuse card data and deep nests in everything, known field or not."""
    if depth > _DEPTH_MAX:
        raise malformed(f"The body nests deeper than {_DEPTH_MAX} levels.")
    match value:
        case dict():
            for name, item in value.items():
                if is_card_field(name) or has_card_number(name):
                    raise refusal()
                _sweep(item, depth + 1)
        case list():
            for item in value:
                _sweep(item, depth + 1)
        case str() if has_card_number(value):
            raise refusal()
        case int() | float() if has_card_number(str(value)):
            raise refusal()
        case _:
            pass
