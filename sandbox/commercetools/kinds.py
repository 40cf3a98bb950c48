"""What a kind of resource is made of, as data: the core does the rest for all of them alike."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from sandbox.commercetools.checks import Check, Shape
from sandbox.commercetools.documents import Document
from sandbox.commercetools.state import Desk, Message

#: What is at the end of a path in a predicate.
Tree: TypeAlias = "Scalar | Mapping[str, Tree]"


class Scalar(enum.Enum):
    """How a predicate compares a field."""

    TEXT = enum.auto()
    NUMBER = enum.auto()
    BOOLEAN = enum.auto()
    #: Written as the platform writes it, so it compares as text.
    TIME = enum.auto()
    #: A value of any JSON type, such as one in a custom field, or an object of such.
    ANY = enum.auto()


#: (the new version, to be changed in place; the action; the desk) -> what happened.
Apply: TypeAlias = Callable[[Document, Document, Desk], list[Message]]
#: (the checked draft; the desk) -> the resource without its common fields, and what happened.
Create: TypeAlias = Callable[[Document, Desk], tuple[Document, list[Message]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """One update action: its fields beside `action`, and what it does."""

    shape: Shape
    apply: Apply


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of resource."""

    #: In the URL, for example `payments`.
    path: str
    #: In references, for example `payment`.
    type_id: str
    #: Paths by which it is found fast. What must be unique is among them.
    indexed: tuple[str, ...]
    #: What predicates and `sort` may name, beside the common fields.
    searchable: Mapping[str, Tree]
    #: None: made in a way of its own.
    draft: Check | None = None
    create: Create | None = None
    actions: Mapping[str, Action] = field(default_factory=dict)
    #: What `expand` may name: for each path, the names to follow to its references. A list is entered.
    expansions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: The name before `=` in a URL that finds a resource by something else than its id, and its index.
    url_key: str = "key"
    url_index: str = "key"
    #: Raises where no update is allowed.
    before_update: Callable[[Document], None] | None = None
    #: Raises where a deletion is not allowed.
    before_delete: Callable[[Document, Desk], None] | None = None
    #: The user-provided identifiers that deliveries repeat.
    named_by: tuple[str, ...] = ("key",)


COMMON: Mapping[str, Tree] = {
    "id": Scalar.TEXT,
    "version": Scalar.NUMBER,
    "createdAt": Scalar.TIME,
    "lastModifiedAt": Scalar.TIME,
    "key": Scalar.TEXT,
}
MONEY: Mapping[str, Tree] = {
    "type": Scalar.TEXT,
    "currencyCode": Scalar.TEXT,
    "centAmount": Scalar.NUMBER,
    "fractionDigits": Scalar.NUMBER,
}
REFERENCE: Mapping[str, Tree] = {"typeId": Scalar.TEXT, "id": Scalar.TEXT}
CUSTOM: Mapping[str, Tree] = {"type": REFERENCE, "fields": Scalar.ANY}


def setter(name: str, check: Check, *, to: str | None = None) -> Action:
    """An action that sets a field, or takes it away where no value comes. `to`: the field's name in the resource."""

    def apply(document: Document, action: Document, _: Desk) -> list[Message]:
        set_or_drop(document, to or name, action.get(name))
        return []

    return Action(shape=Shape(optional={name: check}), apply=apply)


def set_or_drop(document: Document, name: str, value: object) -> None:
    if value is None:
        document.pop(name, None)
    else:
        document[name] = value
