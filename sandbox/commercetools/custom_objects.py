"""Custom objects: any JSON by container and key. They are put, not updated.

Without a version a put always wins; with one, it must be that of the object there, or 0 where there is none yet. (That
0 means "create only" follows from the platform's text and has not been tried on a real project.)
"""

from __future__ import annotations

from typing import Any, Final

from sandbox.commercetools import checks
from sandbox.commercetools.checks import Shape
from sandbox.commercetools.documents import Document, words
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
INDEXED: Final = words("id container key")


def find(shelf: Shelf, container: str, key: str) -> Document:
    """The object: look, do not touch."""
    found = _look(shelf, container, key)
    if found is None:
        raise not_found(f"container '{container}' and key '{key}'")
    return found


def _look(shelf: Shelf, container: str, key: str) -> Document | None:
    candidates = (shelf.peek(each) for each in shelf.ids("key", key))
    return next((each for each in candidates if each is not None and each["container"] == container), None)


def within(shelf: Shelf, container: str | None = None) -> Shelf:
    """A shelf of the objects of one container, or of all."""
    if container is None:
        return shelf
    part = Shelf(INDEXED)
    for resource_id in shelf.ids("container", container):
        found = shelf.peek(resource_id)
        if found is not None:
            part.put(found)
    return part


def upsert(body: object, desk: Desk) -> tuple[Document | None, Document]:
    """What was there, and what is to be put there."""
    draft = _DRAFT(body)
    shelf = desk.shelf("key-value-document")
    old = _look(shelf, draft["container"], draft["key"])
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
