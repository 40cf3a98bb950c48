"""What runs beside the requests: time passes in the books, and webhooks go out."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import Final

import aiohttp

from sandbox.psp.house import House
from sandbox.psp.outbox import Delivery, body_of, headers_of

log = logging.getLogger(__name__)

SENDING_AT_ONCE_MAX: Final = 16
REPLY_TIMEOUT_S: Final = 10.0


async def run(house: House, session: aiohttp.ClientSession) -> None:
    """Never returns; cancel it. What is being sent then goes back to what waits, for whoever remembers it."""
    async with asyncio.TaskGroup() as sending:
        count = 0

        def sent(_: asyncio.Task[None]) -> None:
            nonlocal count
            count -= 1
            house.stir.set()

        while True:
            house.stir.clear()
            now = house.clock()
            house.world.tick(now)
            for delivery in house.outbox.take_due(now, limit=SENDING_AT_ONCE_MAX - count):
                count += 1
                sending.create_task(_send(house, session, delivery)).add_done_callback(sent)
            await _wait(house, full=count >= SENDING_AT_ONCE_MAX)


async def _wait(house: House, *, full: bool) -> None:
    """Until something is due, or something happened."""
    now = house.clock()
    moments = [house.books.next_due(), None if full else house.outbox.next_due(now)]
    known = [each for each in moments if each is not None]
    try:
        async with asyncio.timeout(_seconds_until(min(known), now) if known else None):
            await house.stir.wait()
    except TimeoutError:
        pass


def _seconds_until(moment: datetime, now: datetime) -> float:
    # A millisecond more, so that a clock coarser than the timer does not make the loop spin.
    return max(0.0, (moment - now).total_seconds()) + 0.001


async def _send(house: House, session: aiohttp.ClientSession, delivery: Delivery) -> None:
    event, url = delivery.event, house.outbox.url
    body = body_of(event)
    headers = headers_of(event.id, body, secrets=house.outbox.secrets, now=house.clock())
    status: int | None = None
    try:
        timeout = aiohttp.ClientTimeout(total=REPLY_TIMEOUT_S)
        async with session.post(
            url or "", data=body, headers=headers, timeout=timeout, allow_redirects=False
        ) as response:
            status = response.status
    except asyncio.CancelledError:
        house.outbox.put_back(delivery)
        raise
    except (aiohttp.ClientError, TimeoutError) as error:
        log.info("webhook.unanswered event=%s type=%s error=%s", event.id, event.type, type(error).__name__)
    house.outbox.settle(delivery, status=status, now=house.clock())
