"""A server on loopback that answers from a script, records what it was asked, and can be slow or hang up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer


@dataclass(kw_only=True)
class Asked:
    """One request, as it came over the wire."""

    method: str
    #: With everything that was escaped still escaped.
    raw_path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: str


Answer = Callable[[Asked], Awaitable[web.StreamResponse]]


@dataclass(kw_only=True)
class Scripted:
    """Answers by path; each path has a list of answers, and the last of them repeats."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    script: dict[str, list[Answer]] = field(default_factory=dict)

    def on(self, path: str, *answers: Answer) -> None:
        self.script[path] = list(answers)

    def of(self, path: str) -> list[Asked]:
        return [one for one in self.asked if one.raw_path.partition("?")[0] == path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(
            method=request.method,
            raw_path=request.raw_path,
            query=list(request.query.items()),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=(await request.read()).decode(),
        )
        self.asked.append(asked)
        answers = self.script.get(request.raw_path.partition("?")[0])
        if not answers:
            absent = {"code": "ResourceNotFound", "message": "not scripted"}
            return web.json_response({"statusCode": 404, "message": "not scripted", "errors": [absent]}, status=404)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return await answer(asked)


def json(document: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    async def answer(asked: Asked) -> web.StreamResponse:
        return web.json_response(document, status=status, headers=headers)

    return answer


def text(body: str, *, status: int = 200) -> Answer:
    async def answer(asked: Asked) -> web.StreamResponse:
        return web.Response(text=body, status=status)

    return answer


def error(status: int, code: str, *, headers: dict[str, str] | None = None, **more: str) -> Answer:
    """An error as commercetools says it."""
    message = more.pop("message", f"about {code}")
    document = {"statusCode": status, "message": message, "errors": [{"code": code, "message": message, **more}]}
    return json(document, status=status, headers=headers)


def hanging() -> Answer:
    """Never answers; the client's time limit ends it."""

    async def answer(asked: Asked) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    return answer


def after(gate: asyncio.Event, then: Answer) -> Answer:
    """Answers when the gate is opened."""

    async def answer(asked: Asked) -> web.StreamResponse:
        await gate.wait()
        return await then(asked)

    return answer


def hanging_up() -> Answer:
    """Closes the connection instead of answering."""

    async def answer(asked: Asked) -> web.StreamResponse:
        raise _HangUpError

    return answer


class _HangUpError(Exception):
    """Tells the middleware to close the connection."""


@web.middleware
async def _hang_up(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]):
    try:
        return await handler(request)
    except _HangUpError:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()


@asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    """A running server on a port of its own."""
    script = Scripted()
    app = web.Application(middlewares=[_hang_up])
    app.router.add_route("*", "/{tail:.*}", script.handle)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0.0)
    script.url = str(server.make_url("")).rstrip("/")
    try:
        yield script
    finally:
        await server.close()
