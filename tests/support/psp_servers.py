"""Starts Sandbox Pay for a test: in the test's own loop, on any free port, with ids in order."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from sandbox.psp.model import Terms
from sandbox.psp.server import Running, serve

SECRET_KEY = "sk_sandbox_test"
PUBLISHABLE_KEY = "pk_sandbox_test"
WEBHOOK_SECRET = "whsec_dGVzdC13ZWJob29rLXNlY3JldC0wMDAx"


def ids() -> Callable[[], str]:
    """Ids in order, so that a failing test reads the same every time."""
    numbers = itertools.count(1)
    return lambda: f"{next(numbers):06d}"


def wall_clock() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def running_psp(
    *,
    port: int = 0,
    webhook_url: str | None = None,
    webhook_secrets: Sequence[str] = (WEBHOOK_SECRET,),
    terms: Terms | None = None,
    clock: Callable[[], datetime] = wall_clock,
    new_id: Callable[[], str] | None = None,
    allowed_origins: Sequence[str] | None = None,
) -> AsyncIterator[Running]:
    """A Sandbox Pay over real HTTP on loopback."""
    running = await serve(
        host="127.0.0.1",
        port=port,
        secret_key=SECRET_KEY,
        publishable_key=PUBLISHABLE_KEY,
        webhook_url=webhook_url,
        webhook_secrets=webhook_secrets,
        clock=clock,
        new_id=new_id or ids(),
        terms=terms,
        allowed_origins=allowed_origins,
    )
    try:
        yield running
    finally:
        await running.close()
