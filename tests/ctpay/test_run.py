"""The supervisor with small stand-ins for its children; `test_make_run.py` has the real ones."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ctpay import run as subject
from ctpay.child import ChildError
from ctpay.ports import USUAL
from ctpay.run import everything, shop, until_told_to_stop

#: Writes down when it starts and stops; `setup` ends at once, the others wait for SIGTERM.
CHILD = """
import json, os, signal, sys
name = sys.argv[-1] if sys.argv[1:] else "sandbox"
def note(what):
    with open(os.environ["JOURNAL"], "a") as file:
        file.write(f"{what} {name} {os.getpid()}\\n")
if name == "--json":
    note("setup")
    sys.exit(int(os.environ.get("SETUP_CODE", "0")))
def stop(*_):
    note("stop")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
note("start")
if os.environ.get("DIES") == name:
    sys.stderr.write("out of luck\\n")
    sys.exit(3)
print(json.dumps({"ready": name}), flush=True)
while True:
    signal.pause()
"""


class Journal:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment = {**os.environ, "JOURNAL": str(path)}

    @property
    def rows(self) -> list[tuple[str, str, int]]:
        rows = [line.split() for line in self.path.read_text().splitlines()]
        return [(what, name, int(pid)) for what, name, pid in rows]

    @property
    def stopped(self) -> list[str]:
        return [name for what, name, _ in self.rows if what == "stop"]

    def nobody_is_left(self) -> bool:
        return not any(Path(f"/proc/{pid}").exists() for _, _, pid in self.rows)


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    for name in ("_CTPAY", "_STAND_INS"):
        monkeypatch.setattr(subject, name, (sys.executable, "-c", CHILD))
    journal = Journal(tmp_path / "journal")
    monkeypatch.setattr(subject.local, "environment", lambda *_: journal.environment)
    return journal


def hear(_name: str, _line: str) -> None:
    """Nobody listens."""


async def test_children_start_in_order_and_stop_the_ingress_first_and_the_stand_ins_last(journal):
    async with everything(journal.environment, hear):
        assert [what for what, _, _ in journal.rows][:2] == ["start", "setup"]
        assert journal.rows[0][1] == "sandbox"
    assert journal.stopped == ["ingress", "all", "sandbox"]
    assert journal.nobody_is_left()


@pytest.mark.parametrize("name", ["sandbox", "all", "ingress"])
async def test_a_child_that_does_not_start_is_told_and_the_others_are_stopped(journal, name):
    journal.environment["DIES"] = name
    with pytest.raises(ChildError, match=r"exit code 3\.\n  out of luck"):
        async with everything(journal.environment, hear):
            pytest.fail("it must not count as started")
    assert journal.nobody_is_left()


async def test_a_setup_that_fails_stops_everything(journal):
    journal.environment["SETUP_CODE"] = "1"
    with pytest.raises(ChildError, match="setup ended with exit code 1"):
        async with everything(journal.environment, hear):
            pytest.fail("it must not count as started")
    assert journal.nobody_is_left()


def until_open(then: Callable[[], None]) -> Callable[[str], None]:
    """For `say`: does something once the shop is open."""

    def say(text: str) -> None:
        if "open" in text:
            then()

    return say


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_stops_everything_in_order_with_exit_code_0(journal, number):
    say = until_open(lambda: os.kill(os.getpid(), number))
    assert await until_told_to_stop(lambda: shop(USUAL, hear, say), stopped=0) == 0
    assert journal.stopped == ["ingress", "all", "sandbox"]
    assert journal.nobody_is_left()


async def test_a_signal_while_things_are_still_starting_leaves_nothing_behind(journal):
    def say(text: str) -> None:
        if text.startswith("Starting"):
            os.kill(os.getpid(), signal.SIGINT)

    assert await until_told_to_stop(lambda: shop(USUAL, hear, say), stopped=0) == 0
    assert not journal.path.exists() or journal.nobody_is_left()


async def test_a_child_that_dies_later_ends_everything_with_its_name(journal):
    def kill_the_workers() -> None:
        pid = next(pid for what, name, pid in journal.rows if (what, name) == ("start", "all"))
        os.kill(pid, signal.SIGKILL)

    with pytest.raises(ChildError, match="workers was killed by signal 9"):
        await until_told_to_stop(lambda: shop(USUAL, hear, until_open(kill_the_workers)), stopped=0)
    assert journal.stopped == ["ingress", "sandbox"]
    assert journal.nobody_is_left()


async def test_further_signals_while_stopping_change_nothing(journal):
    def say(text: str) -> None:
        if "open" in text or "Stopping" in text:
            os.kill(os.getpid(), signal.SIGINT)

    assert await until_told_to_stop(lambda: shop(USUAL, hear, say), stopped=0) == 0
    assert journal.stopped == ["ingress", "all", "sandbox"]


async def test_work_that_ends_by_itself_gives_its_exit_code():
    async def work() -> int:
        await asyncio.sleep(0)
        return 1

    assert await until_told_to_stop(work) == 1


async def test_a_command_that_is_stopped_while_it_closes_ends_with_1_and_says_so(capsys):
    closed = False

    async def work() -> int:
        nonlocal closed
        try:
            return 0
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            try:
                await asyncio.Event().wait()
            finally:
                closed = True

    assert (await until_told_to_stop(work), closed) == (1, True)
    assert capsys.readouterr().err == "Stopped before its end.\n"
