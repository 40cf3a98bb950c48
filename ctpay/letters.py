"""What a person does with the dead letters: look at them, send them again, throw them away.

Letters are gathered first and dealt with then, so that one which dies again is not met twice in one run. A letter is
removed after its message was published and confirmed; a crash in between sends it twice, which is harmless by the law.
"""

from __future__ import annotations

import asyncio
import enum
import json
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog
from rich.console import Console

from bus.letters import for_replay_by_person, read
from bus.port import PublishError
from bus.pubsub import PubsubPublisher
from bus.pubsub_shelf import PubsubShelf
from bus.shelf import ShelfError
from ctpay.letter_view import Mask, pretty, row, table, whole
from ctpay.logs import Masker
from ctpay.seams import now
from ctpay.wiring import names_of

if TYPE_CHECKING:
    from bus.letters import Letter
    from bus.port import Publisher
    from bus.shelf import OpenShelf, Shelf
    from ctpay.letter_filter import Wanted
    from ctpay.settings import Settings
    from psp.seams import Clock

_log = structlog.get_logger(__name__)

#: Where to look for the letters that are in no list.
_THE_OTHERS: Final = (
    "Those that wait for their own replay are not listed: the worker dead-letters counts them, at /health/ready and as "
    "the metric ctpay_dead_letters_waiting."
)
#: Bytes of bodies in hand at the same time.
_GATHERED_BYTES_MAX: Final = 200_000_000


class _Action(enum.Enum):
    """What becomes of each letter that is meant; the values are its past, in earnest and in a trial."""

    #: It is sent to its topic again, and removed.
    REPLAY = ("replayed", "would be replayed")
    #: It is removed for ever.
    DROP = ("dropped", "would be dropped")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Gathered:
    """What was found on the shelf."""

    #: Those that are meant, the longest dead first.
    letters: list[Letter]
    #: How many others wait for a person, of those that were looked at.
    others: int
    #: Whether there are no more that are meant.
    is_all: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """Where a person deals with letters. Every method gives the exit code, and tells what went wrong on stderr."""

    open_shelf: Callable[[], OpenShelf]
    publisher: Publisher
    clock: Clock
    mask: Mask
    console: Console
    #: JSON lines instead of text.
    as_json: bool
    #: The most letters at once.
    count_max: int

    async def listing(self, wanted: Wanted) -> int:
        """Show which there are."""
        return await self._with(wanted, self._list)

    async def show(self, wanted: Wanted) -> int:
        """Show all that may be seen of them."""
        return await self._with(wanted, self._show)

    async def replay(self, wanted: Wanted, *, per_s: float | None) -> int:
        """Send them to their topics again, the longest dead first, so many in a second; None: only tell which."""
        return await self._with(wanted, partial(self._deal, _Action.REPLAY, per_s))

    async def drop(self, wanted: Wanted, *, per_s: float | None) -> int:
        """Remove them for ever, so many in a second; None: only tell which."""
        return await self._with(wanted, partial(self._deal, _Action.DROP, per_s))

    async def _with(self, wanted: Wanted, work: Callable[[Shelf, _Gathered], Awaitable[int]]) -> int:
        try:
            async with self.open_shelf() as shelf:
                found = await self._gathered(shelf, wanted)
                code = await work(shelf, found)
        except (ShelfError, PublishError) as error:
            return _failed(str(error))
        except asyncio.CancelledError:
            # Told to stop: what was done is shown already, and it is not all that was meant.
            return _failed("Stopped. What is not told above is still there.")
        if not found.is_all:
            sys.stderr.write(f"There are more: these were the first {len(found.letters)}.\n")
        missing = wanted.ids - {one.id for one in found.letters}
        if missing and found.is_all:
            gone = ", ".join(sorted(missing))
            return _failed(
                f"Not there, or in somebody else's hand for a minute: {gone}. See `ctpay dead-letters list`."
            )
        return code

    async def _gathered(self, shelf: Shelf, wanted: Wanted) -> _Gathered:
        letters: list[Letter] = []
        others, room = 0, _GATHERED_BYTES_MAX
        while taken := await shelf.take():
            for letter in map(read, taken):
                # Google's emulator ignores filters, so whose it is is looked at here too.
                if not letter.is_for_person:
                    continue
                if not wanted.means(letter, self.clock()):
                    others += 1
                    continue
                if len(letters) == self.count_max or len(letter.data) > room:
                    return _Gathered(letters=_oldest_first(letters), others=others, is_all=False)
                letters.append(letter)
                room -= len(letter.data)
            if wanted.ids and len(letters) == len(wanted.ids):
                break
        return _Gathered(letters=_oldest_first(letters), others=others, is_all=True)

    async def _list(self, _shelf: Shelf, found: _Gathered) -> int:
        if self.as_json:
            for letter in found.letters:
                self._write(row(letter, self.mask))
        elif found.letters:
            self.console.print(table(found.letters, self.clock(), self.mask))
        elif found.others:
            self.console.print(f"No dead letter that you ask for waits for a person. Others do: {found.others}.")
        else:
            self.console.print("No dead letter waits for a person.")
            self.console.print(_THE_OTHERS, soft_wrap=True)
        return 0

    async def _show(self, _shelf: Shelf, found: _Gathered) -> int:
        for letter in found.letters:
            shown = whole(letter, self.mask)
            if self.as_json:
                self._write(shown)
            else:
                self._print(pretty(shown))
        return 0

    async def _deal(self, action: _Action, per_s: float | None, shelf: Shelf, found: _Gathered) -> int:
        done, trial = action.value
        count, code = 0, 0
        for letter in found.letters:
            if action is _Action.REPLAY and letter.origin is None:
                code = _failed(f"{letter.id} cannot be replayed: nobody knows its topic. Look at it, and drop it.")
                continue
            if per_s is None:
                self._tell_of(letter, trial)
            else:
                await asyncio.sleep(1 / per_s if count else 0)
                await _to_its_end(self._do(action, shelf, letter))
            count += 1
        if not self.as_json:
            self.console.print(f"{count} {trial if per_s is None else done}.")
        return code

    def _tell_of(self, letter: Letter, result: str) -> None:
        shown = {"result": result} | row(letter, self.mask)
        if self.as_json:
            self._write(shown)
        else:
            self._print(
                f"{result}: " + "  ".join(str(shown[name] or "-") for name in ("id", "worker", "type", "cause"))
            )

    async def _do(self, action: _Action, shelf: Shelf, letter: Letter) -> None:
        """Do it, and say so: in the log for good, and to the person."""
        if action is _Action.REPLAY and letter.origin is not None:
            await self.publisher.publish(letter.origin, letter.data, for_replay_by_person(letter))
        try:
            await shelf.remove(letter.id)
        except ShelfError:
            # It may be gone all the same, and then nothing else would tell which it was.
            _log.warning("dead_letter.removal_unconfirmed", message_id=letter.id, correlation_id=letter.correlation_id)
            raise
        worker = letter.origin.value if letter.origin else None
        _log.info(
            f"dead_letter.{action.value[0]}",
            message_id=letter.id,
            correlation_id=letter.correlation_id or None,
            worker=worker,
            type=letter.type or None,
            cause=letter.cause.value,
            reason=letter.reason or None,
        )
        self._tell_of(letter, action.value[0])

    def _write(self, shown: Mapping[str, object]) -> None:
        self._print(json.dumps(shown))

    def _print(self, text: str) -> None:
        """As it is: what stands in a letter is no markup of ours."""
        self.console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)


async def at_desk(
    settings: Settings, work: Callable[[Desk], Awaitable[int]], *, count_max: int, wait_s: float, as_json: bool
) -> int:
    """Do it at a desk over Pub/Sub, and give its exit code."""
    names = names_of(settings)
    publisher = PubsubPublisher(names=names, confirm_within_s=settings.limits.publish_s)
    desk = Desk(
        open_shelf=partial(PubsubShelf, names=names, wait_s=wait_s),
        publisher=publisher,
        clock=now,
        mask=Masker(settings.secrets()).text,
        console=Console(),
        as_json=as_json,
        count_max=count_max,
    )
    try:
        return await work(desk)
    finally:
        await publisher.close()


async def _to_its_end(work: Coroutine[None, None, None]) -> None:
    """Stopped or not: nothing calls back what Pub/Sub was asked to do, so who stops it has to hear what came of it."""
    working = asyncio.create_task(work)
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        await working
        raise


def _oldest_first(letters: list[Letter]) -> list[Letter]:
    return sorted(letters, key=lambda letter: letter.dead_at)


def _failed(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 1
