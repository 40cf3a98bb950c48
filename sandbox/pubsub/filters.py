"""The filter language of subscriptions: expressions over a message's attributes.

    attributes:key              attributes.key = "value"       hasPrefix(attributes.key, "start")
    NOT x  or  -x               attributes.key != "value"      x AND y AND z    x OR y    (x)

AND and OR mix only with parentheses, as in the service. `!=` holds for a message without the attribute. A key with
other characters than letters, digits, `_` and `-` is written as a string. What cannot be read is refused, never
ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from sandbox.pubsub.errors import RefusedError, invalid

FILTER_BYTES_MAX: Final = 256

Predicate: TypeAlias = Callable[[Mapping[str, str]], bool]

_TOKEN: Final = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|([A-Za-z0-9_][A-Za-z0-9_-]*)|(!=|[-=:.,()])|(\S))')
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([0-7]{3})|(.))")
_LETTERS: Final = {"n": "\n", "r": "\r", "t": "\t"}
_END: Final = ""


def compiled(text: str) -> Predicate:
    """The filter as a function of the attributes; an empty one lets everything through. Raises RefusedError."""
    if len(text.encode()) > FILTER_BYTES_MAX:
        raise invalid(f"The filter has more than {FILTER_BYTES_MAX} bytes. Shorten it.")
    if not text.strip():
        return lambda _: True
    return _Parser(text).whole()


def _literal(token: str) -> str:
    def plain(found: re.Match[str]) -> str:
        four, two, octal, letter = found.groups()
        if octal:
            return chr(int(octal, 8))
        return chr(int(four or two, 16)) if four or two else _LETTERS.get(letter, letter)

    return _ESCAPE.sub(plain, token[1:-1])


class _Parser:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, text: str) -> None:
        self._tokens = [found.group().strip() for found in _TOKEN.finditer(text.rstrip())]
        self._at = 0

    def whole(self) -> Predicate:
        found = self._expression()
        if self._next != _END:
            raise self._fault("AND or OR, and parentheses where both are used")
        return found

    def _expression(self) -> Predicate:
        first = self._term()
        operator = self._next
        if operator not in {"AND", "OR"}:
            return first
        terms = [first]
        while self._skip(operator):
            terms.append(self._term())
        together = all if operator == "AND" else any
        return lambda attributes: together(term(attributes) for term in terms)

    def _term(self) -> Predicate:
        if self._skip("NOT") or self._skip("-"):
            denied = self._term()
            return lambda attributes: not denied(attributes)
        if self._skip("("):
            inner = self._expression()
            self._need(")")
            return inner
        if self._skip("hasPrefix"):
            return self._prefix()
        return self._comparison()

    def _prefix(self) -> Predicate:
        self._need("(")
        self._need("attributes")
        self._need(".")
        key = self._key()
        self._need(",")
        start = self._string()
        self._need(")")
        return lambda attributes: key in attributes and attributes[key].startswith(start)

    def _comparison(self) -> Predicate:
        self._need("attributes")
        if self._skip(":"):
            present = self._key()
            return lambda attributes: present in attributes
        self._need(".")
        key = self._key()
        if self._skip("="):
            wanted = self._string()
            return lambda attributes: attributes.get(key) == wanted
        self._need("!=")
        unwanted = self._string()
        return lambda attributes: attributes.get(key) != unwanted

    def _key(self) -> str:
        token = self._next
        if token.startswith('"'):
            return self._string()
        if not re.match(r"\w", token):
            raise self._fault("an attribute's key")
        self._at += 1
        return token

    def _string(self) -> str:
        token = self._next
        if len(token) < len('""') or not token.startswith('"'):
            raise self._fault("a string in double quotes")
        self._at += 1
        return _literal(token)

    @property
    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else _END

    def _skip(self, token: str) -> bool:
        found = self._next == token
        self._at += found
        return found

    def _need(self, token: str) -> None:
        if not self._skip(token):
            raise self._fault(f"`{token}`")

    def _fault(self, wanted: str) -> RefusedError:
        found = f"`{self._next}`" if self._next else "its end"
        return invalid(f"The filter cannot be read at {found} (token {self._at + 1}): it needs {wanted} there.")
