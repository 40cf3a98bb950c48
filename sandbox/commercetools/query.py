"""Queries: predicates bound to the fields of a kind, evaluated over documents; sorting and pages.

Unknown fields, and values of the wrong type, are refused with InvalidInput, as the platform does. A field that is
absent fulfils no comparison, not even `!=`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sandbox.commercetools import checks, predicate
from sandbox.commercetools.documents import Document, clone
from sandbox.commercetools.errors import RefusedError, invalid_input
from sandbox.commercetools.kinds import COMMON, Kind, Scalar, Tree
from sandbox.commercetools.predicate import Both, Comparison, Either, Nested, Node, Not, Presence, Variable
from sandbox.commercetools.shelf import Shelf

LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 500
OFFSET_MAX: Final = 10_000

#: What a request says after the `?`, in order, with repetitions.
Parameters = Mapping[str, Sequence[str]]
Matches = Callable[[Any], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Bound:
    """A predicate that can be asked."""

    matches: Matches
    #: Where an index gives all the candidates: (path, value), any of which must hold. None: look at everything.
    keys: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Scope:
    """Where in a document a predicate stands."""

    tree: Tree
    variables: Parameters
    #: Paths with an index.
    indexed: frozenset[str]
    #: With a dot at the end, unless empty.
    path: str = ""

    def enter(self, name: str) -> _Scope:
        return _Scope(tree=self.of(name), variables=self.variables, indexed=self.indexed, path=f"{self.path}{name}.")

    def of(self, name: str) -> Tree:
        if self.tree is Scalar.ANY:
            return Scalar.ANY
        if not isinstance(self.tree, Mapping) or name not in self.tree:
            raise invalid_input(f"Malformed parameter: where: the field '{self.path}{name}' does not exist.")
        return self.tree[name]


def run(kind: Kind, shelf: Shelf, parameters: Parameters) -> Document:
    """A page of the documents that fulfil every `where`, as copies."""
    tree: Tree = {**COMMON, **kind.searchable}
    variables = {name[4:]: values for name, values in parameters.items() if name.startswith("var.")}
    scope = _Scope(tree=tree, variables=variables, indexed=shelf.indexed)
    bound = [_bind(predicate.parse(text), scope) for text in parameters.get("where", ())]
    limit = _whole(parameters, "limit", default=LIMIT_DEFAULT, most=LIMIT_MAX)
    offset = _whole(parameters, "offset", default=0, most=OFFSET_MAX)
    found = [one for one in _candidates(shelf, bound) if all(each.matches(one) for each in bound)]
    for text in reversed(parameters.get("sort", ())):
        _sort(found, text, scope)
    results = [clone(one) for one in found[offset : offset + limit]]
    page: Document = {"limit": limit, "offset": offset, "count": len(results)}
    if _last(parameters, "withTotal", "true") == "true":
        page["total"] = len(found)
    return {**page, "results": results}


def _candidates(shelf: Shelf, bound: Iterable[_Bound]) -> Iterable[Document]:
    """The documents of the most selective index, or all."""
    best: list[str] | None = None
    for each in bound:
        if each.keys is not None:
            ids = list(dict.fromkeys(one for path, value in each.keys for one in shelf.ids(path, value)))
            best = ids if best is None or len(ids) < len(best) else best
    if best is None:
        return shelf
    return (document for each in best if (document := shelf.peek(each)) is not None)


def _whole(parameters: Parameters, name: str, *, default: int, most: int) -> int:
    text = _last(parameters, name, str(default))
    if not text.isascii() or not text.isdecimal() or int(text) > most:
        raise invalid_input(f"Malformed parameter: {name}: a number from 0 to {most} is expected, not '{text}'.")
    return int(text)


def _last(parameters: Parameters, name: str, default: str) -> str:
    values = parameters.get(name)
    return values[-1] if values else default


def _sort(found: list[Document], text: str, scope: _Scope) -> None:
    path, _, direction = text.strip().partition(" ")
    if direction.strip() not in {"", "asc", "desc"}:
        raise invalid_input(f"Malformed parameter: sort: `asc` or `desc` is expected, not '{direction.strip()}'.")
    names = path.split(".")
    for name in names[:-1]:
        scope = scope.enter(name)
    if isinstance(scope.of(names[-1]), Mapping):
        raise invalid_input(f"Malformed parameter: sort: '{path}' is not a field that has an order.")

    def rank(document: Document) -> tuple[bool, Any]:
        value: Any = document
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        return value is not None, value if value is not None else 0

    found.sort(key=rank, reverse=direction.strip() == "desc")


def _bind(node: Node, scope: _Scope) -> _Bound:
    match node:
        case Comparison():
            return _comparison(node, scope)
        case Presence(name, state):
            return _presence(name, state, scope)
        case Nested(name, inner):
            return _nested(name, inner, scope)
        case Not(inner):
            bound = _bind(inner, scope)
            return _Bound(matches=lambda value: not bound.matches(value))
        case Both(parts):
            all_of = [_bind(part, scope) for part in parts]
            keys = next((each.keys for each in all_of if each.keys is not None), None)
            return _Bound(matches=lambda value: all(each.matches(value) for each in all_of), keys=keys)
        case Either(parts):
            any_of = [_bind(part, scope) for part in parts]
            return _Bound(matches=lambda value: any(each.matches(value) for each in any_of), keys=_union(any_of))


def _union(any_of: Sequence[_Bound]) -> tuple[tuple[str, str], ...] | None:
    keys: list[tuple[str, str]] = []
    for each in any_of:
        if each.keys is None:
            return None
        keys.extend(each.keys)
    return tuple(keys)


def _nested(name: str, inner: Node, scope: _Scope) -> _Bound:
    if isinstance(scope.of(name), Scalar) and scope.of(name) is not Scalar.ANY:
        raise invalid_input(f"Malformed parameter: where: the field '{scope.path}{name}' has no fields of its own.")
    bound = _bind(inner, scope.enter(name))

    def matches(value: Any) -> bool:
        found = value.get(name) if isinstance(value, dict) else None
        if isinstance(found, list):
            # All conditions must hold for one and the same element.
            return any(bound.matches(element) for element in found)
        return found is not None and bound.matches(found)

    return _Bound(matches=matches, keys=bound.keys)


def _presence(name: str, state: str, scope: _Scope) -> _Bound:
    scope.of(name)
    wanted = not state.startswith("not ")

    def matches(value: Any) -> bool:
        found = value.get(name) if isinstance(value, dict) else None
        there = found is not None if state.endswith("defined") else found == []
        return there is wanted

    return _Bound(matches=matches)


_ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Values:
    """What a field is compared with. A variable for a field of any type stands for all it may mean."""

    alternatives: list[tuple[Any, ...]] = field(default_factory=list)

    def hold(self, found: object) -> bool:
        return any(_same(found, each) for group in self.alternatives for each in group)


def _same(left: object, right: object) -> bool:
    """Equal as JSON: true is not 1."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _comparison(node: Comparison, scope: _Scope) -> _Bound:
    kind = scope.of(node.field)
    where = scope.path + node.field
    if not isinstance(kind, Scalar):
        raise invalid_input(f"Malformed parameter: where: the field '{where}' is an object; compare its fields.")
    values = _Values(alternatives=[each for literal in node.values for each in _typed(literal, kind, where, scope)])
    name, operator = node.field, node.operator

    def matches(value: Any) -> bool:
        found = value.get(name) if isinstance(value, dict) else None
        if found is None:
            return False
        elements = found if isinstance(found, list) else [found]
        if operator == "contains all":
            return all(any(_same(one, each) for one in elements for each in group) for group in values.alternatives)
        if operator in _ORDER:
            return any(_ordered(operator, one, each) for one in elements for each in values.alternatives[0])
        held = any(values.hold(one) for one in elements)
        return held if operator in {"=", "in", "contains any"} else not held

    keys = None
    if operator in {"=", "in"} and where in scope.indexed:
        keys = tuple((where, str(each)) for group in values.alternatives for each in group)
    return _Bound(matches=matches, keys=keys)


def _ordered(operator: str, left: Any, right: Any) -> bool:
    if isinstance(left, str) != isinstance(right, str):
        return False
    return _ORDER[operator](left, right)


def _typed(literal: predicate.Literal, kind: Scalar, where: str, scope: _Scope) -> list[tuple[Any, ...]]:
    """The values a literal means: one group for each value, with its readings."""
    if not isinstance(literal, Variable):
        return [(_checked(literal, kind, where),)]
    if literal.name not in scope.variables:
        raise invalid_input(f"Malformed parameter: where: the variable 'var.{literal.name}' is missing.")
    return [_readings(text, kind, where) for text in scope.variables[literal.name]]


def _readings(text: str, kind: Scalar, where: str) -> tuple[Any, ...]:
    if kind in {Scalar.TEXT, Scalar.TIME}:
        return (_checked(text, kind, where),)
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if kind is not Scalar.ANY:
        return (_checked(value, kind, where),)
    return (text, value) if isinstance(value, bool | int | float) else (text,)


_EXPECTED: Final = {
    Scalar.TEXT: (str, "a text in double quotes"),
    Scalar.TIME: (str, "a date and time in double quotes"),
    Scalar.NUMBER: (int | float, "a number"),
    Scalar.BOOLEAN: (bool, "true or false"),
}


def _checked(value: Any, kind: Scalar, where: str) -> Any:
    if kind is Scalar.ANY:
        return value
    wrong = isinstance(value, bool) if kind is not Scalar.BOOLEAN else False
    wanted, name = _EXPECTED[kind]
    if wrong or not isinstance(value, wanted):
        raise invalid_input(f"Malformed parameter: where: the field '{where}' is compared with {name}.")
    if kind is Scalar.TIME:
        try:
            return checks.moment(value, where)
        except RefusedError:
            raise invalid_input(f"Malformed parameter: where: '{value}' is not a date and time.") from None
    return value
