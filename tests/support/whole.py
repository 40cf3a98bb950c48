"""The whole product in one loop over real HTTP, put together by its own composition root; only the bus is in memory.

What a storefront, an order system and the Merchant Center do with it is a method each.
"""

from __future__ import annotations

import io
import json
import logging
import secrets
import uuid
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace

import aiohttp
import structlog
from aiohttp import web
from support.commercetools_servers import wall_clock
from support.house import _types
from support.psp_servers import ids

from bus.memory import MemoryBus
from ctpay import local, logs, wiring
from ctpay.metrics import Metrics
from ctpay.ports import free
from ctpay.settings import LogFormat, LogLevel, Logs, load, load_ingress
from handlers.serving import make_runner
from sandbox.commercetools.server import serve as serve_commercetools
from sandbox.commercetools.tokens import Client, demo_clients
from sandbox.psp.model import Terms
from sandbox.psp.server import serve as serve_psp
from workers.runtime import WORKERS

HOST = "127.0.0.1"
PROJECT = local.PROJECT_KEY
#: One try for each call, so that no test waits for another.
QUICK = {"COMMERCETOOLS_TRIES": "1", "PAYMENTS_WAIT_S": "10", "INTENTS_WAIT_S": "10", "CTP_CLIENT_ID": "demo-client"}


@dataclass(kw_only=True)
class Whole:
    """Everything that runs."""

    url: str
    http: aiohttp.ClientSession
    commercetools: object
    psp: object
    bus: MemoryBus
    secret: str
    environment: dict
    stream: io.StringIO
    #: Client id -> its token.
    tokens: dict
    metrics: Metrics
    #: What the product sent: address and headers of each request.
    sent: list

    async def ask(self, method, path, **options):
        """One request to the ingress; the response and its JSON."""
        async with self.http.request(method, self.url + path, allow_redirects=False, **options) as response:
            text = await response.text()
            return response, json.loads(text) if response.content_type == "application/json" else text

    # A storefront.

    async def checkout(self, amount=4200, **metadata):
        """A cart and a session on it; both ids."""
        body = {"amount": {"centAmount": amount, "currencyCode": "EUR"}, "metadata": metadata}
        async with self.http.post(f"{self.commercetools.url}/__control/checkouts", json=body) as response:
            made = await response.json()
        return made["cart"]["id"], made["session"]["id"]

    async def pay(self, session, token="tok_approved", *, headers=None, **more):
        body = {"paymentMethod": {"type": "card", "token": token, **more}}
        return await self.ask("POST", "/payments", json=body, headers={"X-Session-Id": session, **(headers or {})})

    async def paid(self, amount=4200):
        """A Payment whose money is held; its id."""
        _, session = await self.checkout(amount)
        _, body = await self.pay(session)
        assert body["outcome"] == "approved", body
        return body["paymentReference"]

    # An order system, and the Merchant Center.

    async def token(self, client="merchant"):
        if client not in self.tokens:
            login = {"Authorization": aiohttp.encode_basic_auth(client, self.secret)}
            form = {"grant_type": "client_credentials"}
            url = f"{self.commercetools.url}/oauth/token"
            async with self.http.post(url, data=form, headers=login) as response:
                self.tokens[client] = (await response.json())["access_token"]
        return self.tokens[client]

    async def modify(self, payment, action, amount=None, *, client="merchant", currency="EUR", headers=None, **more):
        asked = {"action": action, **more}
        if amount is not None:
            asked["amount"] = {"centAmount": amount, "currencyCode": currency}
        sent = {"Authorization": f"Bearer {await self.token(client)}", **(headers or {})}
        return await self.ask("POST", f"/operations/payment-intents/{payment}", json={"actions": [asked]}, headers=sent)

    async def person(self, **claims):
        """The header of somebody in the Merchant Center."""
        async with self.http.post(f"{self.commercetools.url}/__control/jwt", json=claims) as response:
            return {"Authorization": f"Bearer {(await response.json())['token']}"}

    # commercetools, looked at from outside.

    def payments(self):
        return self.commercetools.core.documents("payment")

    def rows(self, payment):
        """(type, state, cents) of every transaction."""
        (found,) = [one for one in self.payments() if one["id"] == payment]
        return [(one["type"], one["state"], one["amount"]["centAmount"]) for one in found["transactions"]]

    def cart_payments(self, cart):
        (found,) = [one for one in self.commercetools.core.documents("cart") if one["id"] == cart]
        return [one["id"] for one in found.get("paymentInfo", {}).get("payments", [])]

    async def fault(self, **fault):
        async with self.http.post(f"{self.commercetools.url}/__control/faults", json=fault) as response:
            assert response.status == 201, await response.text()

    @contextmanager
    def calls(self):
        """Collects `METHOD /path` of every request to commercetools within the block."""
        log, found = self.commercetools.house.front.log, []
        begun = len(log)
        yield found
        found += [f"{entry.method} {entry.path}" for entry in list(log)[begun:]]

    def lines(self):
        """What was logged, one document a line."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


class _Connector(aiohttp.TCPConnector):
    """Notes what is sent."""

    def __init__(self, sent):
        super().__init__()
        self._sent = sent

    async def connect(self, req, traces, timeout):  # noqa: ASYNC109 - aiohttp's signature
        self._sent.append((str(req.url), dict(req.headers)))
        return await super().connect(req, traces, timeout)


@asynccontextmanager
async def open_whole(monkeypatch, **environment):
    environment = local.environment(free(), {}) | QUICK | environment
    secret = environment["CTP_CLIENT_SECRET"]
    clients = [Client(client_id=one.client_id, secret=secret, scopes=one.scopes) for one in demo_clients(PROJECT)]
    commercetools = await serve_commercetools(
        host=HOST, port=0, project_key=PROJECT, clients=clients, pubsub_host=None, clock=wall_clock,
        new_id=lambda: str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)),
    )  # fmt: skip
    psp = await serve_psp(
        host=HOST, port=0, secret_key=environment["SANDBOX_PSP_SECRET_KEY"],
        publishable_key=environment["SANDBOX_PSP_PUBLISHABLE_KEY"], webhook_url=None,
        webhook_secrets=environment["SANDBOX_PSP_WEBHOOK_SECRETS"].split(), clock=wall_clock, new_id=ids(),
        terms=Terms(auto_complete_after_s=None, settles_after_s=None, hold_s=0.05),
    )  # fmt: skip
    addresses = ("CTP_AUTH_URL", "CTP_API_URL", "CTP_SESSION_URL", "CTP_JWT_ISSUER")
    environment |= dict.fromkeys(addresses, commercetools.url)
    environment |= {"CTP_JWKS_URL": f"{commercetools.url}/.well-known/jwks.json", "SANDBOX_PSP_URL": psp.url}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    bus, stream, metrics, sent = MemoryBus(clock=wall_clock), io.StringIO(), Metrics(), []

    @asynccontextmanager
    async def in_memory(_settings):
        yield bus, bus

    seams = replace(wiring.REAL, draw=lambda: 0.0, connector=lambda _limit: _Connector(sent), bus=in_memory)
    settings, of_workers = load_ingress(), load()
    try:
        with _logging(of_workers.secrets(), stream, metrics):
            async with (
                aiohttp.ClientSession() as http,
                wiring.open_ingress(settings, seams) as ingress,
                wiring.open_workers(of_workers, list(WORKERS), seams),
            ):
                runner = make_runner(ingress.app, shutdown_s=1)
                await runner.setup()
                await web.TCPSite(runner, HOST, 0).start()
                whole = Whole(
                    url=f"http://{HOST}:{runner.addresses[0][1]}", http=http, commercetools=commercetools, psp=psp,
                    bus=bus, secret=secret, environment=environment, stream=stream, tokens={},
                    metrics=metrics, sent=sent,
                )  # fmt: skip
                await _types(_Setup(whole))
                try:
                    yield whole
                finally:
                    await runner.cleanup()
    finally:
        await psp.close()
        await commercetools.close()


@contextmanager
def _logging(known, stream, metrics):
    """Logs as a process writes them."""
    root = logging.getLogger()
    before = root.handlers, root.level
    logs.configure(Logs(format=LogFormat.JSON, level=LogLevel.INFO), secrets=known, watch=metrics, stream=stream)
    try:
        yield
    finally:
        root.handlers, root.level = before
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()


@dataclass
class _Setup:
    """A merchant who sets the project up."""

    whole: Whole

    async def post(self, path, body):
        headers = {"Authorization": f"Bearer {await self.whole.token()}"}
        url = f"{self.whole.commercetools.url}/{PROJECT}{path}"
        async with self.whole.http.post(url, json=body, headers=headers) as response:
            assert response.status < 300, await response.text()
            return await response.json()
