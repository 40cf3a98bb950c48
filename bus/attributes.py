"""The attributes of somebody's message with ours beside them, within Pub/Sub's limits, and theirs alone again. Pure.

A message has a hundred attributes at most. Where ours leave no room for all of theirs, the shortest of those that
nobody reads share a few places, as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from pydantic import TypeAdapter, ValidationError

from psp.trace import TRACEPARENT

#: How names of ours begin, and those that Pub/Sub puts on what it moves by its own policy.
OURS: Final = "ctpay_"
PUBSUBS: Final = "CloudPubSubDeadLetterSource"
#: How names begin that Pub/Sub takes from nobody, and those among them that its clients may write.
_RESERVED: Final = "goog"
_CLIENTS: Final = "googclient_"

#: Pub/Sub's limits: attributes of a message, and bytes of a name and of a value.
_ATTRIBUTES_MAX: Final = 100
_NAME_BYTES_MAX: Final = 256
VALUE_BYTES_MAX: Final = 1024

#: Read, or filtered by, on the way: they keep their own places.
_READ: Final = frozenset({"type", "correlation_id", "command_id", "reply_to", TRACEPARENT})

_SHARED: Final = "ctpay_shared_"
#: Enough for the shortest twenty of a hundred, unless each of them has some four hundred bytes.
_SHARED_MAX: Final = 8

_texts: Final[TypeAdapter[dict[str, str]]] = TypeAdapter(dict[str, str])


def beside(theirs: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """Both, so that Pub/Sub takes them. What has no place of its own, nor one among the shared, is left out."""
    room = _ATTRIBUTES_MAX - len(ours)
    if len(theirs) <= room:
        return {**theirs, **ours}
    ordered = sorted(theirs, key=lambda name: (name not in _READ, -len(name) - len(theirs[name]), name))
    alone, together = ordered[: room - _SHARED_MAX], ordered[room - _SHARED_MAX :]
    while len(text := json.dumps({name: theirs[name] for name in together})) > _SHARED_MAX * VALUE_BYTES_MAX:
        together = together[1:]
    starts = range(0, len(text), VALUE_BYTES_MAX)
    shared = {f"{_SHARED}{at // VALUE_BYTES_MAX}": text[at : at + VALUE_BYTES_MAX] for at in starts}
    return {name: theirs[name] for name in alone} | shared | dict(ours)


def theirs_of(attributes: Mapping[str, str]) -> dict[str, str]:
    """What its publisher wrote: nothing of ours, and nothing of Pub/Sub's."""
    # What stands alone was read and filtered by on the way: nothing that shares a place may say otherwise.
    found = {**_shared(attributes), **attributes}
    return {name: value for name, value in found.items() if not name.startswith((OURS, PUBSUBS))}


def _shared(attributes: Mapping[str, str]) -> dict[str, str]:
    text = "".join(attributes.get(f"{_SHARED}{number}", "") for number in range(_SHARED_MAX))
    try:
        found = _texts.validate_json(text or "{}", strict=True)
    except ValidationError:
        return {}
    # They may be anybody's: what Pub/Sub takes from nobody was not written by us.
    return {name: value for name, value in found.items() if _is_taken(name, value)}


def _is_taken(name: str, value: str) -> bool:
    reserved = name.startswith(_RESERVED) and not name.startswith(_CLIENTS)
    return not reserved and 0 < len(name.encode()) <= _NAME_BYTES_MAX and len(value.encode()) <= VALUE_BYTES_MAX
