"""Checks for what comes in from outside: each takes a value and where it stands, and gives the value as it is stored.

A missing value is a RequiredField, a value of the wrong JSON type an InvalidJsonInput, one that is not allowed an
InvalidField. `null` counts as absent. Fields that the platform does not document are refused: it would ignore them
without a word, and the mistake would be found in production.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from sandbox.commercetools.currencies import FRACTION_DIGITS
from sandbox.commercetools.documents import Document, timestamp
from sandbox.commercetools.errors import invalid_field, invalid_json, required

#: (value, where) -> the value as it is stored.
Check: TypeAlias = Callable[[object, str], Any]

_INT64_MAX: Final = 2**63 - 1
_LOCALE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z]{4})?(-[A-Z]{2}|-[0-9]{3})?")


def _join(where: str, name: str | int) -> str:
    return f"{where}.{name}" if where else str(name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """An object with these fields and no others."""

    required: Mapping[str, Check] = field(default_factory=dict)
    optional: Mapping[str, Check] = field(default_factory=dict)
    #: Documented fields that this stand-in does not know.
    beyond: Collection[str] = ()

    def __call__(self, value: object, where: str = "") -> Document:
        given = {name: inner for name, inner in mapping(value, where).items() if inner is not None}
        for name, inner in given.items():
            if name in self.beyond:
                raise invalid_field(_join(where, name), inner, "this stand-in does not support the field.")
            if name not in self.required and name not in self.optional:
                raise invalid_json(f"{_join(where, name)}: commercetools does not know this field.")
        for name in self.required:
            if name not in given:
                raise required(_join(where, name))
        return {
            name: (self.required.get(name) or self.optional[name])(inner, _join(where, name))
            for name, inner in given.items()
        }


def mapping(value: object, where: str) -> Document:
    if not isinstance(value, dict):
        raise invalid_json(f"{where or 'body'}: an object is expected.")
    return value


def text(*, low: int = 0, high: int | None = None, pattern: str | None = None) -> Check:
    compiled = re.compile(pattern) if pattern else None

    def check(value: object, where: str) -> str:
        if not isinstance(value, str):
            raise invalid_json(f"{where}: a string is expected.")
        if len(value) < low or (high is not None and len(value) > high):
            raise invalid_field(where, value, f"its length must be between {low} and {high}.")
        if compiled is not None and compiled.fullmatch(value) is None:
            raise invalid_field(where, value, f"it must match {pattern}.")
        return value

    return check


#: A user-defined key.
KEY: Final = text(low=2, high=256, pattern="[A-Za-z0-9_-]+")
ANY_TEXT: Final = text()
NAME: Final = text(low=1)


def whole(*, low: int = -_INT64_MAX, high: int = _INT64_MAX) -> Check:
    def check(value: object, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise invalid_json(f"{where}: a whole number is expected.")
        if not low <= value <= high:
            raise invalid_field(where, value, f"it must be between {low} and {high}.")
        return value

    return check


def number(value: object, where: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid_json(f"{where}: a number is expected.")
    return value


def boolean(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise invalid_json(f"{where}: true or false is expected.")
    return value


def one_of(*allowed: str) -> Check:
    def check(value: object, where: str) -> str:
        if not isinstance(value, str):
            raise invalid_json(f"{where}: a string is expected.")
        if value not in allowed:
            raise invalid_field(where, value, f"it must be one of {', '.join(allowed)}.", allowed=list(allowed))
        return value

    return check


def array(of: Check, *, low: int = 0) -> Check:
    def check(value: object, where: str) -> list[Any]:
        if not isinstance(value, list):
            raise invalid_json(f"{where}: an array is expected.")
        if len(value) < low:
            raise invalid_field(where, value, f"at least {low} must be given.")
        return [of(inner, f"{where}[{index}]") for index, inner in enumerate(value)]

    return check


def moment(value: object, where: str) -> str:
    """A point in time with an offset, stored in UTC with milliseconds."""
    if not isinstance(value, str):
        raise invalid_json(f"{where}: a string is expected.")
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise invalid_json(f"{where}: an ISO 8601 date and time is expected.") from None
    if "T" not in value:
        raise invalid_json(f"{where}: a date and time with `T` between them is expected.")
    return timestamp(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))


def localized(value: object, where: str) -> dict[str, str]:
    """Texts by locale."""
    texts = mapping(value, where)
    for locale, inner in texts.items():
        if _LOCALE.fullmatch(locale) is None:
            raise invalid_field(where, locale, "it is not a locale.")
        if not isinstance(inner, str):
            raise invalid_json(f"{_join(where, locale)}: a string is expected.")
    return dict(texts)


_MONEY: Final = Shape(
    required={"centAmount": whole(), "currencyCode": ANY_TEXT},
    optional={"type": one_of("centPrecision", "highPrecision"), "fractionDigits": whole(low=0, high=20)},
    beyond=("preciseAmount",),
)


def money(value: object, where: str) -> Document:
    """Money in minor units; type and fraction digits are filled in. High precision is refused, as Payments do."""
    given = _MONEY(value, where)
    digits = FRACTION_DIGITS.get(given["currencyCode"])
    if digits is None:
        raise invalid_field(_join(where, "currencyCode"), given["currencyCode"], "it is not a currency of ISO 4217.")
    if given.get("type", "centPrecision") != "centPrecision":
        raise invalid_field(_join(where, "type"), given["type"], "only cent precision is possible here.")
    if given.get("fractionDigits", digits) != digits:
        raise invalid_field(_join(where, "fractionDigits"), given["fractionDigits"], f"the currency has {digits}.")
    return {
        "type": "centPrecision",
        "currencyCode": given["currencyCode"],
        "centAmount": given["centAmount"],
        "fractionDigits": digits,
    }


def identifier(type_id: str) -> Check:
    """A reference by id or by key, not resolved yet."""
    shape = Shape(optional={"typeId": one_of(type_id), "id": NAME, "key": NAME})

    def check(value: object, where: str) -> Document:
        given = shape(value, where)
        if ("id" in given) == ("key" in given):
            raise invalid_json(f"{where}: either `id` or `key` is expected.")
        return {"typeId": type_id, **given}

    return check


def anything(value: object, _where: str) -> object:
    return value


#: Custom fields as a draft has them; `fields.resolve` makes them what is stored.
CUSTOM: Final = Shape(required={"type": identifier("type")}, optional={"fields": mapping})
