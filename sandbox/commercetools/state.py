"""A project's state: a shelf for each kind of resource, and the counters of its messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sandbox.commercetools.documents import Document
from sandbox.commercetools.errors import reference_not_found
from sandbox.commercetools.shelf import Shelf

#: Kinds of which nothing is kept: any id is taken for one that exists, and no key for any.
UNMODELLED: Final = frozenset({"customer", "customer-group"})


class State:
    """Everything a project holds. Plain data; only the core changes it."""

    def __init__(self, indexed: Mapping[str, Sequence[str]]) -> None:
        #: By type id, such as `payment`.
        self.shelves: dict[str, Shelf] = {type_id: Shelf(paths) for type_id, paths in indexed.items()}
        #: Messages of each resource so far.
        self.sequence: Counter[tuple[str, str]] = Counter()


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """Something that happened to a resource, before it is put into an envelope."""

    type: str
    #: What this type of message adds to the common fields.
    fields: Document


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """What a request works with."""

    state: State
    #: As the platform writes time.
    now: str
    new_id: Callable[[], str]
    #: Documents that the request changes beside the one it addresses: type id, new version, messages.
    beside: list[tuple[str, Document, list[Message]]] = field(default_factory=list)

    def shelf(self, type_id: str) -> Shelf:
        return self.state.shelves[type_id]

    def resolve(self, identifier: Document) -> Document:
        """The reference, by id, that a resource identifier means. Raises ReferencedResourceNotFound."""
        type_id, resource_id, key = identifier["typeId"], identifier.get("id"), identifier.get("key")
        if type_id in UNMODELLED:
            if resource_id is None:
                raise reference_not_found(type_id, resource_id=None, key=key)
            return {"typeId": type_id, "id": resource_id}
        shelf = self.shelf(type_id)
        found = resource_id if key is None else shelf.holder("key", key)
        if found is None or shelf.peek(found) is None:
            raise reference_not_found(type_id, resource_id=resource_id, key=key)
        return {"typeId": type_id, "id": found}

    def find(self, identifier: Document) -> Document:
        """The document that a resource identifier means: look, do not touch."""
        reference = self.resolve(identifier)
        found = self.shelf(reference["typeId"]).peek(reference["id"])
        assert found is not None  # resolve has seen it
        return found
