"""How often somebody may call: the bucket itself, and what a caller is told who asks too much of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ct.callers import UnknownCallerError
from handlers.allowance import Allowance, Rate


class Clock:
    def __init__(self):
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self):
        return self.now

    def pass_(self, seconds):
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock():
    return Clock()


def allowance(clock, *, per_s=1.0, burst=3, size=100):
    return Allowance(rate=Rate(per_s=per_s, burst=burst), clock=clock, size=size)


def test_so_many_at_once_and_then_as_fast_as_the_rate(clock):
    bucket = allowance(clock)
    assert [bucket.take("a") for _ in range(5)] == [None, None, None, 1, 1]
    clock.pass_(1)
    assert [bucket.take("a") for _ in range(2)] == [None, 1]


def test_a_rest_gives_no_more_than_the_burst(clock):
    bucket = allowance(clock)
    bucket.take("a")
    clock.pass_(1_000_000)
    assert [bucket.take("a") for _ in range(4)] == [None, None, None, 1]


def test_one_callers_haste_costs_no_other(clock):
    bucket = allowance(clock)
    assert [bucket.take("a") for _ in range(4)][-1] == 1
    assert bucket.take("b") is None


@pytest.mark.parametrize(("per_s", "told"), [(0.1, 10), (0.4, 3), (1, 1), (50, 1)])
def test_whoever_waits_as_long_as_told_is_let_in(clock, per_s, told):
    bucket = allowance(clock, per_s=per_s, burst=1)
    bucket.take("a")
    assert bucket.take("a") == told
    clock.pass_(told)
    assert bucket.take("a") is None


def test_a_clock_that_is_set_back_neither_gives_nor_takes(clock):
    bucket = allowance(clock)
    bucket.take("a")
    clock.pass_(-3600)
    assert [bucket.take("a") for _ in range(3)] == [None, None, 1]


def test_memory_is_bounded_and_the_busy_are_remembered(clock):
    bucket = allowance(clock, burst=1, size=2)
    bucket.take("busy")
    for number in range(1000):
        bucket.take(f"passer-by-{number}")
        assert bucket.take("busy") == 1
    assert len(bucket._buckets) == 2


@given(steps=st.lists(st.tuples(st.floats(0, 20), st.integers(0, 9)), max_size=30))
def test_nobody_ever_gets_more_than_the_burst_and_the_rate(steps):
    clock = Clock()
    bucket = allowance(clock, per_s=2, burst=5)
    begun, given_ = clock.now, 0
    for seconds, tries in steps:
        clock.pass_(seconds)
        given_ += sum(bucket.take("a") is None for _ in range(tries))
        assert given_ <= 5 + 2 * (clock.now - begun).total_seconds() + 1e-6


async def test_a_session_that_asks_too_often_is_told_when_to_come_again(serve, clock, world):
    ingress = await serve(session_allowance=allowance(clock, per_s=0.5, burst=1))
    ask = {"headers": {"X-Session-Id": "session-1", "X-Correlation-ID": "shop-1"}}
    assert (await ingress.ask("GET", "/operations/config", **ask))[0].status == 200
    response, body = await ingress.ask("GET", "/operations/config", **ask)
    assert response.status == body["statusCode"] == 429
    assert response.headers["Retry-After"] == "2"
    assert response.headers["X-Correlation-ID"] == "shop-1"
    assert body["errors"] == [{"code": "RateLimitExceeded", "message": body["message"]}]
    # Another session is nobody's business here, and nobody was asked who the hasty one is.
    assert (await ingress.ask("GET", "/operations/config", headers={"X-Session-Id": "other"}))[0].status == 401
    assert world.asked_of == ["session-1", "other"]
    clock.pass_(2)
    assert (await ingress.ask("GET", "/operations/config", **ask))[0].status == 200


async def test_a_program_has_one_allowance_however_many_tokens_it_has(serve, clock, world):
    class Programs:
        async def check(self, bearer, *, correlation_id):
            return world.caller

    ingress = await serve(callers=Programs(), caller_allowance=allowance(clock, burst=2))
    statuses = [
        (await ingress.modify({"action": "cancelPayment"}, headers={"Authorization": f"Bearer t-{number}"}))[0].status
        for number in range(3)
    ]
    assert statuses == [200, 200, 429]
    assert len(world.published) == 2


async def test_an_unknown_credential_that_is_tried_again_and_again_stops_being_asked_after(serve, clock, world):
    world.callers_fault = UnknownCallerError("no")
    ingress = await serve(session_allowance=allowance(clock), caller_allowance=allowance(clock))
    paths = {
        "/operations/config": {"X-Session-Id": "s"},
        "/operations/status": {"Authorization": "Bearer j"},
    }
    for path, headers in paths.items():
        world.asked_of.clear()
        statuses = [(await ingress.ask("GET", path, headers=headers))[0].status for _ in range(5)]
        assert statuses == [401, 401, 401, 429, 429]
        assert len(world.asked_of) == 3


async def test_webhooks_and_health_are_not_held_back(serve, clock):
    empty = allowance(clock, burst=1, per_s=0.001)
    ingress = await serve(session_allowance=empty, caller_allowance=empty)
    for _ in range(5):
        assert (await ingress.ask("GET", "/health/live"))[0].status == 200
        sent = {"data": b"x", "headers": {"X-Signature": "signed 1"}}
        assert (await ingress.ask("POST", "/webhooks/sandbox", **sent))[0].status == 200


async def test_no_allowance_remembers_a_credential(serve, clock):
    mine = allowance(clock)
    ingress = await serve(session_allowance=mine, caller_allowance=mine)
    await ingress.ask("GET", "/operations/config", headers={"X-Session-Id": "session-1"})
    await ingress.modify({"action": "cancelPayment"})
    await ingress.ask("GET", "/operations/status", headers={"Authorization": "Bearer jwt-1"})
    assert len(mine._buckets) == 5
    assert not {"session-1", "token-1", "jwt-1"} & set(mine._buckets)
