"""Draining, seen from the client's thread that asks for it."""

from __future__ import annotations

import asyncio

import bus.scheduler
from bus.scheduler import LoopScheduler


class Message:
    def __init__(self):
        self.fate = None

    def ack(self):
        self.fate = "ack"

    def nack(self):
        self.fate = "nack"


def scheduler(work, *, drain_within_s=5.0):
    return LoopScheduler(loop=asyncio.get_running_loop(), work=work, drain_within_s=drain_within_s)


async def test_shutdown_returns_when_the_last_handler_has_acknowledged():
    gate = asyncio.Event()

    async def work(message):
        await gate.wait()
        message.ack()

    message, tested = Message(), scheduler(work)
    tested.schedule(None, message)
    stopping = asyncio.create_task(asyncio.to_thread(tested.shutdown))
    await asyncio.sleep(0.01)
    assert not stopping.done()
    gate.set()
    assert await stopping == []
    assert message.fate == "ack"


async def test_a_message_that_comes_while_stopping_is_given_back_at_once():
    async def work(message):
        message.ack()

    message, tested = Message(), scheduler(work)
    await asyncio.to_thread(tested.shutdown)
    tested.schedule(None, message)
    await asyncio.sleep(0)
    assert message.fate == "nack"


async def test_a_handler_that_hangs_is_let_go_after_the_limit():
    async def work(message):
        try:
            await asyncio.Event().wait()
        finally:
            message.nack()

    message, tested = Message(), scheduler(work, drain_within_s=0.01)
    tested.schedule(None, message)
    await asyncio.to_thread(tested.shutdown)
    assert message.fate == "nack"


async def test_a_handler_that_will_not_go_does_not_hold_up_the_stop(monkeypatch):
    monkeypatch.setattr(bus.scheduler, "_LET_GO_S", 0.02)
    gate = asyncio.Event()

    async def work(_message):
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue

    tested = scheduler(work, drain_within_s=0.01)
    tested.schedule(None, Message())
    async with asyncio.timeout(5):
        await asyncio.to_thread(tested.shutdown)
    gate.set()


def test_a_loop_that_is_gone_does_not_hang_the_client(monkeypatch):
    monkeypatch.setattr(bus.scheduler, "_LET_GO_S", 0.01)
    # A loop that nobody runs: what is asked of it never happens.
    loop = asyncio.new_event_loop()

    async def work(_message):
        raise AssertionError

    tested = LoopScheduler(loop=loop, work=work, drain_within_s=0.01)
    assert tested.queue.empty()
    assert tested.shutdown() == []
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
