from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest

from ct.cache import Cache, Kept
from ct.errors import UnavailableError


class Source:
    """Something to learn from; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.fault: Exception | None = None
        self.for_s = 100.0

    async def __call__(self) -> Kept[str]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.fault is not None:
            raise self.fault
        return Kept(value=f"v{self.asked}", fresh_s=self.for_s / 2, for_s=self.for_s)


async def test_what_is_known_is_not_asked_again() -> None:
    cache, source = Cache[str](size=2), Source()
    assert [await cache.get("a", source) for _ in range(3)] == ["v1"] * 3
    assert source.asked == 1


async def test_keys_do_not_share_values() -> None:
    cache, source = Cache[str](size=2), Source()
    assert [await cache.get("a", source), await cache.get("b", source)] == ["v1", "v2"]


async def test_what_may_not_be_kept_is_asked_every_time() -> None:
    cache, source = Cache[str](size=2), Source()
    source.for_s = 0.0
    assert [await cache.get("a", source), await cache.get("a", source)] == ["v1", "v2"]


async def test_what_may_be_kept_for_a_moment_is_kept_for_it(at: Callable[[float], None]) -> None:
    cache, source = Cache[str](size=2), Source()
    source.for_s = 0.5
    await cache.get("a", source)
    at(0.2)
    assert await cache.get("a", source) == "v1"
    at(0.5)
    assert await cache.get("a", source) == "v2"


async def test_what_may_not_be_kept_does_not_push_out_what_may() -> None:
    cache, source = Cache[str](size=1), Source()
    await cache.get("a", source)
    source.for_s = 0.0
    await cache.get("b", source)
    assert await cache.get("a", source) == "v1"


async def test_the_least_recently_used_makes_room() -> None:
    cache, source = Cache[str](size=2), Source()
    for key in ("a", "b", "a", "c"):
        await cache.get(key, source)
    assert source.asked == 3
    await cache.get("a", source)
    assert source.asked == 3
    await cache.get("b", source)
    assert source.asked == 4


@pytest.mark.parametrize(
    ("after_s", "value", "asked"), [(0, "v1", 1), (49.9, "v1", 1), (50, "v1", 2), (99.9, "v1", 2), (100, "v2", 2)]
)
async def test_a_value_is_fresh_to_its_half_and_believed_to_its_end(
    at: Callable[[float], None], after_s: float, value: str, asked: int
) -> None:
    cache, source = Cache[str](size=2), Source()
    await cache.get("a", source)
    at(after_s)
    assert await cache.get("a", source) == value
    await asyncio.gather(*cache._flights.values())
    assert source.asked == asked


async def test_what_is_renewed_counts_from_the_moment_it_was_asked_for(at: Callable[[float], None]) -> None:
    cache, source = Cache[str](size=2), Source()

    async def slowly() -> Kept[str]:
        at(60)
        return await source()

    await cache.get("a", slowly)
    at(100)
    assert await cache.get("a", source) == "v2"


async def test_what_is_renewed_counts_as_used() -> None:
    cache, source = Cache[str](size=2), Source()
    for key in ("a", "b"):
        await cache.get(key, source)
    await cache.renew("a", source)
    await cache.get("c", source)
    assert await cache.get("a", source) == "v3"
    assert source.asked == 4


async def test_an_entry_ends_even_if_nobody_can_be_asked(pass_time: Callable[[float], None]) -> None:
    cache, source = Cache[str](size=2), Source()
    await cache.get("a", source)
    source.fault = UnavailableError("down")
    pass_time(101)
    with pytest.raises(UnavailableError):
        await cache.get("a", source)


async def test_an_outage_leaves_what_is_still_believed(
    pass_time: Callable[[float], None], until: Callable[[Callable[[], object]], Awaitable[None]]
) -> None:
    cache, source = Cache[str](size=2), Source()
    await cache.get("a", source)
    source.fault = UnavailableError("down")
    pass_time(60)
    assert await cache.get("a", source) == "v1"
    await until(lambda: source.asked == 2)
    assert await cache.get("a", source) == "v1"


async def test_a_failure_behind_the_answer_does_not_alarm_the_loop(
    pass_time: Callable[[float], None], until: Callable[[Callable[[], object]], Awaitable[None]]
) -> None:
    alarms: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: alarms.append(context))
    cache, source = Cache[str](size=2), Source()
    await cache.get("a", source)
    source.fault = UnavailableError("down")
    pass_time(60)
    await cache.get("a", source)
    await until(lambda: not cache._flights)
    gc.collect()
    assert alarms == []


async def test_a_definite_no_behind_the_answer_ends_the_belief(
    pass_time: Callable[[float], None], until: Callable[[Callable[[], object]], Awaitable[None]]
) -> None:
    cache, source = Cache[str](size=2), Source()
    await cache.get("a", source)
    source.fault = LookupError("gone")
    pass_time(60)
    assert await cache.get("a", source) == "v1"
    await until(lambda: source.asked == 2)
    await asyncio.sleep(0)
    with pytest.raises(LookupError):
        await cache.get("a", source)


async def test_forgetting_a_value_leaves_a_newer_one() -> None:
    cache, source = Cache[str](size=2), Source()
    await cache.get("a", source)
    cache.forget("a", "v0".__eq__)
    cache.forget("never there", "v1".__eq__)
    assert await cache.get("a", source) == "v1"
    cache.forget("a", "v1".__eq__)
    assert await cache.get("a", source) == "v2"


async def test_a_call_that_the_loop_cancels_is_made_anew(
    until: Callable[[Callable[[], object]], Awaitable[None]],
) -> None:
    cache, source = Cache[str](size=2), Source()
    flying: list[asyncio.Task[object] | None] = []

    async def never() -> Kept[str]:
        flying.append(asyncio.current_task())
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    waiter = asyncio.create_task(cache.get("a", never))
    await until(lambda: flying)
    assert flying[0] is not None
    flying[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert await cache.get("a", source) == "v1"


async def test_what_is_believed_stays_so_while_it_is_renewed_and_where_that_fails() -> None:
    cache, source = Cache[str](size=1), Source()
    await cache.get("a", source)
    source.fault = UnavailableError("down")
    with pytest.raises(UnavailableError):
        await cache.renew("a", source)
    assert await cache.get("a", source) == "v1"
    source.fault = None
    assert await asyncio.gather(cache.renew("a", source), cache.get("a", source)) == ["v3", "v1"]
    assert await cache.get("a", source) == "v3"
