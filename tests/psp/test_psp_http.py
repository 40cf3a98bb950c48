"""The HTTP helper: what each kind of bad luck leaves open, and how long it is put up with."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web
from support.garbage import uncollected
from support.prose import reads_well
from support.scripted_server import Asked, Scripted, after, hanging, hanging_up, json, scripted, text

from psp.errors import OutcomeUnknownError, PspError, RetryableError
from psp.http import Http, HttpReply, HttpRequest, Patience, _waits

#: For answers that come at once, however busy the machine is.
PATIENT = Patience(try_s=10.0, total_s=20.0, first_wait_s=0.01, longest_wait_s=0.02)
QUICK = Patience(try_s=0.2, connect_s=0.1, total_s=5.0, first_wait_s=0.01, longest_wait_s=0.02)


def in_progress(reply: HttpReply) -> bool:
    return reply.status == 409


@asynccontextmanager
async def http(patience: Patience = QUICK, draw: float = 0.5) -> AsyncIterator[Http]:
    async with aiohttp.ClientSession() as session:
        yield Http(session=session, draw=lambda: draw, patience=patience, in_progress=in_progress)


def request(url: str) -> HttpRequest:
    return HttpRequest(
        method="POST",
        url=f"{url}/pay",
        asked="POST /pay",
        headers={"Idempotency-Key": "k-1", "Authorization": "Bearer sk_secret"},
        body=b'{"token": "tok_secret"}',
    )


async def outcome(server: Scripted, patience: Patience = QUICK) -> HttpReply | PspError:
    async with http(patience) as client:
        result = await asyncio.gather(client.send(request(server.url)), return_exceptions=True)
    (reply,) = result
    assert isinstance(reply, HttpReply | PspError)
    assert "secret" not in f"{reply} {getattr(reply, '__cause__', '')}"
    assert isinstance(reply, HttpReply) or reads_well(reply)
    return reply


async def test_a_definite_answer_is_given_as_it_is():
    async with scripted() as server:
        for status in (200, 201, 400, 402, 404, 422):
            server.on("/pay", json({"status": status}, status=status))
            reply = await outcome(server, PATIENT)
            assert isinstance(reply, HttpReply)
            assert (reply.status, reply.good) == (status, status < 300)
            assert reply.body == f'{{"status": {status}}}'.encode()
        assert len(server.asked) == 6


async def test_a_psp_that_tells_of_no_running_request_has_no_409_but_definite_ones():
    async with scripted() as server, aiohttp.ClientSession() as session:
        server.on("/pay", json({}, status=409))
        client = Http(session=session, draw=lambda: 0.5, patience=PATIENT)
        assert (await client.send(request(server.url))).status == 409
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        hanging(),
        hanging_up(),
        text("", status=500),
        text("", status=503),
        text("", status=302),
        json({}, status=409),
    ],
    ids=["timeout", "reset", "500", "503", "redirect", "in progress"],
)
async def test_what_may_have_had_its_effect_is_unknown_after_the_last_try(answer):
    async with scripted() as server:
        server.on("/pay", answer)
        assert isinstance(await outcome(server), OutcomeUnknownError)
        assert len(server.asked) == QUICK.tries


@pytest.mark.parametrize("status", [401, 403, 429])
async def test_what_certainly_had_no_effect_is_retryable(status):
    async with scripted() as server:
        server.on("/pay", text("", status=status))
        assert isinstance(await outcome(server, PATIENT), RetryableError)


async def test_a_connection_that_cannot_be_made_is_retryable():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = Scripted(url=f"http://127.0.0.1:{free.getsockname()[1]}")
        error = await outcome(nobody)
    assert isinstance(error, RetryableError)
    assert "cannot be reached" in str(error)


async def test_a_connection_that_takes_too_long_to_make_is_retryable():
    # A listener that never accepts and whose queue is full answers nothing at all.
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        address = deaf.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        try:
            error = await outcome(Scripted(url=f"http://127.0.0.1:{address[1]}"))
        finally:
            for one in waiting:
                one.close()
    assert isinstance(error, RetryableError)


@pytest.mark.parametrize("later", [text("", status=429), text("", status=401)], ids=["429", "401"])
async def test_once_unknown_no_later_try_makes_it_certain_that_nothing_happened(later):
    async with scripted() as server:
        server.on("/pay", hanging_up(), later)
        assert isinstance(await outcome(server), OutcomeUnknownError)


async def test_every_try_sends_the_same_bytes_under_the_same_key():
    async with scripted() as server:
        server.on("/pay", hanging(), hanging_up(), json({}))
        assert isinstance(await outcome(server, replace(PATIENT, try_s=1.0)), HttpReply)
        assert [(one.headers["idempotency-key"], one.body) for one in server.asked] == [
            ("k-1", '{"token": "tok_secret"}')
        ] * 3


async def test_retry_after_is_obeyed_within_our_patience_and_handed_on_beyond_it():
    async with scripted() as server:
        loop = asyncio.get_running_loop()
        server.on("/pay", json({}, status=429, headers={"Retry-After": "1"}), json({}))
        before = loop.time()
        assert isinstance(await outcome(server, PATIENT), HttpReply)
        assert loop.time() - before >= 1.0
        server.on("/pay", json({}, status=429, headers={"Retry-After": "60"}))
        error = await outcome(server, PATIENT)
        assert isinstance(error, RetryableError)
        assert error.retry_after == 60.0
        assert len(server.asked) == 3


async def test_a_date_for_retry_after_is_no_number_to_wait():
    async with scripted() as server:
        server.on("/pay", json({}, status=429, headers={"Retry-After": "Wed, 21 Oct 2037 07:28:00 GMT"}))
        error = await outcome(server, PATIENT)
        assert isinstance(error, RetryableError)
        assert error.retry_after is None


async def test_all_tries_together_have_a_time_limit_of_their_own():
    patience = Patience(try_s=10.0, connect_s=1.0, tries=100, total_s=0.3, first_wait_s=0.01, longest_wait_s=0.05)
    async with scripted() as server:
        server.on("/pay", hanging())
        async with asyncio.timeout(3):
            assert isinstance(await outcome(server, patience), OutcomeUnknownError)
        assert len(server.asked) == 1


async def test_waits_have_full_jitter_under_a_doubling_ceiling():
    patience = Patience(try_s=10.0, tries=5, first_wait_s=0.02, longest_wait_s=0.06)
    times: list[float] = []

    async def note(_: Asked) -> web.StreamResponse:
        times.append(asyncio.get_running_loop().time())
        return web.Response(status=500)

    async with scripted() as server, http(patience, draw=1.0) as client:
        server.on("/pay", note)
        with pytest.raises(OutcomeUnknownError):
            await client.send(request(server.url))
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(wait >= least for wait, least in zip(waits, [0.02, 0.04, 0.06, 0.06], strict=True))


def test_a_wait_doubles_to_its_end_and_what_the_psp_asks_for_comes_on_top():
    waits = _waits(lambda: 0.5, Patience(first_wait_s=1.0, longest_wait_s=5.0))
    assert next(waits) == 0.0
    errors = [*[OutcomeUnknownError("500")] * 4, RetryableError("429", retry_after=7.0), RetryableError("429")]
    assert [waits.send(error) for error in errors] == [0.5, 1.0, 2.0, 2.5, 9.5, 2.5]


async def test_an_answer_without_end_proves_nothing():
    async with scripted() as server:
        server.on("/pay", text("x" * (1024 * 1024 + 1)))
        error = await outcome(server, PATIENT)
        assert isinstance(error, OutcomeUnknownError)
        assert "to POST /pay is too long" in str(error)
        server.on("/pay", text("x" * (1024 * 1024)))
        longest = await outcome(server, PATIENT)
        assert isinstance(longest, HttpReply)
        assert len(longest.body) == 1024 * 1024


async def test_a_try_that_failed_is_not_left_to_the_garbage_collector():
    async with scripted() as server, http(PATIENT) as client:
        server.on("/pay", text("", status=500), text("", status=429), json({}))
        with uncollected() as left:
            assert (await client.send(request(server.url))).good
            server.on("/pay", text("", status=500), text("", status=429))
            with pytest.raises(OutcomeUnknownError):
                await client.send(request(server.url))
            assert left(PspError) == []


async def test_a_call_that_is_cancelled_stays_cancelled():
    gate = asyncio.Event()
    async with scripted() as server, http() as client:
        server.on("/pay", after(gate, json({})))
        task = asyncio.create_task(client.send(request(server.url)))
        async with asyncio.timeout(5):
            while not server.asked:  # noqa: ASYNC110 - the server has no event for it
                await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.set()


def test_a_request_shows_neither_key_nor_token():
    assert "secret" not in repr(request("http://psp.test"))
