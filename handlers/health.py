"""Health: whether the process runs, and whether it should get requests."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog
from aiohttp import web

from handlers.answers import Answer
from handlers.dependencies import Check, Dependencies
from handlers.shapes import LiveReply, ReadyReply

_log = structlog.stdlib.get_logger(__name__)


async def live(_dependencies: Dependencies, _request: web.Request) -> Answer:
    """GET /health/live: 200 as long as the loop turns."""
    return Answer(status=200, body=LiveReply(status="live"))


async def ready(dependencies: Dependencies, _request: web.Request) -> Answer:
    """GET /health/ready: 200, or 503 with the names of what is not fine. The reasons are in the log."""
    if dependencies.draining.begun:
        return Answer(status=503, body=ReadyReply(status="draining", failed=[]))
    failed = await _failed(dependencies.checks, time_s_max=dependencies.limits.check_s_max)
    if failed:
        return Answer(status=503, body=ReadyReply(status="not ready", failed=failed))
    return Answer(status=200, body=ReadyReply(status="ready"))


async def _failed(checks: Mapping[str, Check], *, time_s_max: float) -> list[str]:
    reasons = await run(checks, time_s_max=time_s_max)
    failed = {name: reason for name, reason in reasons.items() if reason is not None}
    for name, reason in failed.items():
        _log.warning("ready.check_failed", name=name, reason=reason)
    return list(failed)


async def run(checks: Mapping[str, Check], *, time_s_max: float) -> dict[str, str | None]:
    """Name -> why it failed or took too long, for the log; None: it is fine. All run at once."""
    reasons = await asyncio.gather(*(_run(check, time_s_max) for check in checks.values()))
    return dict(zip(checks, reasons, strict=True))


async def _run(check: Check, time_s_max: float) -> str | None:
    try:
        async with asyncio.timeout(time_s_max):
            return await check()
    except TimeoutError:
        return f"no answer within {time_s_max:g} s"
    except Exception as error:  # noqa: BLE001 - whatever a check raises, the answer is "not ready"
        return f"{type(error).__name__} was raised"
