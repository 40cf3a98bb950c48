"""One HTTP call to commercetools: a time limit, the short retry loop, and a reply whose status somebody else judges.

Law: this is the only retry inside a call. It waits with full jitter and for a counted number of tries; what is still
not answered then is for the redelivery of the message. A write may be repeated here although its reply was lost: see
`Wire.send`.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import aiohttp
import backoff
from pydantic_core import from_json
from yarl import URL

from ct.errors import (
    CommercetoolsError,
    ConflictError,
    DuplicateError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from psp.seams import Draw

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = "dict[str, Json]"

#: What a query consists of; a sequence repeats its parameter.
Params: TypeAlias = "Mapping[str, str | Sequence[str]]"

#: Statuses after which the same request may succeed.
RETRIED: Final = frozenset({408, 425, 429, 500, 502, 503, 504})

#: Error codes of what passes, whatever status they come with. The two of extensions mean that a merchant's own software
#: gave no answer, or none that can be read, while commercetools asked it about our request.
_RETRIED_CODES: Final = frozenset(
    {"ExtensionBadResponse", "ExtensionNoResponse", "OverCapacity", "PendingOperation", "QueryTimedOut"}
)

#: Statuses that blame the request whoever answers: what is too large for a proxy stays too large.
_TOO_LARGE: Final = frozenset({413, 414, 431})

_NOT_FOUND_CODE: Final = "ResourceNotFound"
_DUPLICATE_CODES: Final = frozenset({"DuplicateField", "DuplicateFieldWithConflictingResource"})

#: How much of commercetools' own words is repeated in an error.
_LONGEST_MESSAGE: Final = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How long and how often one call is tried."""

    #: Of each try, connecting included.
    timeout_s: float = 10.0
    tries: int = 4
    #: Upper end of the first wait; it doubles with every try.
    first_wait_s: float = 0.2
    #: Upper end of every wait, one that commercetools asks for included.
    longest_wait_s: float = 5.0
    #: Of all tries together.
    total_s: float = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """An answer that retrying would not change."""

    status: int
    #: Empty where commercetools sent no JSON object.
    document: JsonObject

    @property
    def good(self) -> bool:
        return is_good(self.status)


class _AgainError(Exception):
    """A try that gave no answer."""

    def __init__(self, reason: str, *, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Wire:
    """Everything of a process that goes to commercetools goes through one of these, over one pooled session."""

    def __init__(self, *, http: aiohttp.ClientSession, draw: Draw, limits: Limits) -> None:
        self._http = http
        self._timeout = aiohttp.ClientTimeout(total=limits.timeout_s)
        self._tries = limits.tries
        self._total_s = limits.total_s
        # Wrapped once: to wrap costs more than a try does.
        self._persist = backoff.on_exception(
            partial(_waits, draw, limits), _AgainError, max_tries=limits.tries, jitter=None, logger=None
        )(self._once)

    async def send(
        self,
        method: str,
        url: URL,
        *,
        asked: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> Reply:
        """The answer to one request, whatever its status, unless that is one of `RETRIED`.

        `asked` names the request in errors; the URL is not told there, as the ids in some are secrets.

        A POST whose reply was lost is sent again like any other. That is safe with commercetools: an update names the
        version it is for, so its repetition is answered 409, and what we create has a unique key, so its repetition
        is answered DuplicateField. Both make the caller read what is there.

        Raises UnavailableError after the last try, or when all together have taken too long.
        """
        try:
            async with asyncio.timeout(self._total_s):
                return await self._persist(method, url, headers, body)
        except _AgainError as error:
            tried = f"{self._tries} tries; the last one: {error}"
        except TimeoutError:
            tried = f"{self._total_s:g} seconds"
        raise UnavailableError(
            f"commercetools gave no answer to {asked} in {tried}. "
            "Check that it is up and can be reached; a write may have had its effect."
        )

    async def _once(self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None) -> Reply:
        try:
            async with self._http.request(
                method, url, headers=headers, data=body, timeout=self._timeout, allow_redirects=False
            ) as response:
                status, retry_after = response.status, response.headers.get("Retry-After")
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            # Not chained: some of aiohttp's errors hold the request's headers, and our token with them.
            raise _AgainError(type(error).__name__) from None
        reply = read_reply(status, content)
        if reply is None:
            raise _AgainError(f"{status} without a JSON object")
        if status in RETRIED or first_error(reply.document).get("code") in _RETRIED_CODES:
            # Without its words, which may quote ids that are secrets, and say nothing that the status does not.
            raise _AgainError(f"status {status}", retry_after=_seconds(retry_after))
        return reply


def correlated(correlation_id: str | None) -> dict[str, str]:
    """The header by which commercetools' own logs name the request that a call is made for."""
    return {"X-Correlation-ID": correlation_id} if correlation_id else {}


def _waits(draw: Draw, limits: Limits) -> Generator[float, _AgainError | None, None]:
    """Full jitter under a doubling ceiling; never shorter than commercetools asks, never longer than the limit."""
    again = yield 0.0
    ceiling = limits.first_wait_s
    while True:
        asked_for = again.retry_after if again is not None else 0.0
        # Not held while we wait: it knows the frame that holds us, and the whole failed try would stay in memory.
        again = None
        again = yield min(max(draw() * ceiling, asked_for), limits.longest_wait_s)
        ceiling *= 2


def _seconds(retry_after: str | None) -> float:
    """Seconds, as commercetools counts; the other form of the header, a date, is not waited for."""
    return float(retry_after) if retry_after is not None and retry_after.isdecimal() else 0.0


def is_good(status: int) -> bool:
    return status // 100 == 2  # noqa: PLR2004 - the class of statuses that mean success


def read_reply(status: int, content: bytes) -> Reply | None:
    """The answer in these bytes; None where it claims success without a JSON object, so that it proves nothing."""
    document = _parsed(content)
    if isinstance(document, dict):
        return Reply(status=status, document=document)
    return None if is_good(status) else Reply(status=status, document={})


def _parsed(content: bytes) -> Json:
    """What these bytes say; None where they are no JSON."""
    try:
        # Values are not remembered from one answer to the next, since some are secrets.
        return from_json(content, cache_strings="keys")  # type: ignore[no-any-return]  # what it reads is JSON
    except ValueError:
        # Pydantic's reader is twice as fast, and stricter: half a surrogate in some text of a merchant's, which Python
        # reads, must not make a whole Payment unreadable.
        try:
            return json.loads(content)  # type: ignore[no-any-return]  # as above
        except (ValueError, RecursionError):
            return None


def first_error(document: JsonObject) -> JsonObject:
    """The first of commercetools' error objects, or an empty one."""
    errors = document.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    return first if isinstance(first, dict) else {}


def describe(reply: Reply) -> str:
    """What commercetools said, cut: `400 InvalidOperation: …`."""
    code = first_error(reply.document).get("code") or reply.document.get("error") or ""
    message = reply.document.get("message") or reply.document.get("error_description") or "no message"
    return f"{reply.status} {code}".strip()[:100] + f": {str(message)[:_LONGEST_MESSAGE]}"


def _is_refusal(status: int) -> bool:
    return status // 100 == 4 and status != 404  # noqa: PLR2004 - the class of statuses that blame the request


def refusal(reply: Reply, *, asked: str) -> CommercetoolsError:
    """The error that an answer other than success means; `asked` is the method and path, for people.

    A status alone proves nothing of a resource: a gateway on the way has a 404 of its own, for what it cannot route.
    """
    error = first_error(reply.document)
    code = str(error.get("code", ""))
    said = f"commercetools answered {describe(reply)} to {asked}."
    match reply.status:
        case 404 if code == _NOT_FOUND_CODE:
            return NotFoundError(f"{said} Check the id, and that it belongs to this project.")
        case 409:
            return ConflictError(f"{said} Read it again and decide again.")
        case 401 | 403:
            return ForbiddenError(f"{said} Give the API client the scope it lacks (CTP_CLIENT_ID, CTP_CLIENT_SECRET).")
        case 400 if code in _DUPLICATE_CODES:
            return DuplicateError(f"{said} Read the resource that has it.", field=str(error.get("field", "")))
        case status if (_is_refusal(status) and reply.document) or status in _TOO_LARGE:
            return InvalidRequestError(f"{said} Repeating it will not help.", code=code)
        case _:
            return UnavailableError(f"{said} Is that address really commercetools?")
