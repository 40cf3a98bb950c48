"""The worker of the dead letters: replays what time may heal, and tells of what waits for a person.

It reads every letter. Those for a person lie in a subscription of their own too, so here they are only counted. That a
letter is replayed twice is harmless, as every repetition is by the law; it is acknowledged after its publish is
confirmed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from bus.letters import Step, due_at, for_person, for_replay, next_step, read
from bus.port import DONE, Ending, again, ignored
from bus.topics import Topic

if TYPE_CHECKING:
    from bus.letters import Letter
    from bus.port import Delivery
    from workers.work import Work

_log = structlog.get_logger(__name__)


async def dead_letters(work: Work, delivery: Delivery) -> Ending:
    """Do with a letter what is its turn. Raises PublishError."""
    letter = read(delivery)
    step = next_step(letter, work.clock())
    if step is Step.REPLAYS and letter.origin is not None:
        await work.publisher.publish(letter.origin, letter.data, for_replay(letter))
        _log.info("dead_letter.replayed", **_named(letter), attempts=letter.replays + 1)
        return DONE
    if step is Step.HANDED_OVER:
        await work.publisher.publish(Topic.DEAD_LETTERS, letter.data, for_person(letter))
        return DONE
    if step is Step.LEFT:
        seen = (letter.origin.value if letter.origin else "unknown", letter.cause)
        work.letters[seen] += 1
        _log.warning("dead_letter.for_a_person", **_named(letter), count=work.letters[seen])
        return ignored("for a person")
    return again(f"replays by itself at {due_at(letter).isoformat(timespec='seconds')}", letter.cause)


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
