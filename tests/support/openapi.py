"""Validates values against the official OpenAPI file of commercetools, more strictly than plain JSON Schema would.

The file writes inheritance as `allOf` of a base that has a `discriminator` and no `oneOf`. Here a schema is flattened
(its bases' fields and its own are one object), an object has no other fields than those, and a value of a base with a
discriminator must be of one of the types that the discriminator's mapping names. Schemas that were trimmed from the
file allow anything.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker

SPEC: Final = Path(__file__).parent.parent / "specs" / "commercetools.openapi.json"
_PREFIX: Final = "#/components/schemas/"
#: Bases whose values may be of the base itself: money comes plain in drafts, and typed in what is stored.
_OPEN_BASES: Final = {"Money": ("type", "fractionDigits", "preciseAmount")}
#: What the official file means by "further fields of any name" (and of any kind, whatever it says of the kind).
_ANY_NAME: Final = "//"
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z")

_formats: Final = FormatChecker(formats=())


@_formats.checks("datetime")
def _is_time(value: object) -> bool:
    """As the platform writes it: UTC, milliseconds."""
    return not isinstance(value, str) or _TIME.fullmatch(value) is not None


class SchemaError(AssertionError):
    """The value is not what the official file says. The message names the places."""


def validate(schema_name: str, value: object) -> None:
    """Raise SchemaError where the value is not exactly of the schema."""
    _demand(_validator(schema_name), schema_name, value)


def validate_message(payload: dict[str, Any]) -> None:
    """A message as it is delivered: the fields of all deliveries, and those of its own type."""
    _demand(_message_validator(payload["type"]), payload["type"], payload)


def validate_reply(method: str, path: str, status: int, body: object) -> None:
    """The body of a reply to an operation, `path` as it was requested; errors are ErrorResponses."""
    validate(reply_schema(method, path, status), body)


@cache
def reply_schema(method: str, path: str, status: int) -> str:
    """The name of the schema that an operation answers with. Raises KeyError where the file has no such operation."""
    if status >= 400:
        return "ErrorResponse"
    for template, operations in spec()["paths"].items():
        pattern = re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in operations:
            content = operations[method.lower()]["responses"][str(status)]["content"]
            return content["application/json"]["schema"]["$ref"].removeprefix(_PREFIX)
    raise KeyError(f"{method} {path}")


@cache
def spec() -> dict[str, Any]:
    """The file, parsed."""
    return json.loads(SPEC.read_text())


def _demand(validator: Draft202012Validator, name: str, value: object) -> None:
    faults = sorted(validator.iter_errors(value), key=lambda fault: list(map(str, fault.path)))
    if faults:
        listed = "\n".join(f"  {fault.json_path}: {fault.message[:300]}" for fault in faults[:10])
        raise SchemaError(f"not a {name} of the official file:\n{listed}\n{json.dumps(value)[:1000]}")


@cache
def _validator(name: str) -> Draft202012Validator:
    if name not in spec()["components"]["schemas"]:
        raise KeyError(f"The trimmed file has no schema '{name}'. Add it to the roots of the trimming script.")
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": _definitions()}, format_checker=_formats)


@cache
def _message_validator(message_type: str) -> Draft202012Validator:
    mapping = spec()["components"]["schemas"]["MessagePayload"]["discriminator"]["mapping"]
    if message_type not in mapping:
        raise SchemaError(f"'{message_type}' is not a message of the (trimmed) official file.")
    both = _merged([_flat("MessageDeliveryPayload"), _flat(mapping[message_type].removeprefix(_PREFIX))])
    return Draft202012Validator({**_closed(both), "$defs": _definitions()}, format_checker=_formats)


@cache
def _definitions() -> dict[str, Any]:
    schemas = spec()["components"]["schemas"]
    definitions = {name: _definition(name) for name in schemas}
    # A base stands for its heirs wherever it is named; its own fields live on in them.
    return {name: _heirs(name) or definition for name, definition in definitions.items()} | {
        f"{name}!": definition for name, definition in definitions.items()
    }


def _discriminator(name: str) -> dict[str, Any] | None:
    """The discriminator that a schema itself introduces."""
    schema = spec()["components"]["schemas"][name]
    return next((part["discriminator"] for part in (schema, *schema.get("allOf", ())) if "discriminator" in part), None)


def _heirs(name: str) -> dict[str, Any] | None:
    """For a base with a discriminator: one of the types that the mapping names."""
    discriminator = _discriminator(name)
    if not discriminator or not discriminator.get("mapping"):
        return None
    field = discriminator["propertyName"]
    branches = [
        {
            "if": {"properties": {field: {"const": key}}, "required": [field]},
            "then": {"$ref": f"#/$defs/{heir.removeprefix(_PREFIX)}!"},
        }
        for key, heir in discriminator["mapping"].items()
    ]
    known = {"type": "object", "properties": {field: {"enum": list(discriminator["mapping"])}}, "required": [field]}
    return {**known, "allOf": branches}


def _definition(name: str) -> dict[str, Any]:
    schema = spec()["components"]["schemas"][name]
    if schema.get("x-trimmed"):
        return {}
    if "properties" not in schema and "allOf" not in schema:
        return _plain(schema)
    return _closed(_flat(name))


def _flat(name: str) -> dict[str, Any]:
    """A schema with the fields of all that it inherits from."""
    schema = spec()["components"]["schemas"][name]
    parts = [
        _flat(part["$ref"].removeprefix(_PREFIX)) if "$ref" in part else _own(part) for part in schema.get("allOf", ())
    ]
    flat = _merged([*parts, _own(schema)])
    flat["properties"] = {**{extra: {} for extra in _OPEN_BASES.get(name, ())}, **flat["properties"]}
    return flat


def _own(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "properties": {name: _plain(inner) for name, inner in schema.get("properties", {}).items()},
        "required": [name for name in schema.get("required", ()) if name != _ANY_NAME],
        "open": _ANY_NAME in schema.get("required", ()),
    }


def _merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "properties": {name: inner for part in parts for name, inner in part["properties"].items()},
        "required": [name for part in parts for name in part["required"]],
        "open": any(part["open"] for part in parts),
    }


def _closed(flat: dict[str, Any]) -> dict[str, Any]:
    closed = {"type": "object", "properties": flat["properties"], "required": sorted(set(flat["required"]))}
    return closed if flat["open"] else {**closed, "additionalProperties": False}


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema that inherits nothing, as JSON Schema. A required field in slashes is a pattern of names."""
    plain = {key: inner for key, inner in schema.items() if key not in {"required", "discriminator", "items", "$ref"}}
    if "$ref" in schema:
        plain["$ref"] = schema["$ref"].replace(_PREFIX, "#/$defs/")
    if "items" in schema:
        plain["items"] = _plain(schema["items"])
    for name in schema.get("required", ()):
        if name.startswith("/"):
            plain["propertyNames"] = {"pattern": name.strip("/")}
            # The file says of the values of custom fields that they are texts; its prose says that they are anything.
            if schema is spec()["components"]["schemas"].get("FieldContainer"):
                plain.pop("additionalProperties", None)
    if "allOf" in schema or "properties" in schema:
        raise NotImplementedError("The official file has no nested objects without a name; now it has.")
    return plain
