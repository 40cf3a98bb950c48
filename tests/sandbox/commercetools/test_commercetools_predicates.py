"""Predicates: the grammar, and what a comparison means, without a server."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.commercetools import predicate, query
from sandbox.commercetools.errors import RefusedError
from sandbox.commercetools.kinds import Kind, Scalar
from sandbox.commercetools.predicate import Both, Comparison, Either, Nested, Not, Presence, Variable
from sandbox.commercetools.shelf import Shelf

KIND = Kind(
    path="things",
    type_id="thing",
    indexed=("id", "name", "parts.name"),
    searchable={
        "name": Scalar.TEXT,
        "size": Scalar.NUMBER,
        "open": Scalar.BOOLEAN,
        "at": Scalar.TIME,
        "tags": Scalar.TEXT,
        "custom": {"fields": Scalar.ANY},
        "parts": {"name": Scalar.TEXT, "size": Scalar.NUMBER},
        "my-field": Scalar.TEXT,
    },
)
THINGS = [
    {
        "id": "1",
        "name": "a",
        "size": 1,
        "open": True,
        "at": "2026-01-01T00:00:00.000Z",
        "parts": [{"name": "x", "size": 1}],
    },
    {"id": "2", "name": "b", "size": 2, "open": False, "parts": [{"name": "x", "size": 2}, {"name": "y", "size": 1}]},
    {"id": "3", "name": "c", "size": 2.5, "tags": ["red", "blue"], "parts": [], "my-field": "m"},
    {
        "id": "4",
        "name": 'q"',
        "custom": {"fields": {"n": 7, "yes": True, "text": "7", "deep": {"k": "v"}}},
        "parts": [],
    },
]


def find(where: str, **variables: list[str]) -> str:
    shelf = Shelf(KIND.indexed)
    for thing in THINGS:
        shelf.put(thing)
    parameters = {"where": [where], **{f"var.{name}": values for name, values in variables.items()}}
    return "".join(found["id"] for found in query.run(KIND, shelf, parameters)["results"])


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ('a = "x"', Comparison("a", "=", ("x",))),
        ('a="x"and b!=1', Both((Comparison("a", "=", ("x",)), Comparison("b", "!=", (1,))))),
        (
            "a = 1 or b = 2 and c = 3",
            Either((Comparison("a", "=", (1,)), Both((Comparison("b", "=", (2,)), Comparison("c", "=", (3,)))))),
        ),
        (
            "(a = 1 or b = 2) and c = 3",
            Both((Either((Comparison("a", "=", (1,)), Comparison("b", "=", (2,)))), Comparison("c", "=", (3,)))),
        ),
        ("not(a <> true)", Not(Comparison("a", "!=", (True,)))),
        ("a in (1, -2.5)", Comparison("a", "in", (1, -2.5))),
        ("a not in :all", Comparison("a", "not in", (Variable("all"),))),
        ('a contains all ("x")', Comparison("a", "contains all", ("x",))),
        ("a is not defined", Presence("a", "not defined")),
        ("a is empty", Presence("a", "empty")),
        ("a(b(c = :v))", Nested("a", Nested("b", Comparison("c", "=", (Variable("v"),))))),
        ('`a-b c` = "\\"\\\\\\n\\u0041"', Comparison("a-b c", "=", ('"\\\nA',))),
    ],
)
def test_a_predicate_is_read_as_it_is_meant(text: str, tree: predicate.Node):
    assert predicate.parse(text) == tree


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "a",
            "a =",
            '= "x"',
            "a = x",
            "a = 'x'",
            'a = "x',
            "a == 1",
            "a = 1 and",
            "a = 1 b = 2",
            "(a = 1",
            "a = 1)",
        ),
        *(
            "a in ()",
            "a in (1",
            "a is",
            "a is not",
            "a not 1",
            "a contains (1)",
            "a()",
            "not a = 1",
            "a = 1.",
            "a = 1;",
            "and",
        ),
        "(" * 60 + "a = 1" + ")" * 60,
    ],
)
def test_what_is_malformed_is_refused_with_its_place(text: str):
    with pytest.raises(RefusedError, match="InvalidInput: Malformed parameter: where"):
        predicate.parse(text)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ('name = "a"', "1"),
        ('name != "a"', "234"),
        ("size > 1", "23"),
        ("size >= 2.5", "3"),
        ("size < 2 or size = 2", "12"),
        ("size != 1", "23"),
        ("open = true", "1"),
        ("open = false", "2"),
        ("open != true", "2"),
        ('at > "2025-12-31T23:00:00Z"', "1"),
        ('at = "2026-01-01T01:00:00+01:00"', "1"),
        ("at is defined", "1"),
        ("at is not defined", "234"),
        ("parts is empty", "34"),
        ("parts is not empty", "12"),
        ('parts(name = "x")', "12"),
        ('parts(name = "x" and size = 1)', "1"),
        ('parts(name = "x") and parts(size = 1)', "12"),
        ('parts(not(name = "x"))', "2"),
        ('not(parts(name = "x"))', "34"),
        ('tags = "red"', "3"),
        ('tags contains any ("green", "blue")', "3"),
        ('tags contains all ("green", "blue")', ""),
        ('tags contains all ("red", "blue")', "3"),
        ('name in ("c", "a", "nobody")', "31"),
        ('name not in ("c", "a")', "24"),
        ('name = "a" or parts(name = "y")', "12"),
        ('name = "q\\""', "4"),
        ('`my-field` = "m"', "3"),
        ("custom(fields(n = 7))", "4"),
        ('custom(fields(n = "7"))', ""),
        ("custom(fields(yes = true))", "4"),
        ("custom(fields(yes = 1))", ""),
        ('custom(fields(deep(k = "v")))', "4"),
        ("custom(fields(none is defined))", ""),
    ],
)
def test_a_predicate_finds_what_fulfils_it(where: str, found: str):
    # An index gives its documents in the order of the question, a scan the oldest first.
    assert sorted(find(where)) == sorted(found)


@pytest.mark.parametrize(
    "where",
    [
        "bogus = 1",
        "name = 1",
        'size = "1"',
        "open = 1",
        'at = "soon"',
        "parts = 1",
        "name(x = 1)",
        'parts(bogus = "x")',
        "size = true",
    ],
)
def test_an_unknown_field_or_a_value_of_another_type_is_refused(where: str):
    with pytest.raises(RefusedError, match="InvalidInput"):
        find(where)


@pytest.mark.parametrize(
    ("where", "value", "found"),
    [
        ("name = :v", ["a"], "1"),
        ("name in :v", ["a", "b"], "12"),
        ("size = :v", ["2.5"], "3"),
        ("open = :v", ["true"], "1"),
        ("custom(fields(n = :v))", ["7"], "4"),
        ("custom(fields(text = :v))", ["7"], "4"),
        ('name in ("c", :v)', ["a"], "31"),
    ],
)
def test_a_variable_takes_the_type_of_its_field(where: str, value: list[str], found: str):
    assert sorted(find(where, v=value)) == sorted(found)


def test_a_variable_without_a_value_or_with_a_wrong_one_is_refused():
    with pytest.raises(RefusedError, match=r"var\.v"):
        find("name = :v")
    with pytest.raises(RefusedError, match="a number"):
        find("size = :v", v=["many"])


@given(st.text())
def test_any_text_can_be_asked_for_when_it_is_escaped(text: str):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    assert predicate.parse(f'name = "{escaped}"') == Comparison("name", "=", (text,))


@given(st.text(alphabet='ab=<>!()"\\:,. inotrdef1`'))
def test_no_text_breaks_the_reader(text: str):
    # Whatever it is, it is read or refused.
    with contextlib.suppress(RefusedError):
        assert predicate.parse(text) is not None


@given(st.lists(st.sampled_from(THINGS), unique_by=lambda thing: thing["id"]), st.sampled_from(["a", "b", "x"]))
def test_an_index_finds_what_a_scan_finds(things: list[dict], name: str):
    with_index, without = Shelf(KIND.indexed), Shelf(())
    for thing in things:
        with_index.put(thing)
        without.put(thing)
    for where in (f'name = "{name}"', f'parts(name = "{name}")', f'name = "{name}" or parts(name = "{name}")'):
        pages = [query.run(KIND, shelf, {"where": [where], "sort": ["id"]}) for shelf in (with_index, without)]
        assert pages[0] == pages[1]
