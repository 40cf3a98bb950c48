"""What every request goes through: a correlation id, a span, errors in the contract's shape, headers, and one log line.

Logs name the route, never the path: ids and secrets are in paths, queries, headers and bodies, and stay there.
"""

from __future__ import annotations

import asyncio
import json
import traceback
from itertools import chain
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from handlers import cors, headers, pages
from handlers.answers import Answer
from handlers.dependencies import Dependencies
from handlers.errors import Fault, Problem, body_of, is_known, problem_of
from handlers.routes import Handle
from psp.trace import span_for, within

_log = structlog.stdlib.get_logger(__name__)

_SECURITY: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    # Instead of aiohttp's, which tells its version and Python's.
    "Server": "ctpay",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

#: What the router itself refuses: status -> code and message.
_ROUTER: Final = {
    404: ("ResourceNotFound", "There is nothing at this address."),
    405: ("MethodNotAllowed", "This address does not take this method. The header Allow lists those it takes."),
}

_SERVER_FAULT: Final = 500

_JSON: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def bind(handle: Handle, dependencies: Dependencies) -> Handler:
    """The handler as aiohttp calls it."""

    async def call(request: web.Request) -> web.StreamResponse:
        answer = await handle(dependencies, request)
        return _response(answer) if isinstance(answer, Answer) else answer

    return call


def middleware(dependencies: Dependencies) -> Middleware:
    """The one middleware."""

    @web.middleware
    async def exchange(request: web.Request, handler: Handler) -> web.StreamResponse:
        begun = asyncio.get_running_loop().time()
        fresh = dependencies.new_id()
        span = span_for(headers.traceparent(request), unique=fresh)
        with within(span), structlog.contextvars.bound_contextvars(correlation_id=""):
            given = request.headers.get(headers.CORRELATION)
            headers.correlate(request, given if headers.is_correlation_id(given) else fresh)
            response = await _reply(request, handler)
            allowed = cors.reply_headers(request.headers.get("Origin"), dependencies.allowed_origins)
            # Others' routes in the same application may know better, for instance what may be cached.
            for name, value in chain(_SECURITY.items(), allowed.items()):
                response.headers.setdefault(name, value)
            response.headers[headers.CORRELATION] = headers.correlation_id(request)
            if dependencies.draining.begun:
                response.force_close()
            _log.info(
                "request.done",
                method=request.method,
                route=_route(request),
                status=response.status,
                duration_ms=round((asyncio.get_running_loop().time() - begun) * 1000, 1),
                correlation_id=headers.correlation_id(request),
            )
        return response

    return exchange


async def _reply(request: web.Request, handler: Handler) -> web.StreamResponse:
    refused = request.match_info.http_exception
    if isinstance(refused, web.HTTPMethodNotAllowed) and _is_preflight(request):
        return web.Response(status=204, headers=cors.preflight_headers(refused.allowed_methods))
    try:
        return await handler(request)
    except web.HTTPError as error:
        code, message = _ROUTER.get(error.status, ("General", error.reason))
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return _problem(
            request, Problem(status=error.status, faults=(Fault(code=code, message=message),), headers=allow)
        )
    except Exception as error:  # noqa: BLE001 - the outermost place of a request; what is unknown becomes a 500
        problem = problem_of(error)
        if problem.status >= _SERVER_FAULT:
            _log_fault(error)
        return _problem(request, problem)


def _is_preflight(request: web.Request) -> bool:
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return "unmatched" if resource is None else resource.canonical


def _log_fault(error: Exception) -> None:
    # The message of an exception that is not ours may quote what the caller sent: the places will do.
    places = [f"{frame.name} at {frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    told = {"reason": str(error)} if is_known(error) else {"exception": "; ".join(places)}
    _log.error("request.failed", type=type(error).__name__, **told)


def _problem(request: web.Request, problem: Problem) -> web.Response:
    if pages.is_wanted(request.headers.get("Accept", "")):
        languages = request.headers.get("Accept-Language", "")
        return pages.problem_page(problem, languages=languages, correlation_id=headers.correlation_id(request))
    return _response(Answer(status=problem.status, body=body_of(problem), headers=problem.headers))


def _response(answer: Answer) -> web.Response:
    if answer.body is None:
        return web.Response(status=answer.status, headers=answer.headers)
    body = _JSON.encode(answer.body.document()).encode()
    return web.Response(status=answer.status, body=body, content_type="application/json", headers=answer.headers)
