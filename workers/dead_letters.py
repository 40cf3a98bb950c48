"""The worker of the dead letters: replays what time may heal, and tells of what waits for a person.

It reads every letter. Those for a person lie in a subscription of their own too, so here they are only counted; and so
are those that lie there already, from its start on, so that a restart forgets none. Those that wait come again and
again, and are counted as they come. That a letter is replayed twice is harmless, as every repetition is by the law; it
is acknowledged, and waits no more, after its publish is confirmed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from bus.letters import Step, due_at, for_person, for_replay, next_step, read
from bus.port import DONE, Ending, again, ignored
from bus.shelf import ShelfError
from bus.topics import FOR_PEOPLE, Topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from bus.letters import Letter
    from bus.port import Delivery
    from bus.shelf import OpenShelf
    from workers.work import Work

_log = structlog.get_logger(__name__)

#: Letters that are taken in hand by one look: that there are so many is all that anybody has to know then.
_TAKEN_MAX: Final = 1000
#: Seconds before the letters that could not be had are asked for again.
_PAUSE_S: Final = 60.0
#: Seconds from the first look to the second. What somebody had in hand who was killed before the first one lies there
#: again by then.
_RELEASED_S: Final = FOR_PEOPLE.ack_deadline_s + 10.0
#: Seconds from each further look to the next: seldom, since for the seconds that a look takes a person who lists sees
#: fewer.
_SELDOM_S: Final = 15 * 60.0


async def dead_letters(work: Work, delivery: Delivery) -> Ending:
    """Do with a letter what is its turn. Raises PublishError."""
    letter, now = read(delivery), work.clock()
    step = next_step(letter, now)
    if step is Step.LEFT:
        _log.warning("dead_letter.for_a_person", **_named(letter), count=work.letters.count_for_person(letter))
        return ignored("for a person")
    # Whatever its turn is: until that is confirmed, it waits.
    work.letters.see_waiting(letter, now)
    if step is Step.REPLAYS and letter.origin is not None:
        await work.publisher.publish(letter.origin, letter.data, for_replay(letter))
        work.letters.forget_waiting(letter)
        _log.info("dead_letter.replayed", **_named(letter), attempts=letter.replays + 1)
        return DONE
    if step is Step.HANDED_OVER:
        await work.publisher.publish(Topic.DEAD_LETTERS, letter.data, for_person(letter))
        work.letters.forget_waiting(letter)
        return DONE
    return again(f"replays by itself at {due_at(letter).isoformat(timespec='seconds')}", letter.cause)


async def keep_counting(work: Work, open_shelf: Callable[[], OpenShelf]) -> None:
    """Count the letters for a person that lie there, now and then, for good.

    Once is not enough: whatever another worker or a person has in hand is not found. A letter counts once, however
    often it is found and whether or not it has come here too.
    """
    await count_for_person(work, open_shelf)
    await asyncio.sleep(_RELEASED_S)
    while True:
        await count_for_person(work, open_shelf)
        await asyncio.sleep(_SELDOM_S)


async def count_for_person(work: Work, open_shelf: Callable[[], OpenShelf]) -> None:
    """Count the letters for a person that lie there already, and put them back."""
    while True:
        try:
            async with open_shelf() as shelf:
                taken = 0
                while taken < _TAKEN_MAX and (some := await shelf.take()):
                    taken += len(some)
                    for letter in map(read, some):
                        # Google's emulator ignores filters, so whose it is is looked at here too.
                        if letter.is_for_person:
                            work.letters.count_for_person(letter)
        except ShelfError as error:
            _log.warning("dead_letters.not_counted", reason=str(error))
        else:
            return
        await asyncio.sleep(_PAUSE_S)


def _named(letter: Letter) -> dict[str, str | None]:
    """What the logs tell of it."""
    return {
        "message_id": letter.id,
        "correlation_id": letter.correlation_id or None,
        "worker": letter.origin.value if letter.origin else None,
        "type": letter.type or None,
        "cause": letter.cause.value,
        "reason": letter.reason or None,
    }
