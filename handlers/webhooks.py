"""Webhooks: what a PSP tells us, taken in once its signature is verified, word for word.

The body is not parsed here: an event nobody understands yet must not be lost, and the PSP must not wait for us.
"""

from __future__ import annotations

import base64

from aiohttp import web

from bus.messages import PspNotification
from handlers import body, dispatch, headers
from handlers.answers import Answer
from handlers.dependencies import Dependencies
from handlers.errors import not_found
from handlers.shapes import AcceptedReply
from psp.errors import UnverifiedWebhookError


async def receive(dependencies: Dependencies, request: web.Request) -> Answer:
    """POST /webhooks/{psp}. 200 means that the bus has it; anything else makes the PSP send it again."""
    psp = request.match_info["psp"]
    verifier = dependencies.verifiers.get(psp)
    if verifier is None:
        raise not_found("No such PSP is configured here.")
    raw = await body.read(request, dependencies.limits.webhook)
    received = {name.lower(): value for name, value in request.headers.items()}
    # Of two headers with one name, a proxy may believe the first and we the last: neither proves anything.
    if any(len(request.headers.getall(name, ())) > 1 for name in verifier.headers):
        raise UnverifiedWebhookError
    verifier.verify(received, raw)
    notification = PspNotification(
        correlation_id=headers.correlation_id(request),
        event_id=dependencies.new_id(),
        psp=psp,
        headers={name: received[name] for name in sorted(verifier.headers) if name in received},
        body=base64.b64encode(raw),
        received_at=dependencies.clock(),
    )
    await dispatch.publish(dependencies, notification)
    return Answer(status=200, body=AcceptedReply(status="accepted"))
