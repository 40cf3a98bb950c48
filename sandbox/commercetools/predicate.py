"""Query predicates: text to tree. What a field may be compared with is `query`'s affair.

predicate   = all { "or" all }
all         = one { "and" one }
one         = "not" "(" predicate ")" | "(" predicate ")" | name rest
rest        = "(" predicate ")"                     the object, or any one element of the list, fulfils it
            | ("=" | "!=" | "<>" | "<" | "<=" | ">" | ">=") value
            | ["not"] "in" ( "(" value { "," value } ")" | variable )
            | "contains" ("any" | "all") ( "(" value { "," value } ")" | variable )
            | "is" ["not"] ("defined" | "empty")
value       = string | number | "true" | "false" | variable
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from sandbox.commercetools.errors import RefusedError, invalid_input


@dataclass(frozen=True, slots=True)
class Variable:
    """`:name`, whose values come with the request."""

    name: str


Literal: TypeAlias = "str | int | float | bool | Variable"


@dataclass(frozen=True, slots=True)
class Comparison:
    field: str
    #: `=`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `not in`, `contains any`, `contains all`
    operator: str
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Presence:
    field: str
    #: `defined`, `not defined`, `empty`, `not empty`
    state: str


@dataclass(frozen=True, slots=True)
class Nested:
    field: str
    inner: Node


@dataclass(frozen=True, slots=True)
class Both:
    """All of them."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of them."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    inner: Node


Node: TypeAlias = Comparison | Presence | Nested | Both | Either | Not

_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<number>-?\d+(?:\.\d+)?(?![\w.]))
    | (?P<variable>:[A-Za-z0-9]+)
    | (?P<quoted>`[^`]+`)
    | (?P<word>[A-Za-z_][A-Za-z0-9_-]*)
    | (?P<sign><=|>=|<>|!=|=|<|>|\(|\)|,)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_COMPARISONS: Final = {"=": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
#: Deeper is nobody's question, and recursion has its limits.
_DEPTH_MAX: Final = 50


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def parse(text: str) -> Node:
    """The tree of a predicate. Raises InvalidInput with the place of the mistake."""
    reader = _Reader(text, _tokens(text))
    node = reader.any_of(0)
    reader.end()
    return node


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _malformed(text, at, "a name, a value or a sign")
        kind = match.lastgroup
        found.append(_Token(kind, match[kind], match.start(kind)))
        at = match.end()
    return found


def _malformed(text: str, at: int, expected: str) -> RefusedError:
    return invalid_input(f"Malformed parameter: where: expected {expected} at position {at} of: {text}")


class _Reader:
    """Recursive descent over the tokens."""

    def __init__(self, text: str, tokens: Sequence[_Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._next = 0

    def end(self) -> None:
        if self._next < len(self._tokens):
            raise self._wrong("`and`, `or` or the end")

    def any_of(self, depth: int) -> Node:
        if depth > _DEPTH_MAX:
            raise self._wrong("less nesting")
        parts = [self._all_of(depth)]
        while self._word("or"):
            parts.append(self._all_of(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _all_of(self, depth: int) -> Node:
        parts = [self._one(depth)]
        while self._word("and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _one(self, depth: int) -> Node:
        if self._sign("("):
            return self._closed(depth)
        if self._word("not"):
            self._demand_sign("(")
            return Not(self._closed(depth))
        return self._about(self._field(), depth)

    def _closed(self, depth: int) -> Node:
        """The rest of what stands in parentheses."""
        inner = self.any_of(depth + 1)
        self._demand_sign(")")
        return inner

    def _about(self, field: str, depth: int) -> Node:
        if self._sign("("):
            return Nested(field, self._closed(depth))
        if operator := self._comparison():
            return Comparison(field, operator, (self._value(),))
        if self._word("is"):
            negation = "not " if self._word("not") else ""
            return Presence(field, negation + self._one_word("defined", "empty"))
        if self._word("contains"):
            return Comparison(field, f"contains {self._one_word('any', 'all')}", self._values())
        if self._word("not"):
            return Comparison(field, f"not {self._one_word('in')}", self._values())
        if self._word("in"):
            return Comparison(field, "in", self._values())
        raise self._wrong("`(`, `=`, `!=`, `<>`, `<`, `<=`, `>`, `>=`, `in`, `contains` or `is`")

    def _one_word(self, *words: str) -> str:
        for word in words:
            if self._word(word):
                return word
        raise self._wrong(" or ".join(f"`{word}`" for word in words))

    def _field(self) -> str:
        token = self._take({"word", "quoted"}, "a field name")
        return token.text.strip("`")

    def _values(self) -> tuple[Literal, ...]:
        token = self._peek()
        if token is not None and token.kind == "variable":
            return (self._value(),)
        self._demand_sign("(")
        values = [self._value()]
        while self._sign(","):
            values.append(self._value())
        self._demand_sign(")")
        return tuple(values)

    def _value(self) -> Literal:
        token = self._take({"string", "number", "variable", "word"}, "a value")
        if token.kind == "string":
            return _ESCAPE.sub(_unescape, token.text[1:-1])
        if token.kind == "number":
            return float(token.text) if "." in token.text else int(token.text)
        if token.kind == "variable":
            return Variable(token.text[1:])
        if token.text in {"true", "false"}:
            return token.text == "true"
        self._next -= 1
        raise self._wrong("a value; texts stand in double quotes")

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self, kinds: set[str], expected: str) -> _Token:
        token = self._peek()
        if token is None or token.kind not in kinds:
            raise self._wrong(expected)
        self._next += 1
        return token

    def _sign(self, sign: str) -> bool:
        return self._skip("sign", sign)

    def _comparison(self) -> str | None:
        token = self._peek()
        operator = _COMPARISONS.get(token.text) if token is not None and token.kind == "sign" else None
        self._next += operator is not None
        return operator

    def _word(self, word: str) -> bool:
        return self._skip("word", word)

    def _skip(self, kind: str, text: str) -> bool:
        if self._next >= len(self._tokens):
            return False
        token = self._tokens[self._next]
        if token.text != text or token.kind != kind:
            return False
        self._next += 1
        return True

    def _demand_sign(self, sign: str) -> None:
        if not self._sign(sign):
            raise self._wrong(f"`{sign}`")

    def _wrong(self, expected: str) -> RefusedError:
        token = self._peek()
        return _malformed(self._text, token.at if token else len(self._text), expected)


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    if len(code) > 1:
        return chr(int(code[1:], 16))
    return _ESCAPED.get(code, code)
