"""One kind of resource: its documents by id, what is found fast, and every version there ever was.

A document is never changed once it stands here: a new version takes its place. What leaves is a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from sandbox.commercetools.documents import Document, clone

#: What a document is found by: pairs of a path such as `transactions.interactionId` and the value there.
IndexOf: TypeAlias = Callable[[Document], Iterable[tuple[str, str]]]


class Shelf:
    """The documents of one kind."""

    def __init__(self, index_of: IndexOf) -> None:
        self._index_of = index_of
        self._documents: dict[str, Document] = {}
        # Ids as the keys of a dict: a set with an order, so that answers do not depend on hashes.
        self._found: dict[tuple[str, str], dict[str, None]] = {}
        # The versions share nothing with each other but cost only what the documents cost.
        self._history: dict[str, list[Document]] = {}

    def __len__(self) -> int:
        return len(self._documents)

    def __iter__(self) -> Iterator[Document]:
        """The documents themselves, oldest first: look, do not touch."""
        return iter(self._documents.values())

    def peek(self, resource_id: str) -> Document | None:
        """The document itself: look, do not touch."""
        return self._documents.get(resource_id)

    def ids(self, path: str, value: str) -> list[str]:
        """The documents that have the value at an indexed path, oldest first."""
        return list(self._found.get((path, value), ()))

    def holder(self, path: str, value: str, *, other_than: str | None = None) -> str | None:
        """Some document that has the value, not counting one."""
        return next((found for found in self._found.get((path, value), ()) if found != other_than), None)

    def put(self, document: Document) -> None:
        """Store a version. The shelf keeps the document: the caller must not change it any more."""
        resource_id = document["id"]
        self._forget(resource_id)
        self._documents[resource_id] = document
        for entry in self._index_of(document):
            self._found.setdefault(entry, {})[resource_id] = None
        self._history.setdefault(resource_id, []).append(document)

    def remove(self, resource_id: str) -> None:
        self._forget(resource_id)
        del self._documents[resource_id]

    def history(self, resource_id: str) -> list[Document]:
        """Copies of all versions, oldest first; also of what has been deleted."""
        return [clone(version) for version in self._history.get(resource_id, ())]

    def _forget(self, resource_id: str) -> None:
        """Take a document out of the indexes."""
        old = self._documents.get(resource_id)
        for entry in self._index_of(old) if old is not None else ():
            ids = self._found.get(entry, {})
            ids.pop(resource_id, None)
            if not ids:
                self._found.pop(entry, None)
