"""The two servers of the behaviour suite, and what the second one is known not to do."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from support.commercetools_api import Api, Strictness, fetch_token
from support.commercetools_gaps import KNOWN_GAPS
from support.commercetools_servers import MissingToolError, commercetools_mock, running_commercetools


@pytest.fixture(scope="session")
def mock_url() -> Iterator[str]:
    """One npm mock for all tests: it takes most of a second to start."""
    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(commercetools_mock())
        except MissingToolError as missing:
            pytest.skip(str(missing))
        yield url


@pytest.fixture(params=["stand-in", pytest.param("mock", marks=pytest.mark.node)])
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    """The connector's access to a project, on each server in turn."""
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        if request.param == "mock":
            reason = KNOWN_GAPS.get(request.node.originalname) or KNOWN_GAPS.get(request.node.name)
            if reason is not None:
                pytest.skip(f"known gap of commercetools-mock 4.4.0: {reason}")
            url, strictness = request.getfixturevalue("mock_url"), Strictness.NONE
        else:
            running = await stack.enter_async_context(running_commercetools())
            url, strictness = running.url, Strictness.OFFICIAL
        token = (await fetch_token(session, url)).body["access_token"]
        yield Api(session=session, url=url, strictness=strictness, token=token)


@pytest.fixture
async def standin() -> AsyncIterator[Api]:
    """The stand-in alone, with the merchant's token."""
    async with running_commercetools() as running, aiohttp.ClientSession() as session:
        token = (await fetch_token(session, running.url, client_id="merchant")).body["access_token"]
        yield Api(session=session, url=running.url, strictness=Strictness.OFFICIAL, token=token)
