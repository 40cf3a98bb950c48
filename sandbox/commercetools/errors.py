"""The platform's refusals, each in the shape that its API documents.

One exception for all of them, since there is one reaction: answer `status` with `body`.
"""

from __future__ import annotations

from http import HTTPStatus

from sandbox.commercetools.documents import Document, drop_none


class RefusedError(Exception):
    """The request is answered with an error and has had no effect."""

    def __init__(self, status: int, code: str, message: str, **more: object) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = int(status)
        self.code = code
        self.message = message
        self.more = more

    @property
    def body(self) -> Document:
        """The platform's error body: the first error's message is repeated at the top."""
        error = {"code": self.code, "message": self.message, **self.more}
        return {"statusCode": self.status, "message": self.message, "errors": [error]}


def bad(code: str, message: str, **more: object) -> RefusedError:
    """400, with a code that has no field of its own."""
    return RefusedError(HTTPStatus.BAD_REQUEST, code, message, **more)


def invalid_json(detail: str) -> RefusedError:
    """The body is not JSON, or not of the documented types."""
    return bad("InvalidJsonInput", "Request body does not contain valid JSON.", detailedErrorMessage=detail)


def required(field: str) -> RefusedError:
    return bad("RequiredField", f"A value is required for field '{field}'.", field=field)


def invalid_field(field: str, value: object, reason: str, *, allowed: list[str] | None = None) -> RefusedError:
    more = drop_none({"field": field, "invalidValue": value, "allowedValues": allowed})
    more.setdefault("invalidValue", value)
    return bad("InvalidField", f"The value of field '{field}' is not valid: {reason}", **more)


def invalid_operation(message: str) -> RefusedError:
    return bad("InvalidOperation", message)


def invalid_input(message: str) -> RefusedError:
    return bad("InvalidInput", message)


def duplicate(field: str, value: object, *, type_id: str, holder: str) -> RefusedError:
    """`holder`: the id of the resource that has the value already."""
    return bad(
        "DuplicateField",
        f"A duplicate value '{value}' exists for field '{field}'.",
        field=field,
        duplicateValue=value,
        conflictingResource={"typeId": type_id, "id": holder},
    )


def reference_not_found(type_id: str, *, resource_id: str | None, key: str | None) -> RefusedError:
    named = f"id '{resource_id}'" if resource_id is not None else f"key '{key}'"
    more = drop_none({"typeId": type_id, "id": resource_id, "key": key})
    return bad(
        "ReferencedResourceNotFound",
        f"The referenced object of type '{type_id}' with {named} was not found.",
        **more,
    )


def not_found(what: str) -> RefusedError:
    return RefusedError(HTTPStatus.NOT_FOUND, "ResourceNotFound", f"The Resource with {what} was not found.")


def conflict(resource_id: str, *, expected: int, actual: int) -> RefusedError:
    """Somebody else has written since the caller read."""
    return RefusedError(
        HTTPStatus.CONFLICT,
        "ConcurrentModification",
        f"Object {resource_id} has a different version than expected. Expected: {expected} - Actual: {actual}.",
        currentVersion=actual,
    )
