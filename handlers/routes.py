"""One route of the ingress as data: what answers, who may call, what goes in and what comes out.

The router is built of these, and so is the OpenAPI document; a route that is not written down so does not exist.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from aiohttp import web
from pydantic import BaseModel

from handlers.answers import Answer
from handlers.dependencies import Dependencies

#: A handler of ours: from a request to an answer, or an exception from the table in `handlers.errors`.
Handle: TypeAlias = Callable[[Dependencies, web.Request], Awaitable[Answer | web.Response]]


class Access(enum.Enum):
    """How a caller proves that it may call."""

    #: A shopper, by a checkout session.
    SESSION = enum.auto()
    #: A program, by an access token of commercetools with one of the route's authorities.
    PROGRAM = enum.auto()
    #: A person in the Merchant Center, by a signed token.
    MERCHANT = enum.auto()
    #: What is sent is signed itself: a webhook, the state in a return URL.
    SIGNED = enum.auto()
    #: Anybody; it tells nothing of anybody.
    OPEN = enum.auto()


class Option(enum.Enum):
    """A header that a caller may send."""

    #: Repeating a request with the same key repeats its answer.
    IDEMPOTENCY_KEY = enum.auto()
    #: How long the answer may wait for the result.
    PREFER = enum.auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """Everything about one method on one path but those two."""

    handle: Handle
    #: For programs that are generated from the document.
    name: str
    #: In the imperative, for the document.
    summary: str
    access: Access
    #: Of which a program needs one.
    authorities: tuple[str, ...] = ()
    #: What the JSON body is read as; None: there is none.
    body: type[BaseModel] | None = None
    #: Status -> what the JSON body is built of; None: a body that is no JSON of ours, or no body. Errors besides.
    replies: Mapping[int, type[BaseModel] | None] = field(default_factory=dict)
    options: frozenset[Option] = frozenset()
