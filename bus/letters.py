"""Dead letters: what is written on them, what is read from them, and what becomes of them. Pure; no I/O.

A letter is the original message, bytes and attributes, with more attributes: ours (`ctpay_...`) where a worker buried
it, Pub/Sub's (`CloudPubSubDeadLetterSource...`) where it was moved by Pub/Sub's own policy. Nothing else is stored
anywhere: how often a message has replayed, and when it first died, travel with it.

Law: a letter that time may heal replays by itself, at growing distances, for as long as letters are kept from its first
death; then, like every other letter from the start, it waits for a person. None is ever dropped by a machine.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from bus.attributes import PUBSUBS, VALUE_BYTES_MAX, beside, theirs_of
from bus.port import Cause, Delivery, Ending
from bus.topics import LETTERS_KEPT_S, Topic

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Ours on a letter; the subscription of the letters for people filters by it.
FOR: Final = "ctpay_for"
PERSON: Final = "person"

#: Cause -> how often a letter replays by itself after such a death; None: as often as the time allows.
REPLAYS: Final[Mapping[Cause, int | None]] = {
    Cause.POISON: 0,
    Cause.REFUSED: 0,
    Cause.OUTAGE: None,
    Cause.MISSING_PAYMENT: None,
    Cause.FAULT: None,
    # A message may be what its readers die of.
    Cause.UNTOLD: 10,
    Cause.GIVEN_UP: 0,
}

#: Before the first replay, doubled for each further one, up to the most.
_PAUSE_MIN: Final = timedelta(minutes=1)
_PAUSE_MAX: Final = timedelta(hours=4)
#: Counted from the first death.
_REPLAYED_FOR: Final = timedelta(seconds=LETTERS_KEPT_S)


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """One dead letter, as far as it can be read."""

    #: The letter's own message id, by which a person names it.
    id: str
    #: The original bytes. They may hold secrets.
    data: bytes = field(repr=False)
    #: Everything on it, ours and Pub/Sub's included.
    attributes: Mapping[str, str]
    #: Where it came from, and goes at a replay; None where nobody knows.
    origin: Topic | None
    cause: Cause
    reason: str
    #: The kind of error, where there was one.
    error: str
    type: str
    correlation_id: str
    #: Deliveries before its last death.
    attempts: int
    #: Lies in the subscription for people.
    is_for_person: bool
    #: How often it was replayed before, and how often of these nobody had told why it had died.
    replays: int
    untold_replays: int
    #: When it was published first, died first, and died last.
    published_at: datetime
    first_dead_at: datetime
    dead_at: datetime


class Step(enum.Enum):
    """What the machine does with a letter now."""

    #: Nothing: a person has it.
    LEFT = enum.auto()
    #: It is given to a person.
    HANDED_OVER = enum.auto()
    #: Nothing yet.
    WAITS = enum.auto()
    #: It goes to its topic again.
    REPLAYS = enum.auto()


def epitaph(topic: Topic, delivery: Delivery, ending: Ending, now: datetime) -> dict[str, str]:
    """The attributes of the letter that this delivery becomes: its own, and why it lies here."""
    earlier = delivery.attributes
    cause = ending.cause or Cause.POISON
    written = {
        "ctpay_worker": topic.value,
        "ctpay_cause": cause.value,
        "ctpay_reason": ending.reason,
        "ctpay_error": ending.error,
        "ctpay_attempts": str(delivery.attempt),
        "ctpay_replays": earlier.get("ctpay_replays", "0"),
        "ctpay_untold_replays": earlier.get("ctpay_untold_replays", "0"),
        "ctpay_message_id": delivery.message_id,
        "ctpay_published_at": earlier.get("ctpay_published_at", delivery.published_at.isoformat()),
        "ctpay_first_dead_at": earlier.get("ctpay_first_dead_at", now.isoformat()),
        "ctpay_dead_at": now.isoformat(),
    }
    return _written(earlier, written, cause)


def read(delivery: Delivery) -> Letter:
    """The letter in a message of the dead letters. Whatever is missing or unreadable has a value that loses nothing."""
    found = delivery.attributes
    # What is on it may be anybody's, but it did not die after it was buried.
    buried_at = delivery.published_at
    dead_at = min(_time(found.get("ctpay_dead_at")) or buried_at, buried_at)
    published_at = _time(found.get("ctpay_published_at")) or _time(found.get(f"{PUBSUBS}TopicPublishTime"))
    return Letter(
        id=delivery.message_id,
        data=delivery.data,
        attributes=found,
        origin=_origin(found),
        cause=_cause(found),
        reason=found.get("ctpay_reason", ""),
        error=found.get("ctpay_error", ""),
        type=found.get("type", ""),
        correlation_id=found.get("correlation_id", ""),
        attempts=_number(found.get("ctpay_attempts") or found.get(f"{PUBSUBS}DeliveryCount")),
        is_for_person=found.get(FOR) == PERSON,
        replays=_number(found.get("ctpay_replays")),
        untold_replays=_number(found.get("ctpay_untold_replays")),
        published_at=published_at or dead_at,
        first_dead_at=min(_time(found.get("ctpay_first_dead_at")) or dead_at, dead_at),
        dead_at=dead_at,
    )


def next_step(letter: Letter, now: datetime) -> Step:
    """What becomes of the letter at this moment."""
    if letter.is_for_person:
        return Step.LEFT
    most = REPLAYS[letter.cause]
    # Those after other deaths prove nothing: an outage may have taken a dozen.
    is_hopeless = most is not None and letter.untold_replays >= most
    if letter.origin is None or is_hopeless or now - letter.first_dead_at >= _REPLAYED_FOR:
        return Step.HANDED_OVER
    return Step.REPLAYS if now >= due_at(letter) else Step.WAITS


def due_at(letter: Letter) -> datetime:
    """When it replays by itself, if it does."""
    # The power is bounded before it is taken: the count comes from outside.
    return letter.dead_at + min(_PAUSE_MIN * (1 << min(letter.replays, 16)), _PAUSE_MAX)


def for_replay(letter: Letter) -> dict[str, str]:
    """The attributes with which its bytes go to their topic again: the original ones, and what must not be forgotten.

    Not why it died: should it die again, by Pub/Sub's hand perhaps, that would be another reason.
    """
    history = {
        "ctpay_replays": str(letter.replays + 1),
        "ctpay_untold_replays": str(letter.untold_replays + (letter.cause is Cause.UNTOLD)),
        "ctpay_published_at": letter.published_at.isoformat(),
        "ctpay_first_dead_at": letter.first_dead_at.isoformat(),
    }
    return beside(theirs_of(letter.attributes), history)


def for_replay_by_person(letter: Letter) -> dict[str, str]:
    """The attributes with which a person sends it again: whoever does has mended what it died of, so all begins anew.

    Should it meet an outage then, it replays by itself for as long as any other.
    """
    return beside(theirs_of(letter.attributes), {"ctpay_published_at": letter.published_at.isoformat()})


def for_person(letter: Letter) -> dict[str, str]:
    """The attributes with which a letter that does not replay by itself any more is given to a person."""
    known = letter.origin is not None
    cause = letter.cause if REPLAYS[letter.cause] == 0 else Cause.GIVEN_UP if known else Cause.POISON
    written = {
        "ctpay_worker": letter.origin.value if letter.origin else "",
        "ctpay_cause": cause.value,
        "ctpay_reason": letter.reason or ("its readers died or hung" if known else "nobody knows its topic"),
        "ctpay_error": letter.error,
        "ctpay_attempts": str(letter.attempts),
        "ctpay_replays": str(letter.replays),
        "ctpay_message_id": letter.attributes.get("ctpay_message_id", letter.id),
        "ctpay_published_at": letter.published_at.isoformat(),
        "ctpay_first_dead_at": letter.first_dead_at.isoformat(),
        "ctpay_dead_at": letter.dead_at.isoformat(),
    }
    return _written(letter.attributes, written, cause)


def _written(before: Mapping[str, str], ours: Mapping[str, str], cause: Cause) -> dict[str, str]:
    whose = {FOR: PERSON} if REPLAYS[cause] == 0 else {}
    return beside(theirs_of(before), {name: _cut(value) for name, value in ours.items() if value} | whose)


def _origin(attributes: Mapping[str, str]) -> Topic | None:
    """A worker has its topic's name, and so has a subscription, after the prefix."""
    name = attributes.get("ctpay_worker") or attributes.get(f"{PUBSUBS}Subscription", "")
    return next((one for one in Topic if one is not Topic.DEAD_LETTERS and f"-{name}".endswith(f"-{one}")), None)


def _cause(attributes: Mapping[str, str]) -> Cause:
    try:
        return Cause(attributes["ctpay_cause"])
    except (KeyError, ValueError):
        return Cause.UNTOLD


def _time(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else 0


def _cut(text: str) -> str:
    return text.encode(errors="replace")[:VALUE_BYTES_MAX].decode(errors="ignore")
