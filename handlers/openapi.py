"""The OpenAPI 3.1 document of our routes: generated from the table of routes and from the models that it names. Pure.

What requests are validated by and replies are built of is what is published, so the two cannot drift apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final, TypeAlias

from aiohttp import hdrs, web
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from handlers import headers, requests
from handlers.dependencies import Dependencies
from handlers.routes import Access, Option, Route
from handlers.shapes import ErrorReply

Routes: TypeAlias = Mapping[tuple[str, str], Route]
_Part: TypeAlias = dict[str, object]

PATH: Final = "/openapi.json"

_JSON: Final = "application/json"
_VARIABLE: Final = re.compile(r"\{(\w+)\}")

#: How a caller proves itself -> the document's name for it and what it is there.
_SCHEMES: Final[Mapping[Access, tuple[str, _Part]]] = {
    Access.SESSION: (
        "session",
        {
            "type": "apiKey",
            "in": "header",
            "name": headers.SESSION,
            "description": "The id of an active checkout session.",
        },
    ),
    Access.PROGRAM: (
        "program",
        {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token of commercetools with one of the named scopes for the whole project.",
        },
    ),
    Access.MERCHANT: (
        "merchant",
        {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A token of the Merchant Center.",
        },
    ),
}

#: Errors by how a caller proves itself.
_ERRORS: Final[Mapping[Access, frozenset[int]]] = {
    Access.SESSION: frozenset({400, 401, 429, 500, 503}),
    Access.PROGRAM: frozenset({400, 401, 403, 429, 500, 503}),
    Access.MERCHANT: frozenset({400, 401, 429, 500, 503}),
    Access.SIGNED: frozenset({400, 401, 408, 413, 500, 503}),
    Access.OPEN: frozenset({500}),
}
#: Of whatever takes a body, and of whatever names something in its path.
_BODY_ERRORS: Final = frozenset({408, 413})
_PATH_ERRORS: Final = frozenset({404})
#: Of an Idempotency-Key that was used for something else.
_KEY_ERRORS: Final = frozenset({422})

_DESCRIPTIONS: Final[Mapping[int, str]] = {
    200: "Done; the body says what came of it.",
    201: "Taken in; the body says what came of it.",
    202: "Accepted, and not known yet how it ends. Where there is more to learn, `Location` has the address to ask at.",
    303: "The shopper goes on to the shop, with `paymentReference` and `outcome` in the address.",
    400: "The request is wrong, or our law forbids what it asks.",
    401: "The caller is not known.",
    403: "The caller is known and may not do this.",
    404: "There is nothing of this name.",
    408: "The body came too slowly.",
    413: "The body is too large.",
    422: "The Idempotency-Key was used for another request.",
    429: "The caller calls too often. `Retry-After` says how long to wait.",
    500: "Something went wrong here.",
    503: "The bus or commercetools cannot be reached, so nothing was done.",
}

#: What every reply bears.
_REPLY_HEADERS: Final[_Part] = {
    headers.CORRELATION: {
        "description": "The request's correlation id, as in our logs and in commercetools'.",
        "schema": {"type": "string"},
    }
}
_STATUS_HEADERS: Final[Mapping[int, _Part]] = {
    202: {"Location": {"schema": {"type": "string"}}},
    303: {"Location": {"schema": {"type": "string"}}},
    429: {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}},
    503: {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}},
}

_OPTIONS: Final[Mapping[Option, _Part]] = {
    Option.IDEMPOTENCY_KEY: {
        "name": headers.IDEMPOTENCY,
        "in": "header",
        "description": "A request that is repeated with the same key is carried out once and answered alike.",
        "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
    },
    Option.PREFER: {
        "name": "Prefer",
        "in": "header",
        "description": "How many seconds the answer may wait for the result (RFC 7240).",
        "schema": {"type": "string", "examples": ["wait=10"]},
    },
}
_CORRELATION: Final[_Part] = {
    "name": headers.CORRELATION,
    "in": "header",
    "description": "Ties together what belongs together; one that is no such id is replaced.",
    "schema": {"type": "string"},
}
_STATE: Final[_Part] = {
    "name": "state",
    "in": "query",
    "required": True,
    "description": "Names the payment, signed by us. What the PSP adds stands beside.",
    "schema": {"type": "string"},
}


def with_document(routes: Routes, *, server_url: str, version: str) -> Routes:
    """The routes, and one more that serves the document of all of them."""

    async def show(_dependencies: Dependencies, _request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=_JSON, headers={"Cache-Control": "public, max-age=300"})

    summary = "Describe these routes."
    own = Route(handle=show, name="getDocument", summary=summary, access=Access.OPEN, replies={200: None})
    every = {**routes, (hdrs.METH_GET, PATH): own}
    body = json.dumps(document(every, server_url=server_url, version=version), separators=(",", ":")).encode()
    return every


def document(routes: Routes, *, server_url: str, version: str) -> _Part:
    """The document."""
    schemas = _schemas(routes)
    paths: dict[str, _Part] = {}
    for (method, path), route in routes.items():
        paths.setdefault(path, {})[method.lower()] = _operation(path, route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "ctpay", "version": version, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": server_url}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": dict(_SCHEMES.values())},
    }


def _operation(path: str, route: Route) -> _Part:
    operation: _Part = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": _parameters(path, route),
        "responses": {
            str(status): _response(path, status, route) for status in sorted({*route.replies, *_errors(path, route)})
        },
        "security": [{_SCHEMES[route.access][0]: list(route.authorities)}] if route.access in _SCHEMES else [],
    }
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": _ref(route.body)}}}
    return operation


def _parameters(path: str, route: Route) -> list[_Part]:
    named: list[_Part] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": requests.ID_PATTERN}}
        for name in _VARIABLE.findall(path)
    ]
    state = [_STATE] if path.endswith("/return") else []
    return [*named, *state, _CORRELATION, *(_OPTIONS[one] for one in Option if one in route.options)]


def _errors(path: str, route: Route) -> frozenset[int]:
    found = _ERRORS[route.access]
    if route.body is not None:
        found |= _BODY_ERRORS
    if _VARIABLE.search(path):
        found |= _PATH_ERRORS
    if Option.IDEMPOTENCY_KEY in route.options:
        found |= _KEY_ERRORS
    return found


def _response(path: str, status: int, route: Route) -> _Part:
    # A status can mean both: that the connector is not well, and that it could not be asked.
    models = [route.replies.get(status, ErrorReply)]
    if status in route.replies and status in _errors(path, route):
        models.append(ErrorReply)
    schemas: list[_Part] = [_ref(model) for model in models if model is not None]
    response: _Part = {
        "description": _DESCRIPTIONS[status],
        "headers": _REPLY_HEADERS | _STATUS_HEADERS.get(status, {}),
    }
    if schemas:
        response["content"] = {_JSON: {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}}
    return response


def _ref(model: type[BaseModel]) -> _Part:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _schemas(routes: Routes) -> _Part:
    taken: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        (one.body, "validation") for one in routes.values() if one.body
    ]
    given: set[type[BaseModel]] = {ErrorReply}
    given.update(reply for one in routes.values() for reply in one.replies.values() if reply)
    replied: list[tuple[type[BaseModel], JsonSchemaMode]] = [(one, "serialization") for one in given]
    _, found = models_json_schema([*taken, *replied], ref_template="#/components/schemas/{model}")
    for schema in found["$defs"].values():
        for field in schema.get("properties", {}).values():
            # Made of the field's name, so it says nothing more.
            field.pop("title", None)
    return dict(sorted(found["$defs"].items()))
