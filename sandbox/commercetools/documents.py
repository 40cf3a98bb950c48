"""JSON documents: what they are called, how they are copied, how they write time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

#: A JSON object. Its values are whatever JSON has; `checks` has looked at everything that came in from outside.
Document: TypeAlias = dict[str, Any]

_T = TypeVar("_T")


def clone(value: _T) -> _T:
    """A copy that shares nothing that can change. JSON has no cycles, so it is much faster than `copy.deepcopy`."""
    return _clone(value)  # type: ignore[no-any-return]  # a copy of JSON has the type of what was copied


def _clone(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _clone(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_clone(inner) for inner in value]
    return value


@lru_cache(maxsize=64)
def timestamp(moment: datetime) -> str:
    """As the platform writes it: UTC, milliseconds, `Z`; sorts as text. A request asks for its own more than once."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def drop_none(document: Document) -> Document:
    """Without the fields that have no value: the platform leaves them out."""
    return {name: value for name, value in document.items() if value is not None}


def words(text: str) -> tuple[str, ...]:
    """A long table of names, written as people read it."""
    return tuple(text.split())


def at(document: Document, names: Iterable[str]) -> list[Any]:
    """What stands at the end of a path: nothing, one value, or several, since lists are entered on the way."""
    found: list[Any] = [document]
    for name in names:
        inner = [each[name] for each in found if name in each]
        found = [one for each in inner for one in (each if isinstance(each, list) else [each])]
    return found
