"""A child process: started by exec in a session of its own, believed ready when it says so, stopped by its own id.

A child writes one JSON line with the member `ready` to its standard output once it can be used, and its log to its
standard error.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from ctpay.lifecycle import STOPS_WITH_PARENT

#: What a child says of itself when it is ready: addresses, ports.
Greeting: TypeAlias = dict[str, object]

_LAST_LINES: Final = 15
_LINE_BYTES_MAX: Final = 1024 * 1024


class ChildError(Exception):
    """A child did not start, or has died. The text has its last words."""


class Child:
    """One running process."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, hear: Callable[[str, str], None]) -> None:
        self.name = name
        self._process = process
        self._hear = hear
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._greeting: asyncio.Future[Greeting] = asyncio.get_running_loop().create_future()
        self._reading = [
            asyncio.create_task(self._read(process.stdout, self._greet)),
            asyncio.create_task(self._read(process.stderr, self._say)),
        ]
        self._watching = asyncio.create_task(self._watch())

    @classmethod
    async def start(
        cls, name: str, arguments: Sequence[str], environment: Mapping[str, str], hear: Callable[[str, str], None]
    ) -> Child:
        """Start it. `hear` gets the name and each line of its log."""
        process = await asyncio.create_subprocess_exec(
            *arguments,
            env={**environment, STOPS_WITH_PARENT: "1", "LOG_FORMAT": "json"},
            # Never written to. It ends when we end, however that happens, and then the child stops by itself.
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # Ctrl-C at the terminal reaches us alone: children are stopped one after another.
            start_new_session=True,
            limit=_LINE_BYTES_MAX,
        )
        return cls(name, process, hear)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ready(self, *, within_s: float) -> Greeting:
        """What it says when it can be used. Raises ChildError."""
        try:
            return await asyncio.wait_for(asyncio.shield(self._greeting), within_s)
        except TimeoutError:
            raise ChildError(f"{self.name} was not ready within {within_s:g} s.{self._last_words()}") from None

    async def ended(self) -> str:
        """Wait for its end; how it ended, with its last words."""
        await self.result()
        return self._how_it_ended()

    async def result(self) -> int:
        """Wait for its end; its exit code."""
        await asyncio.shield(self._watching)
        return await self._process.wait()

    async def stop(self, *, within_s: float) -> None:
        """Ask it to stop, and kill it and what it started once the time is up. Safe to call twice."""
        if self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), within_s)
            except TimeoutError:
                # It leads a group of its own and is not reaped yet, so the id cannot be anybody else's.
                os.killpg(self._process.pid, signal.SIGKILL)
                await self._process.wait()
        await asyncio.wait(self._reading)

    def _how_it_ended(self) -> str:
        code = self._process.returncode
        assert code is not None, "it has been waited for"
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"{self.name} {how}.{self._last_words()}"

    def _last_words(self) -> str:
        return "".join(f"\n  {line}" for line in self._last)

    async def _watch(self) -> None:
        """Whoever waits for readiness must hear of the end."""
        await self._process.wait()
        await asyncio.gather(*self._reading)
        if not self._greeting.done():
            self._greeting.set_exception(ChildError(self._how_it_ended()))
            self._greeting.exception()  # Marks it as seen: nobody may be waiting.

    async def _read(self, stream: asyncio.StreamReader | None, take: Callable[[str], None]) -> None:
        assert stream is not None, "both streams are pipes"
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # A line beyond the limit: it is no log line of ours, and the pipe must not fill up.
                continue
            if not line:
                return
            take(line.decode(errors="replace").rstrip())

    def _greet(self, line: str) -> None:
        with contextlib.suppress(ValueError):
            said = json.loads(line)
            if isinstance(said, dict) and "ready" in said and not self._greeting.done():
                self._greeting.set_result(said)
                return
        self._say(line)

    def _say(self, line: str) -> None:
        self._last.append(line)
        self._hear(self.name, line)
