"""What a person may see of a dead letter. Its body holds tokens and shoppers' data, so seeing is an allow-list.

Law: a value is shown only if its field is listed here, and even then as one printable line in which what looks like a
secret is masked. Bytes that are none of our messages are never quoted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from rich.table import Column, Table
from rich.text import Text

from bus.attributes import theirs_of
from bus.messages import MalformedMessageError, decode
from ctpay.logs import MASK

if TYPE_CHECKING:
    from bus.letters import Letter

#: Masks what looks like a secret.
Mask: TypeAlias = Callable[[str], str]

#: Fields of our own messages that are shown, beside times.
_OURS: Final = frozenset(
    {
        "amount", "cart_id", "charge_id", "command_id", "correlation_id", "event_id", "method", "method_id",
        "operation", "payment_id", "psp", "reply_to", "transaction_id", "type", "version",
    }
)  # fmt: skip
#: Fields of commercetools' notifications and of PSPs' events that are shown where their value is a plain one.
_THEIRS: Final = frozenset(
    {
        "createdAt", "created_at", "eventCode", "eventDate", "id", "notificationType", "projectKey", "resourceVersion",
        "sequenceNumber", "specversion", "success", "time", "type", "typeId", "version",
    }
)  # fmt: skip
#: Their fields within which the same names are shown.
_OPENED: Final = frozenset({"data", "resource"})
_DEPTH_MAX: Final = 2
_LINE_MAX: Final = 300
#: Larger than this is measured and not opened.
_OPENED_BYTES_MAX: Final = 1_000_000


def row(letter: Letter, mask: Mask) -> dict[str, object]:
    """The letter in a listing."""
    return {
        "id": _line(letter.id),
        "worker": letter.origin.value if letter.origin else None,
        "type": _safe(letter.type, mask) or None,
        "cause": letter.cause.value,
        "reason": _safe(letter.reason, mask),
        "error": _safe(letter.error, mask) or None,
        "correlation_id": _safe(letter.correlation_id, mask) or None,
        "attempts": letter.attempts,
        "replays": letter.replays,
        "published_at": letter.published_at.isoformat(timespec="seconds"),
        "first_dead_at": letter.first_dead_at.isoformat(timespec="seconds"),
        "dead_at": letter.dead_at.isoformat(timespec="seconds"),
        "bytes": len(letter.data),
    }


def whole(letter: Letter, mask: Mask) -> dict[str, object]:
    """The letter by itself: with the attributes that its publisher gave it, and what may be seen of its body."""
    theirs = {_safe(name, mask): _safe(value, mask) for name, value in theirs_of(letter.attributes).items()}
    return row(letter, mask) | {"attributes": theirs, "message": _body(letter.data, mask)}


def table(letters: list[Letter], now: datetime, mask: Mask) -> Table:
    """A listing on a terminal."""
    id_, rest = Column("id", no_wrap=True), ("worker", "type", "cause", "attempts", "died", "reason")
    found = Table(id_, *rest)
    for letter in letters:
        shown = row(letter, mask)
        cells = ("id", "worker", "type", "cause", "attempts")
        texts = [str(shown[cell] if shown[cell] is not None else "-") for cell in cells]
        found.add_row(*map(Text, texts), Text(_ago((now - letter.dead_at).total_seconds())), Text(str(shown["reason"])))
    return found


def pretty(shown: Mapping[str, object]) -> str:
    """A whole letter for a terminal."""
    return json.dumps(shown, indent=2, ensure_ascii=False)


def _body(data: bytes, mask: Mask) -> dict[str, object]:
    try:
        message = decode(data)
    except MalformedMessageError:
        return {"not_ours": _outline(data, mask)}
    shown: dict[str, object] = {}
    for name in type(message).model_fields:
        value = getattr(message, name)
        if value is None:
            continue
        if isinstance(value, bytes):
            shown[name] = _outline(value, mask)
        elif isinstance(value, datetime):
            shown[name] = value.isoformat()
        elif name in _OURS:
            shown[name] = value if isinstance(value, int) else _safe(str(value), mask)
        else:
            shown[name] = MASK
    return shown


def _outline(data: bytes, mask: Mask) -> dict[str, object]:
    """Size and hash, by which two bodies can be compared, and the listed fields where it is JSON."""
    outline: dict[str, object] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    if len(data) > _OPENED_BYTES_MAX:
        return outline
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return outline
    return outline | {"fields": _fields(document, mask)} if isinstance(document, dict) else outline


def _fields(document: Mapping[str, object], mask: Mask, depth: int = 0) -> dict[str, object]:
    shown: dict[str, object] = {}
    for name, value in document.items():
        if name in _OPENED and isinstance(value, dict) and depth < _DEPTH_MAX:
            shown[name] = _fields(value, mask, depth + 1)
        elif name in _THEIRS and isinstance(value, str | int | float | bool):
            shown[name] = _safe(str(value), mask)
    hidden = len(document) - len(shown)
    return shown | {MASK: f"{hidden} more"} if hidden else shown


def _safe(text: str, mask: Mask) -> str:
    return _line(mask(text))


def _line(text: str) -> str:
    """One line without anything that moves a terminal's cursor or turns letters round."""
    line = "".join(letter if letter.isprintable() else "?" for letter in text)
    return line if len(line) <= _LINE_MAX else f"{line[:_LINE_MAX]}…"


def _ago(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f}{unit} ago"
    return f"{max(seconds, 0):.0f}s ago"
