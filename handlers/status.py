"""The connector's status, for the Merchant Center: as true in the status code as in the body.

Reasons are in the log alone: what commercetools and the PSP say of our credentials and scopes is nobody's business.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import structlog
from aiohttp import web

from handlers import callers, health
from handlers.answers import Answer
from handlers.dependencies import Check, Dependencies
from handlers.shapes import CheckReply, Health, StatusMetadata, StatusReply

_log = structlog.stdlib.get_logger(__name__)

_WHERE: Final = "The connector's log names the reason, under status.check_failed."
_ABOUT: Final = StatusMetadata(
    name="ctpay", description="Payment connector between commercetools and payment service providers."
)
#: A connector of which a part works is asked on; the body says which part does not.
_STATUSES: Final = {Health.OK: 200, Health.PARTIAL: 200, Health.UNAVAILABLE: 503}


async def show(dependencies: Dependencies, request: web.Request) -> Answer:
    """GET /operations/status."""
    await callers.merchant(dependencies, request)
    checks = {**dependencies.status_checks, f"{dependencies.reads.name} API": _psp_check(dependencies)}
    reasons = await health.run(checks, time_s_max=dependencies.limits.check_s_max)
    for name, reason in reasons.items():
        if reason is not None:
            _log.warning("status.check_failed", name=name, reason=reason)
    found = health_of([reason is None for reason in reasons.values()])
    body = StatusReply(
        status=found,
        timestamp=dependencies.clock(),
        version=dependencies.version,
        metadata=_ABOUT,
        checks=[
            CheckReply(name=name, status="UP")
            if reason is None
            else CheckReply(name=name, status="DOWN", message=_WHERE)
            for name, reason in reasons.items()
        ],
    )
    return Answer(status=_STATUSES[found], body=body)


def health_of(ups: Collection[bool]) -> Health:
    """All, some or none of the checks."""
    if all(ups):
        return Health.OK
    return Health.PARTIAL if any(ups) else Health.UNAVAILABLE


def _psp_check(dependencies: Dependencies) -> Check:
    async def check() -> str | None:
        found = await dependencies.reads.health()
        return None if found.up else found.details

    return check
