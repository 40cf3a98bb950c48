"""Finds the tables of a module and makes mutants of them: each row dropped, each row swapped with the next.

mutmut changes functions and leaves the tables of modules and classes, and enums, alone, so they have this of their own.
A mutant is source code: nothing is imported here, and no table has to be known by name.
"""

from __future__ import annotations

import ast
import copy
import enum
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

#: Of a statement: its place in the module, or that of its class and its place in there.
Path: TypeAlias = tuple[int, ...]


class Change(enum.StrEnum):
    """What is done to a row."""

    DROPPED = "dropped"
    #: With the row after it: the values of a mapping or an enum, the places in a sequence.
    SWAPPED = "swapped"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutant:
    """One change of one row."""

    table: str
    row: str
    change: Change
    source: str

    @property
    def name(self) -> str:
        return f"{self.table}[{self.row}] {self.change}"


def mutants(source: str) -> Iterator[Mutant]:
    """All changes of all tables: of dicts, sets, tuples and lists at the top of a module or a class, and of enums."""
    tree = ast.parse(source)
    for place, node in enumerate(tree.body):
        match node:
            case ast.ClassDef() if _is_enum(node):
                yield from _of_enum(tree, place, node)
            case ast.ClassDef():
                for inner, each in enumerate(node.body):
                    if name := _name(each):
                        yield from _of_table(tree, (place, inner), f"{node.name}.{name}")
            case _:
                if name := _name(node):
                    yield from _of_table(tree, (place,), name)


def _is_enum(node: ast.ClassDef) -> bool:
    return any("enum" in ast.unparse(base).lower() for base in node.bases)


def _name(node: ast.stmt) -> str | None:
    """What is assigned to; None where that is no table: Python reads names such as `__slots__` itself."""
    match node:
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()) | ast.Assign(targets=[ast.Name(id=name)]):
            return None if "TypeAlias" in ast.unparse(node) or name.startswith("__") else name
    return None


def _of_table(tree: ast.Module, path: Path, name: str) -> Iterator[Mutant]:
    for number in range(len(list(_displays(_at(tree, path))))):
        yield from _of_display(tree, path, name, number)


def _at(tree: ast.Module, path: Path) -> ast.stmt:
    """The statement at the place in the module, or at the one in the class that stands there."""
    node = tree.body[path[0]]
    for place in path[1:]:
        assert isinstance(node, ast.ClassDef)
        node = node.body[place]
    return node


def _displays(node: ast.AST) -> Iterator[ast.Dict | ast.Set | ast.Tuple | ast.List]:
    """Displays with rows in them, those within others and within calls such as frozenset too.

    A tuple within a display is a row and no table, and what stands in square brackets is a type's arguments.
    """
    value = getattr(node, "value", None)
    waiting: list[ast.AST] = [value] if value is not None else []
    while waiting:
        each = waiting.pop(0)
        inner = [one for one in ast.iter_child_nodes(each) if not isinstance(each, ast.Subscript)]
        match each:
            case ast.Dict(values=rows) | ast.Set(elts=rows) | ast.Tuple(elts=rows) | ast.List(elts=rows):
                inner = [one for row in rows for one in ([*ast.iter_child_nodes(row)] if _is_row(row) else [row])]
                if rows:
                    yield each
        waiting += inner


def _is_row(node: ast.AST) -> bool:
    return isinstance(node, ast.Tuple)


def _of_display(tree: ast.Module, path: Path, name: str, number: int) -> Iterator[Mutant]:
    rows = _rows(list(_displays(_at(tree, path)))[number])
    for row in range(len(rows)):
        for change in Change:
            changed = copy.deepcopy(tree)
            display = list(_displays(_at(changed, path)))[number]
            if not _apply(display, row, change):
                continue
            yield Mutant(
                table=name if not number else f"{name}.{number}",
                row=ast.unparse(rows[row])[:60],
                change=change,
                source=ast.unparse(changed),
            )


def _rows(display: ast.AST) -> list[ast.expr]:
    if isinstance(display, ast.Dict):
        return [key or value for key, value in zip(display.keys, display.values, strict=True)]
    assert isinstance(display, ast.Set | ast.Tuple | ast.List)
    return display.elts


def _apply(display: ast.AST, row: int, change: Change) -> bool:
    """Whether there was anything to change."""
    if isinstance(display, ast.Dict):
        if change is Change.DROPPED:
            del display.keys[row], display.values[row]
            return True
        return display.keys[row] is not None and _swap(display.values, row)
    assert isinstance(display, ast.Set | ast.Tuple | ast.List)
    if change is Change.DROPPED:
        del display.elts[row]
        return True
    return not isinstance(display, ast.Set) and _swap(display.elts, row)


def _swap(values: list[ast.expr], row: int) -> bool:
    """Swap two values; of two rows that are tuples, all but what comes first and names the row."""
    if row + 1 >= len(values):
        return False
    one, other = values[row], values[row + 1]
    if isinstance(one, ast.Tuple) and isinstance(other, ast.Tuple):
        same = ast.dump(ast.Tuple(one.elts[1:])) == ast.dump(ast.Tuple(other.elts[1:]))
        one.elts[1:], other.elts[1:] = other.elts[1:], one.elts[1:]
        return not same
    if ast.dump(one) == ast.dump(other):
        return False
    values[row], values[row + 1] = values[row + 1], values[row]
    return True


def _of_enum(tree: ast.Module, place: int, node: ast.ClassDef) -> Iterator[Mutant]:
    """The values of neighbours swapped. A dropped member would only be a name that is not there."""
    members = [at for at, each in enumerate(node.body) if isinstance(each, ast.Assign)]
    for one, other in itertools.pairwise(members):
        if ast.dump(node.body[one].value) == ast.dump(node.body[other].value):
            continue  # Both are enum.auto(): no row is told by its value.
        changed = copy.deepcopy(tree)
        body = getattr(changed.body[place], "body")  # noqa: B009 - the copy of a class is one
        body[one].value, body[other].value = body[other].value, body[one].value
        yield Mutant(
            table=node.name,
            row=ast.unparse(node.body[one]).split(" = ")[0],
            change=Change.SWAPPED,
            source=ast.unparse(changed),
        )
