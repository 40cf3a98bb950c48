from __future__ import annotations

import asyncio
import os
import sys

import pytest

from ctpay.child import Child, ChildError

GREETS = "import json, sys; print(json.dumps({'ready': 'x', 'port': 7}), flush=True); "
WAITS = "import signal; signal.pause()"
IGNORES_TERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "


async def start(code: str, heard: list[tuple[str, str]] | None = None) -> Child:
    def hear(name: str, line: str) -> None:
        if heard is not None:
            heard.append((name, line))

    return await Child.start("child", [sys.executable, "-c", code], os.environ, hear)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_child_is_ready_when_it_says_so():
    child = await start(GREETS + WAITS)
    assert await child.ready(within_s=20) == {"ready": "x", "port": 7}
    await child.stop(within_s=20)
    assert not is_alive(child.pid)


async def test_a_child_that_dies_before_it_is_ready_is_told_with_its_last_words():
    child = await start("import sys; sys.stderr.write('no database\\n'); sys.exit(3)")
    with pytest.raises(ChildError, match=r"exit code 3[^\n]*\n  no database"):
        await child.ready(within_s=20)
    assert await child.result() == 3


async def test_a_child_that_is_never_ready_is_given_up():
    child = await start(WAITS)
    with pytest.raises(ChildError, match="not ready within"):
        await child.ready(within_s=0.05)
    await child.stop(within_s=20)
    assert not is_alive(child.pid)


async def test_a_child_that_will_not_stop_is_killed_after_the_limit():
    child = await start(IGNORES_TERM + GREETS + WAITS)
    await child.ready(within_s=20)
    await child.stop(within_s=0.05)
    assert not is_alive(child.pid)
    assert await child.ended() == "child was killed by signal 9."


async def test_stopping_a_child_that_has_ended_or_was_stopped_does_nothing():
    child = await start("pass")
    await child.result()
    await child.stop(within_s=20)
    await child.stop(within_s=20)


async def test_every_line_of_the_log_is_heard_and_a_line_without_end_does_not_block_the_rest():
    heard: list[tuple[str, str]] = []
    child = await start("import sys; sys.stderr.write('a\\n' + 'b' * 3_000_000 + '\\nc\\n'); print('d')", heard)
    assert await child.result() == 0
    assert {("child", "a"), ("child", "c"), ("child", "d")} <= set(heard)


async def test_a_child_leads_a_session_of_its_own_so_ctrl_c_does_not_reach_it():
    child = await start(GREETS + WAITS)
    await child.ready(within_s=20)
    assert os.getsid(child.pid) == child.pid != os.getsid(0)
    await child.stop(within_s=20)


async def test_two_children_stop_at_the_same_time():
    children = [await start(GREETS + WAITS) for _ in range(2)]
    await asyncio.gather(*(child.ready(within_s=20) for child in children))
    await asyncio.gather(*(child.stop(within_s=20) for child in children))
    assert not any(is_alive(child.pid) for child in children)
