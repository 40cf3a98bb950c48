from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from pydantic import SecretStr
from support.scripted_server import Scripted, json, scripted

from ct.token import Tokens
from ct.wire import Limits, Wire


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    """A commercetools whose every answer the test decides; tokens `token-1` work until told otherwise."""
    async with scripted() as script:
        script.on("/oauth/token", json({"access_token": "token-1", "expires_in": 172_800, "token_type": "Bearer"}))
        yield script


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def wire(http: aiohttp.ClientSession) -> Wire:
    """Retries without waiting."""
    return Wire(http=http, draw=lambda: 0.0, limits=Limits(timeout_s=5.0, tries=3))


@pytest.fixture
def tokens(server: Scripted, wire: Wire) -> Tokens:
    return Tokens(wire=wire, auth_url=server.url, client_id="client", client_secret=SecretStr("canary-secret"))


@pytest.fixture
async def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the loop's clock forward by some seconds."""
    loop = asyncio.get_running_loop()
    real, ahead = loop.time, 0.0
    monkeypatch.setattr(loop, "time", lambda: real() + ahead)

    def by(seconds: float) -> None:
        nonlocal ahead
        ahead += seconds

    return by


@pytest.fixture
async def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Stops the loop's clock at a number of seconds; no time limit ends while it stands."""
    loop = asyncio.get_running_loop()

    def stand(seconds: float) -> None:
        monkeypatch.setattr(loop, "time", lambda: 1000.0 + seconds)

    stand(0)
    return stand


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Waits until something holds; a test that waits in vain fails."""

    async def wait(holds: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not holds():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.001)

    return wait
