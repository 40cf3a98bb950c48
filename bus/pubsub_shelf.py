"""The shelf on Google Cloud Pub/Sub: plain pulls of the subscription for people, one request after the other.

No stream: what a stream gives back comes to the same stream again at once. While the shelf is open the leases are
renewed; if the process is killed, what it had in hand lies there again a minute later.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self

import structlog
from google.api_core.exceptions import DeadlineExceeded, Forbidden, GoogleAPIError, NotFound
from google.auth.exceptions import GoogleAuthError

from bus.client import subscriber_client
from bus.port import Delivery, NoCredentialsError
from bus.shelf import ShelfError
from bus.topics import FOR_PEOPLE, Names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_log = structlog.get_logger(__name__)

_FAULTS: Final = (GoogleAPIError, GoogleAuthError)
#: Messages of one pull, and lease changes of one request.
_BATCH: Final = 100
_LEASES: Final = 1000
#: Seconds for every call but the pull.
_CALL_S: Final = 10.0
#: Seconds between two pulls.
_PAUSE_S: Final = 0.1
#: Seconds between two renewals of what is in hand.
_RENEW_S: Final = FOR_PEOPLE.ack_deadline_s / 3


class PubsubShelf:
    """A Shelf, for the length of the block. `wait_s`: how long none must come for the shelf to count as empty.

    `batch`: the most letters at a time; each may have ten megabytes. Raises ShelfError where there are no credentials.
    """

    def __init__(self, *, names: Names, wait_s: float = 3.0, batch: int = _BATCH) -> None:
        self._path = names.for_people
        self._wait_s = wait_s
        self._batch = batch
        try:
            self._client = subscriber_client()
        except NoCredentialsError as error:
            raise ShelfError(str(error)) from error
        #: Message -> the name of its lease.
        self._held: dict[str, str] = {}
        #: Whether Pub/Sub has said anything since this was opened.
        self._is_answered = False
        self._closing = asyncio.Event()
        self._renewing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._renewing = asyncio.get_running_loop().create_task(self._renew())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Put back what is still in hand. Where that fails, it lies there again when its lease has run out."""
        self._closing.set()
        if self._renewing is not None:
            # To its end: a renewal that is under way must not take back what is put back now.
            await self._renewing
        try:
            await self._lease(0)
        except _FAULTS as error:
            _log.warning("shelf.not_put_back", error=type(error).__name__, count=len(self._held))
        await asyncio.to_thread(self._client.close)

    async def take(self) -> Sequence[Delivery]:
        # An empty answer proves little: Pub/Sub may give one although there are letters.
        loop = asyncio.get_running_loop()
        end = loop.time() + self._wait_s
        while (left_s := end - loop.time()) > 0:
            if taken := await self._pull(left_s):
                return taken
            await asyncio.sleep(_PAUSE_S)
        if not self._is_answered:
            await self._want_an_answer()
        return ()

    async def remove(self, message_id: str) -> None:
        try:
            await self._call(self._client.acknowledge, ack_ids=[self._held[message_id]])
        except _FAULTS as error:
            raise _not_removed(error) from error
        del self._held[message_id]

    async def _want_an_answer(self) -> None:
        """Raise ShelfError where Pub/Sub is silent. Pulls do not tell: where nothing lies, each waits until its end."""
        try:
            await self._call(self._client.get_subscription)
        except Forbidden:
            # An answer as well: whoever may only pull and acknowledge may not ask this.
            pass
        except _FAULTS as error:
            raise _told("given out", error) from error
        self._is_answered = True

    async def _pull(self, within_s: float) -> Sequence[Delivery]:
        """Those of one answer that are not in hand yet."""
        request = {"subscription": self._path, "max_messages": self._batch}
        pulling = asyncio.create_task(
            asyncio.to_thread(self._client.pull, request=request, retry=None, timeout=within_s)
        )
        try:
            pulled = await asyncio.shield(pulling)
        except asyncio.CancelledError:
            # Nothing calls the request back, and what it brings has to be put back with the rest.
            with suppress(*_FAULTS):
                self._hold(await pulling)
            raise
        except DeadlineExceeded:
            return ()
        except _FAULTS as error:
            raise _told("given out", error) from error
        self._is_answered = True
        return [_delivery(one) for one in self._hold(pulled)]

    def _hold(self, pulled: Any) -> list[Any]:
        """Those of an answer that were not in hand before."""
        new = [one for one in pulled.received_messages if one.message.message_id not in self._held]
        # The newest lease of a message is the one that counts.
        self._held |= {one.message.message_id: one.ack_id for one in pulled.received_messages}
        return new

    async def _renew(self) -> None:
        while not await self._closes_within(_RENEW_S):
            try:
                await self._lease(FOR_PEOPLE.ack_deadline_s)
            except _FAULTS as error:
                # Whoever else looks may get what we have in hand: a second look harms nothing.
                _log.warning("shelf.not_renewed", error=type(error).__name__)

    async def _closes_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._closing.wait()
        except TimeoutError:
            return False

    async def _lease(self, seconds: int) -> None:
        leases = list(self._held.values())
        for start in range(0, len(leases), _LEASES):
            some = leases[start : start + _LEASES]
            await self._call(self._client.modify_ack_deadline, ack_ids=some, ack_deadline_seconds=seconds)

    async def _call(self, method: Callable[..., Any], **request: object) -> None:
        whole = {"subscription": self._path, **request}
        await asyncio.to_thread(method, request=whole, retry=None, timeout=_CALL_S)


def _told(what: str, error: Exception) -> ShelfError:
    remedy = "Run `ctpay setup`." if isinstance(error, NotFound) else "Nothing is lost: try again."
    return ShelfError(f"Pub/Sub has not {what} a dead letter ({type(error).__name__}). {remedy}")


def _not_removed(error: Exception) -> ShelfError:
    """Whether it was done, nobody knows where no answer came."""
    if isinstance(error, NotFound):
        return _told("removed", error)
    name = type(error).__name__
    return ShelfError(f"Pub/Sub has not confirmed that a dead letter is removed ({name}). List again in a minute.")


def _delivery(received: Any) -> Delivery:
    message = received.message
    return Delivery(
        message_id=message.message_id,
        data=message.data,
        attributes=dict(message.attributes),
        published_at=datetime.fromtimestamp(message.publish_time.timestamp(), UTC),
        attempt=received.delivery_attempt,
    )
