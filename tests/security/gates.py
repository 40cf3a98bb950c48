"""The ingress as it is put together and served, for webhooks alone: its PSP's real verifier, and what it publishes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from aiohttp import web

from bus.memory import MemoryBus
from ctpay import local, wiring
from ctpay.ports import free
from ctpay.settings import load_ingress
from handlers.serving import make_runner
from psp.signature import StandardWebhookVerifier

SECRETS = {
    name: "whsec_" + base64.b64encode(name.encode().ljust(24, b".")).decode() for name in ("new", "old", "another's")
}


def signature(secret, content):
    """Written down again, so that a mistake in the verifier is not repeated here."""
    key = base64.b64decode(SECRETS[secret].removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


@dataclass
class Recorder:
    published: list = field(default_factory=list)

    async def publish(self, topic, data, attributes):
        self.published.append((topic, data, attributes))


@dataclass(kw_only=True)
class Gate:
    """A running ingress that knows some webhook secrets."""

    publisher: object
    verifier: StandardWebhookVerifier | None = None
    port: int = 0
    now: datetime = field(default_factory=lambda: datetime(2030, 1, 1, tzinfo=UTC))

    @property
    def published(self):
        return self.publisher.published

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


@asynccontextmanager
async def open_gate(monkeypatch, *secrets, publisher=None):
    """An ingress that accepts what these secrets sign."""
    gate = Gate(publisher=publisher or Recorder())
    nobody = local.environment(free(), {}) | {"SANDBOX_PSP_WEBHOOK_SECRETS": " ".join(SECRETS[one] for one in secrets)}
    for name, value in nobody.items():
        monkeypatch.setenv(name, value)
    settings = load_ingress()
    bus = MemoryBus(clock=lambda: gate.now)

    @asynccontextmanager
    async def recorded(_settings):
        yield gate.publisher, bus

    seams = replace(wiring.REAL, clock=lambda: gate.now, bus=recorded)
    async with wiring.open_outside(settings.common, seams) as outside, wiring.open_ingress(settings, seams) as ingress:
        gate.verifier = settings.common.psp.verifier(outside.psp_seams)
        runner = make_runner(ingress.app, shutdown_s=5)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        gate.port = runner.addresses[0][1]
        try:
            yield gate
        finally:
            await runner.cleanup()
