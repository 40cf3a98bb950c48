"""W3C Trace Context, version 00."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from psp.trace import Span, carried, current, parse, span_for, within

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{PARENT}-01"


def test_a_traceparent_is_read_as_it_is_written():
    span = parse(GIVEN)
    assert span == Span(trace_id=TRACE, span_id=PARENT, flags=1)
    assert span.traceparent == GIVEN


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        TRACE,
        GIVEN.upper(),
        f" {GIVEN}",
        f"{GIVEN}\n",
        f"{GIVEN}-more",
        f"{GIVEN},{GIVEN}",
        f"01{GIVEN[2:]}",
        f"ff{GIVEN[2:]}",
        f"0{GIVEN[2:]}",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{PARENT}-01",
        f"00-{TRACE}a-{PARENT}-01",
        f"00-{TRACE}-{PARENT[1:]}-01",
        f"00-{TRACE}-{PARENT}-1",
        f"00-{TRACE}-{PARENT}-0g",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE[1:]}g-{PARENT}-01",
        f"00-{TRACE[1:]}\u0661-{PARENT}-01",
        f"00_{TRACE}_{PARENT}_01",
    ],
)
def test_what_is_no_traceparent_begins_a_trace(text):
    assert parse(text) is None
    begun = span_for(text, unique="id-1")
    assert parse(begun.traceparent) == begun
    assert begun.trace_id != TRACE


@pytest.mark.parametrize(("given", "kept"), [("00", "00"), ("01", "01"), ("03", "03"), ("ff", "03"), ("fc", "00")])
def test_only_flags_that_have_a_meaning_are_passed_on(given, kept):
    span = span_for(f"00-{TRACE}-{PARENT}-{given}", unique="id-1")
    assert span.traceparent == f"00-{TRACE}-{span.span_id}-{kept}"


def test_each_span_has_an_id_of_its_own_and_the_same_name_gives_the_same():
    spans = [span_for(GIVEN, unique=f"id-{number}") for number in range(100)]
    assert {span.trace_id for span in spans} == {TRACE}
    assert len({span.span_id for span in spans} | {PARENT}) == 101
    assert spans[7] == span_for(GIVEN, unique="id-7")
    assert len({span_for(None, unique=f"id-{number}").trace_id for number in range(100)}) == 100


async def test_a_task_and_those_that_it_starts_carry_their_span_and_others_do_not():
    async def told():
        return carried()

    outside = asyncio.create_task(told())
    with within(span_for(GIVEN, unique="id-1")):
        first = carried()
        assert await asyncio.create_task(told()) == first == {"traceparent": current().traceparent}
        with within(span_for(first["traceparent"], unique="id-2")):
            assert carried() != first
        assert carried() == first
    assert (await outside, carried(), current()) == ({}, {}, None)


def test_a_task_that_nobody_ended_is_collected_without_a_word():
    async def hang():
        with within(span_for(GIVEN, unique="id-1")):
            await asyncio.Event().wait()

    async def begin_and_abandon():
        hanging = hang()
        contextvars.copy_context().run(hanging.send, None)
        return hanging

    asyncio.run(begin_and_abandon()).close()
    assert current() is None
