"""One HTTP call to a PSP: a time limit, the short retry loop, and the kind of error when no definite answer came.

Law: whoever sends through here sends an idempotency key, or a request whose repetition does nothing. What may have had
its effect is never called anything but unknown, even when a later try certainly had none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import aiohttp
import backoff

from psp.errors import OutcomeUnknownError, PspError, RetryableError
from psp.seams import Draw

_BODY_BYTES_MAX: Final = 1024 * 1024

_UNAUTHORIZED: Final = frozenset({401, 403})
_TOO_MANY: Final = 429
_SERVER_ERRORS: Final = 500
_REDIRECTS: Final = range(300, 400)


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long and how often one call is tried. Seconds."""

    #: Of each try. More than `connect_s`, so that a connection that cannot be made is known as such.
    try_s: float = 10.0
    connect_s: float = 3.0
    tries: int = 3
    #: Of all tries together, waits included. No try begins, and none goes on, after it.
    total_s: float = 25.0
    #: Upper end of the first wait; it doubles with every try.
    first_wait_s: float = 0.25
    #: Upper end of every wait, before what the PSP asks for is added.
    longest_wait_s: float = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpRequest:
    """One request; every try sends the same bytes under the same key."""

    method: str
    url: str
    #: For messages: the method and what is asked, without ids.
    asked: str
    #: Not in any representation: the key to the account and the shopper's token are in these two.
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpReply:
    """A definite answer: 2xx, or a 4xx whose meaning is the adapter's to tell."""

    status: int
    body: bytes

    @property
    def good(self) -> bool:
        return self.status // 100 == 2  # noqa: PLR2004 - the class of statuses that mean success


def never(_: HttpReply) -> bool:
    return False


class Http:
    """A PSP's HTTP API. The session is the composition root's; nothing is kept between calls."""

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        draw: Draw,
        patience: Patience,
        in_progress: Callable[[HttpReply], bool] = never,
    ) -> None:
        """`in_progress` tells the 4xx by which this PSP says that the key's first request is still running."""
        self._session = session
        self._draw = draw
        self._patience = patience
        self._in_progress = in_progress

    async def send(self, request: HttpRequest) -> HttpReply:
        """The definite answer.

        Raises OutcomeUnknownError where any try may have had its effect, RetryableError where certainly none had.
        """
        loop, patience = asyncio.get_running_loop(), self._patience
        deadline = loop.time() + patience.total_s
        unknown: OutcomeUnknownError | None = None

        async def attempt() -> HttpReply:
            nonlocal unknown
            try:
                return await self._try(request, within_s=min(patience.try_s, deadline - loop.time()))
            except OutcomeUnknownError as error:
                unknown = error
                raise

        def too_late(error: Exception) -> bool:
            asked_for = getattr(error, "retry_after", None) or 0.0
            return loop.time() + asked_for + patience.longest_wait_s >= deadline

        retrying = backoff.on_exception(
            partial(_waits, self._draw, patience),
            PspError,
            max_tries=patience.tries,
            jitter=None,
            giveup=too_late,
            logger=None,
        )(attempt)
        try:
            return await retrying()
        except RetryableError:
            if unknown is not None:
                raise unknown from None
            raise
        finally:
            # It knows the frame that holds it: see `_waits`.
            unknown = None

    async def _try(self, request: HttpRequest, *, within_s: float) -> HttpReply:
        timeout = aiohttp.ClientTimeout(total=within_s, connect=min(self._patience.connect_s, within_s))
        # Errors are not chained: some of aiohttp's hold the request's headers, and the key to the account with them.
        try:
            async with self._session.request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.body,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                reply = HttpReply(status=response.status, body=await _read(response, request.asked))
                retry_after = response.headers.get("Retry-After", "")
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise RetryableError(
                f"The PSP cannot be reached ({type(error).__name__}). Nothing was sent; check address and network."
            ) from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise OutcomeUnknownError(
                f"The PSP gave no answer to {request.asked} ({type(error).__name__}). Look up what became of it."
            ) from None
        return self._judge(request, reply, retry_after)

    def _judge(self, request: HttpRequest, reply: HttpReply, retry_after: str) -> HttpReply:
        """The reply if it is definite."""
        if reply.status in _UNAUTHORIZED:
            raise RetryableError(f"The PSP does not accept our key ({reply.status}). Check its settings.")
        if reply.status == _TOO_MANY:
            wait = float(retry_after) if retry_after.isdecimal() else None
            raise RetryableError("The PSP asks us to slow down (429).", retry_after=wait)
        if self._in_progress(reply):
            raise OutcomeUnknownError(f"The PSP is still at an earlier try of {request.asked}. Ask again later.")
        if reply.status >= _SERVER_ERRORS or reply.status in _REDIRECTS:
            raise OutcomeUnknownError(f"The PSP answered {reply.status} to {request.asked}. Look up what became of it.")
        return reply


async def _read(response: aiohttp.ClientResponse, asked: str) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _BODY_BYTES_MAX:
            raise OutcomeUnknownError(f"The PSP's answer to {asked} is too long to be one. Look up what became of it.")
    return bytes(body)


def _waits(draw: Draw, patience: Patience) -> Generator[float, Exception | None, None]:
    """Full jitter under a doubling ceiling, on top of what the PSP asks for."""
    error = yield 0.0
    ceiling = patience.first_wait_s
    while True:
        asked_for = getattr(error, "retry_after", None) or 0.0
        # Not held while we wait: it knows the frame that holds us, and the whole failed try would stay in memory.
        error = None
        error = yield asked_for + draw() * min(ceiling, patience.longest_wait_s)
        ceiling *= 2
