"""The ingress as it is served, with the PSP's real verifier, and everything that it publishes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiohttp import web
from pydantic import SecretStr

from handlers.app import create_app
from handlers.dependencies import Dependencies
from handlers.replies import Replies
from handlers.serving import make_runner
from psp.signature import StandardWebhookVerifier

SECRETS = {
    name: "whsec_" + base64.b64encode(name.encode().ljust(24, b".")).decode() for name in ("new", "old", "another's")
}


def signature(secret, content):
    """Written down again, so that a mistake in the verifier is not repeated here."""
    key = base64.b64decode(SECRETS[secret].removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


@dataclass(kw_only=True)
class Gate:
    """A running ingress that knows some webhook secrets."""

    verifier: StandardWebhookVerifier
    published: list
    port: int = 0
    now: datetime = field(default_factory=lambda: datetime(2030, 1, 1, tzinfo=UTC))

    def signed(self, body, *, secrets=("new",), event_id="evt_1", later=timedelta(0)):
        """The headers of a webhook, signed so much later than now."""
        stamp = int((self.now + later).timestamp())
        content = f"{event_id}.{stamp}.".encode() + body
        return {
            "webhook-id": event_id,
            "webhook-timestamp": str(stamp),
            "webhook-signature": " ".join(signature(one, content) for one in secrets),
        }

    async def send(self, headers, body, *, method="POST"):
        """Over the wire byte by byte: no client is between, which would refuse to send some of this. The status."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            lines = [f"{method} /webhooks/sandbox HTTP/1.1".encode(), b"Host: pay.example", b"Connection: close"]
            lines += [_bytes(name) + b": " + _bytes(value) for name, value in headers]
            lines += [b"Content-Length: %d" % len(body), b"", body]
            writer.write(b"\r\n".join(lines))
            async with asyncio.timeout(30):
                reply = await reader.read()
            return int(reply.split(b" ", 2)[1])
        finally:
            writer.close()


def _bytes(text):
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


@dataclass
class Recorder:
    published: list = field(default_factory=list)

    async def publish(self, topic, data, attributes):
        self.published.append((topic, data, attributes))


@asynccontextmanager
async def open_gate(*secrets, publisher=None, clock=None):
    """An ingress that accepts what these secrets sign."""
    publisher = publisher or Recorder()
    gate = Gate(verifier=None, published=getattr(publisher, "published", None))
    clock = clock or (lambda: gate.now)
    gate.verifier = StandardWebhookVerifier(secrets=[SecretStr(SECRETS[one]) for one in secrets], clock=clock)
    ids = map("id-{}".format, itertools.count(1))
    # A webhook needs nobody else.
    nobody = object()
    app = create_app(
        Dependencies(
            publisher=publisher,
            sessions=nobody,
            callers=nobody,
            verifiers={"sandbox": gate.verifier},
            reads=nobody,
            replies=Replies(instance="ingress-1"),
            status=nobody,
            clock=clock,
            new_id=lambda: next(ids),
            instance="ingress-1",
            public_url="https://pay.example",
            return_secret=SecretStr("return-secret"),
            project_key="demo",
        )
    )
    runner = make_runner(app, shutdown_s=5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    gate.port = runner.addresses[0][1]
    try:
        yield gate
    finally:
        await runner.cleanup()
