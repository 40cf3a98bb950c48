"""How long one call to a PSP is put up with, on a clock that moves by what is waited for and by nothing else."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest

from psp.errors import OutcomeUnknownError, RetryableError
from psp.http import Http, HttpRequest, Patience

PATIENCE = Patience(try_s=10.0, connect_s=3.0, tries=3, total_s=25.0, first_wait_s=0.25, longest_wait_s=2.0)
REQUEST = HttpRequest(method="POST", url="https://psp.test/pay", asked="POST /pay")


@dataclass(kw_only=True)
class Psp:
    """A session in which each try takes some seconds and has a status and perhaps a Retry-After."""

    answers: list
    now: float = 1000.0
    #: Of each try: the limit of all of it, and of its connection.
    limits: list = field(default_factory=list)
    waits: list = field(default_factory=list)

    @asynccontextmanager
    async def request(self, method, url, **how):
        assert (method, url, how["allow_redirects"]) == ("POST", "https://psp.test/pay", False)
        self.limits.append((how["timeout"].total, how["timeout"].connect))
        took_s, status, *retry_after = self.answers.pop(0)
        self.now += took_s
        if isinstance(status, Exception):
            raise status
        yield _Response(status, retry_after)

    async def sleep(self, seconds):
        self.waits.append(seconds)
        self.now += seconds


class _Response:
    def __init__(self, status, retry_after):
        self.status = status
        self.headers = dict(zip(["Retry-After"], retry_after, strict=False))
        self.content = self

    async def iter_any(self):
        yield b"{"
        yield b"}"


class _Asyncio:
    def __init__(self, sleep):
        self.sleep = sleep

    def __getattr__(self, name):
        return getattr(asyncio, name)


@pytest.fixture
async def called(monkeypatch):
    async def call(*answers, patience=PATIENCE):
        psp = Psp(answers=list(answers))
        monkeypatch.setattr("backoff._async.asyncio", _Asyncio(psp.sleep))
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: psp.now)
        http = Http(session=psp, draw=lambda: 1.0, patience=patience)
        (result,) = await asyncio.gather(http.send(REQUEST), return_exceptions=True)
        return psp, result

    return call


async def test_each_try_has_its_limit_and_the_waits_between_them_double(called):
    psp, result = await called((0, 500), (0, 500), (0, 200))
    assert (result.status, result.body) == (200, b"{}")
    assert psp.limits == [(10.0, 3.0)] * 3
    assert psp.waits == [0.25, 0.5]


async def test_the_last_try_has_what_is_left_of_all_and_its_connection_no_more(called):
    psp, _ = await called((9, 500), (9, 500), (0, 200))
    assert psp.limits == [(10.0, 3.0), (10.0, 3.0), (6.25, 3.0)]
    psp, _ = await called((22.5, 500), (0, 200))
    assert psp.limits[1] == (2.25, 2.25)


@pytest.mark.parametrize(("took_s", "tries"), [(22.9, 2), (23.0, 1), (24.0, 1)])
async def test_no_try_begins_that_could_end_after_all_patience(called, took_s, tries):
    psp, result = await called((took_s, 500), (0, 200))
    assert len(psp.limits) == tries
    assert isinstance(result, OutcomeUnknownError) is (tries == 1)


@pytest.mark.parametrize(("asked_for", "waits"), [("22", [22.25]), ("23", []), ("24", [])])
async def test_what_the_psp_asks_for_is_waited_for_where_all_patience_allows_it(called, asked_for, waits):
    psp, result = await called((0, 429, asked_for), (0, 200))
    assert psp.waits == waits
    assert isinstance(result, RetryableError) is (waits == [])


async def test_what_the_psp_asked_for_once_is_not_waited_for_again(called):
    psp, _ = await called((0, 429, "5"), (0, 500), (0, 200))
    assert psp.waits == [5.25, 0.5]


@pytest.mark.parametrize("tries", [1, 2, 5])
async def test_there_are_so_many_tries_and_no_more_and_nobody_writes_of_them(called, caplog, tries):
    caplog.set_level("DEBUG", logger="backoff")
    patience = Patience(tries=tries)
    psp, result = await called(*[(0, 503)] * 9, patience=patience)
    assert len(psp.limits) == tries
    assert isinstance(result, OutcomeUnknownError)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), OutcomeUnknownError),
        (aiohttp.ServerDisconnectedError(), OutcomeUnknownError),
        (aiohttp.ConnectionTimeoutError(), RetryableError),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else "",
)
async def test_a_try_that_ends_without_an_answer_is_told_by_its_kind(called, error, kind):
    _, result = await called(*[(0, error)] * 3)
    assert type(result) is kind
    assert type(error).__name__ in str(result)
    assert result.__cause__ is None
