"""Custom objects: any JSON by container and key. They are put, not updated.

Without a version a put always wins; with one, it must be that of the object there, or 0 where there is none yet. (That
0 means "create only" follows from the platform's text and has not been tried on a real project.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sandbox.commercetools import checks
from sandbox.commercetools.checks import Shape
from sandbox.commercetools.documents import Document
from sandbox.commercetools.errors import conflict, not_found
from sandbox.commercetools.kinds import Scalar, Tree
from sandbox.commercetools.shelf import Shelf
from sandbox.commercetools.state import Desk

PATH: Final = "custom-objects"
_NAME: Final = checks.text(low=1, high=256, pattern=r"[-_~.a-zA-Z0-9]+")
_DRAFT: Final = Shape(
    required={"container": _NAME, "key": _NAME, "value": checks.anything}, optional={"version": checks.whole(low=0)}
)
SEARCHABLE: Final[dict[str, Tree]] = {"container": Scalar.TEXT, "value": Scalar.ANY}


def index_of(found: Document) -> Iterator[tuple[str, str]]:
    yield "id", found["id"]
    yield "container", found["container"]
    yield "place", _place(found["container"], found["key"])


def _place(container: str, key: str) -> str:
    # Neither name may contain a slash.
    return f"{container}/{key}"


def find(shelf: Shelf, container: str, key: str) -> Document:
    """The object: look, do not touch."""
    holder = shelf.holder("place", _place(container, key))
    found = shelf.peek(holder) if holder is not None else None
    if found is None:
        raise not_found(f"container '{container}' and key '{key}'")
    return found


def within(shelf: Shelf, container: str | None = None) -> Shelf:
    """A shelf of the objects of one container, or of all."""
    if container is None:
        return shelf
    part = Shelf(index_of)
    for resource_id in shelf.ids("container", container):
        found = shelf.peek(resource_id)
        if found is not None:
            part.put(found)
    return part


def upsert(body: object, desk: Desk) -> tuple[Document | None, Document]:
    """What was there, and what is to be put there."""
    draft = _DRAFT(body)
    shelf = desk.shelf("key-value-document")
    holder = shelf.holder("place", _place(draft["container"], draft["key"]))
    old = shelf.peek(holder) if holder is not None else None
    actual = old["version"] if old is not None else 0
    if draft.get("version", actual) != actual:
        raise conflict(old["id"] if old else draft["key"], expected=draft["version"], actual=actual)
    new = {
        "id": old["id"] if old is not None else desk.new_id(),
        "version": actual + 1,
        "createdAt": old["createdAt"] if old is not None else desk.now,
        "lastModifiedAt": desk.now,
        "container": draft["container"],
        "key": draft["key"],
        "value": _without_nulls(draft["value"]),
    }
    return old, new


def _without_nulls(value: Any) -> Any:
    """The platform drops fields whose value is null."""
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    return value
