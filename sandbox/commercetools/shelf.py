"""One kind of resource: its documents by id, what is found fast, and every version there ever was.

A document is never changed once it stands here: a new version takes its place. What leaves is a copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sandbox.commercetools.documents import Document, at, clone


class Shelf:
    """The documents of one kind. `indexed`: the paths by which they are found fast; a text stands at their ends."""

    def __init__(self, indexed: Sequence[str]) -> None:
        #: The paths by which `ids` and `holder` find.
        self.indexed = frozenset(indexed)
        self._names = [(path, path.split(".")) for path in indexed]
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
        for entry in self._entries(document):
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
        for entry in self._entries(old) if old is not None else ():
            ids = self._found.get(entry, {})
            ids.pop(resource_id, None)
            if not ids:
                self._found.pop(entry, None)

    def _entries(self, document: Document) -> Iterator[tuple[str, str]]:
        """What a document is found by: paths and the values there."""
        for path, names in self._names:
            for value in at(document, names):
                yield path, value
