"""How the application is served: nothing of a request is logged but what `handlers.exchange` logs."""

from __future__ import annotations

import logging
from typing import Final

import structlog
from aiohttp import web

_log = structlog.stdlib.get_logger(__name__)

#: Seconds for which what is left of a refused body is read and dropped, so that the caller gets to read the refusal.
_LINGER_S: Final = 2.0


class _ServerLogger(logging.Logger):
    """What aiohttp has to say of requests that are not HTTP. It quotes them, so only the kind of fault is told."""

    def handle(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0] if record.exc_info else None
        _log.warning("http.failed", type=kind.__name__ if kind else "unknown")


def make_runner(app: web.Application, *, shutdown_s: float) -> web.AppRunner:
    """The runner for the application. Requests in hand get `shutdown_s` seconds at its cleanup.

    To stop: `draining.begin()`, a moment for the load balancer, `replies.close()`, and `runner.cleanup()`.
    """
    return web.AppRunner(
        app,
        access_log=None,
        # Signatures are over the bytes as sent, and nobody inflates what was not asked for.
        auto_decompress=False,
        lingering_time=_LINGER_S,
        logger=_ServerLogger(__name__, level=logging.WARNING),
        shutdown_timeout=shutdown_s,
    )
